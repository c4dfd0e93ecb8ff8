"""Readers: camera frames of every format as lazy layers in nm.

napari asks a plugin twice. The manifest's file patterns say which files it may read; as napari's
own reader has `*.tif` too, napari shows its dialog once and can remember the choice for the
ending (Preferences > Plugins). `get_reader` is asked next and takes only what looks like a
blinking movie. Other images it leaves to the other readers: also those that are dropped after
this plugin was remembered, which napari then offers to open with them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_warning

from napari_deepsmlm.io import (
    are_planes,
    looks_like_frames,
    looks_like_series,
    movies_in_folder,
    open_frames,
)
from napari_deepsmlm.plugin.layers.world import KEY, contrast_of, image_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_deepsmlm.io import FrameSource

    LayerData = tuple[Any, dict[str, Any], str]
    Paths = str | Sequence[str]


def get_reader(path: Paths) -> Callable[[Paths], list[LayerData]] | None:
    """Return a reader if there is a blinking movie in what was dropped, None if there is not.

    Parameters
    ----------
    path : a file, a folder of TIFFs, a zarr folder, or files that were dropped as a stack: the
        parts of one movie, or its focal planes if their names say so.
    """
    paths = [Path(p) for p in _as_list(path)]
    if not paths:
        return None
    if len(paths) == 1 and paths[0].is_dir() and not looks_like_frames(paths[0]):
        return _read_folder if movies_in_folder(paths[0]) else None
    is_movie = all(map(looks_like_frames, paths)) or looks_like_series(paths)
    return read_frames if is_movie else None


def read_frames(path: Paths) -> list[LayerData]:
    """Return one lazy image layer of all frames.

    Raises
    ------
    ValueError, OSError
        One sentence: what is wrong, where, and what to do.
    """
    paths = _as_list(path)
    return [layer_of(paths, as_planes=are_planes(paths))]


def layer_of(paths: Sequence[str | Path], *, as_planes: bool = False) -> LayerData:
    """Return the frames of one or several files as napari's (data, keywords, type).

    Parameters
    ----------
    as_planes : the files are focal planes that were recorded together.
    """
    files: Any = list(paths) if len(paths) > 1 else paths[0]
    # What is whole of a movie that was cut short is shown, and its warning says what is missing.
    source = open_frames(files, as_planes=as_planes, allow_truncated=True)
    data, keywords, kind = image_of(source)
    keywords["contrast_limits"] = contrast_of(source)
    keywords["name"] = _stem(source.name)
    keywords["metadata"] = {
        KEY: {
            "paths": [str(Path(p).absolute()) for p in paths],
            "as_planes": as_planes,
            "layer_shape": tuple(data.shape),
            "pixel_size_nm": source.pixel_size_nm,
            "pixel_size_origin": source.pixel_size_origin,
            "camera_name": source.camera,
            "warnings": list(source.warnings),
            "channels": _channel_names(source),
        }
    }
    _tell(source)
    return data, keywords, kind


def _channel_names(source: FrameSource) -> list[str]:
    """Return what the colours are called, [] if the planes are none."""
    if not source.layout.are_channels or source.layout.n_channels != source.shape[1]:
        return []
    named = dict(enumerate(source.layout.channels))
    return [named.get(i) or str(i + 1) for i in range(source.layout.n_channels)]


def _read_folder(path: Paths) -> list[LayerData]:
    """Return a layer for each movie in a folder."""
    (folder,) = _as_list(path)
    return [layer_of(files) for files in movies_in_folder(folder)]


def _tell(source: FrameSource) -> None:
    remarks = list(source.warnings)
    if source.pixel_size_nm is None:
        remarks.append("It states no pixel size and is shown in pixels: Reconstruct asks for it.")
    if remarks:
        show_warning(f"{source.name}: {' '.join(remarks)}")


def _as_list(path: Paths) -> list[str]:
    return [str(path)] if isinstance(path, str | Path) else [str(p) for p in path]


def _stem(name: str) -> str:
    """Return a file's name without its endings, also `.ome.tif`."""
    return Path(name).stem.removesuffix(".ome")
