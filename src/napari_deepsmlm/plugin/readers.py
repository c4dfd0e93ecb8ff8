"""Readers: camera frames from TIFF files as a lazy layer in nm.

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

from napari_deepsmlm.io import looks_like_frames, open_frames
from napari_deepsmlm.plugin.layers import KEY, image_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    LayerData = tuple[Any, dict[str, Any], str]
    Paths = str | Sequence[str]


def get_reader(path: Paths) -> Callable[[Paths], list[LayerData]] | None:
    """Return a reader if the file, or each of the files, looks like a blinking movie.

    Parameters
    ----------
    path : a TIFF file, or several that are one movie.
    """
    paths = _as_list(path)
    return read_frames if paths and all(map(looks_like_frames, paths)) else None


def read_frames(path: Paths) -> list[LayerData]:
    """Return one lazy image layer of all frames.

    Raises
    ------
    ValueError, OSError
        One sentence: what is wrong, where, and what to do.
    """
    paths = _as_list(path)
    source = open_frames(paths[0] if len(paths) == 1 else paths)
    data, keywords, kind = image_of(source)
    keywords["name"] = _stem(source.name)
    keywords["metadata"] = {
        KEY: {
            "paths": [str(Path(p).absolute()) for p in paths],
            "layer_shape": tuple(data.shape),
            "pixel_size_nm": source.pixel_size_nm,
            "pixel_size_origin": source.pixel_size_origin,
            "warnings": list(source.warnings),
        }
    }
    remarks = list(source.warnings)
    if source.pixel_size_nm is None:
        remarks.append("It states no pixel size and is shown in pixels: Reconstruct asks for it.")
    if remarks:
        show_warning(f"{source.name}: {' '.join(remarks)}")
    return [(data, keywords, kind)]


def _as_list(path: Paths) -> list[str]:
    return [str(path)] if isinstance(path, str | Path) else [str(p) for p in path]


def _stem(name: str) -> str:
    """Return a file's name without its endings, also `.ome.tif`."""
    return Path(name).stem.removesuffix(".ome")
