"""Open camera frames, whatever holds them: files of any kind, sets of files, arrays."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_deepsmlm._boundary import reading
from napari_deepsmlm.io._storage import ReadOnlyFile, require_file
from napari_deepsmlm.io.frames._planes import Opened
from napari_deepsmlm.io.frames._raw import open_dax, open_picasso_raw
from napari_deepsmlm.io.frames._series import open_series, open_side_by_side
from napari_deepsmlm.io.frames._zarr import is_zarr, open_zarr
from napari_deepsmlm.io.frames.arrays import ArrayPlanes, open_npy
from napari_deepsmlm.io.frames.file_names import by_place, natural_order
from napari_deepsmlm.io.frames.source import FrameSource
from napari_deepsmlm.io.frames.tiff import open_tiff

if TYPE_CHECKING:
    from napari_deepsmlm.psf.registration import PlaneRegistration

_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_NPY_START = b"\x93NUMPY"
_OTHER_STARTS = {
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"\x89HDF": "an HDF5 file",
    b"PK\x03\x04": "a ZIP archive",
    b"\x1f\x8b": "a gzip archive",
    b"%PDF": "a PDF document",
    b"ND2 ": "a Nikon ND2 file",
    b"\xda\xce\xbe\n": "a Nikon ND2 file",
    b"ZISRAW": "a Zeiss CZI file",
}


def open_frames(
    source: Any,
    *,
    pixel_size_nm: float | None = None,
    axes: str | None = None,
    as_planes: bool = False,
    allow_truncated: bool = False,
    registration: PlaneRegistration | str | Path | None = None,
    channel: int | str | None = None,
) -> FrameSource:
    """Open camera frames without reading them.

    TIFF in all its kinds (classic, BigTIFF, OME, ImageJ also beyond 4 GB, Micro-Manager and
    OME sets of files), `.npy`, zarr arrays and OME-Zarr images, Picasso `.raw` + `.yaml`, `.dax` +
    `.inf`, several files as one movie, numpy and dask arrays.

    Axes are taken from the file. Where T is named and longer than one, it is time; otherwise the
    longest axis besides Y and X is (a channel axis only beyond four channels); all others become
    planes C.

    Parameters
    ----------
    source : a path, a list of paths (put in natural order: 2 before 10), or an array.
    pixel_size_nm : camera pixel in the sample plane, nm; overrides the file.
    axes : letters of the axes, as "TCYX" or "ZYX"; overrides the file.
    as_planes : the files of a list were recorded at the same time and are the focal planes of one
        movie, in the order given; otherwise they follow each other in time.
    allow_truncated : open what is complete of a file that was cut short, with a warning.
    registration : the `planes.yaml` of a calibration; planes are then moved onto the first one as
        they are read, as float32.
    channel : one colour of several, by its number from 1 or its name in the file.

    Raises
    ------
    FileNotFoundError, PermissionError, ValueError
        One sentence: what is wrong, where, and what to do.
    """
    if isinstance(source, FrameSource):
        opened = source
    elif isinstance(source, str | Path):
        path = Path(source)
        with reading(path):
            opened = _source(_open_path(path, axes, allow_truncated), path)
    elif _is_array(source):
        planes = ArrayPlanes("array", source, axes)
        opened = _source(Opened(planes, layout=planes.layout), None)
    elif _are_paths(source):
        named = paths = list(map(Path, source))
        if not as_planes:
            paths, channel = _of_one_place(named, channel)
        opened = _open_list(paths, axes, as_planes, allow_truncated)
        opened = opened.of_files(tuple(named), are_planes=as_planes)
    else:
        raise ValueError(
            f"Frames must be a path, a list of paths or an array, got {type(source).__name__}."
        )
    if channel is not None:
        opened = opened.with_channel(channel)
    if pixel_size_nm is not None:
        opened = opened.with_pixel_size(pixel_size_nm)
    return opened if registration is None else opened.registered(registration)


def _of_one_place(
    paths: list[Path], channel: int | str | None
) -> tuple[list[Path], int | str | None]:
    """Return the files of one colour and position by their names, and the colour still to take.

    Raises
    ------
    ValueError
        If there are several, which are not to be mixed into one movie.
    """
    groups = by_place(paths)
    if len(groups) == 1:
        return paths, channel
    name = str(channel).casefold()
    wanted = [
        group
        for place, group in groups.items()
        if name in (place.channel, place.series.strip("'").casefold())
    ]
    if channel is not None and len(wanted) == 1:
        return wanted[0], None
    shown = "; ".join(place.describe() or "no word of it" for place in list(groups)[:4])
    more = ", ..." if len(groups) > 4 else ""
    ways = "give those of one"
    if len({(place.channel, place.series) for place in groups}) > 1:
        ways += " (--channel takes one channel), or --planes for planes recorded together"
    raise ValueError(
        f"{paths[0].name}: the names of the {len(paths)} files say that they are of {len(groups)} "
        f"places ({shown}{more}), which are not one movie; {ways}."
    )


def _open_list(
    paths: list[Path], axes: str | None, as_planes: bool, allow_truncated: bool
) -> FrameSource:
    """Open several files as one movie; a set that is given whole is not counted twice."""
    seen: set[Path] = set()
    for path in paths:
        if path.resolve() in seen:
            raise ValueError(f"{path.name}: is given twice; give each file of a movie once.")
        seen.add(path.resolve())
    if not as_planes:
        paths = natural_order(paths)

    def open_one(path: Path) -> Opened:
        with reading(path):
            return _open_path(path, axes, allow_truncated, whole_set=len(paths) == 1)

    if as_planes:
        return _source(
            open_side_by_side(paths, open_one, allow_truncated=allow_truncated), paths[0]
        )
    return _source(open_series(paths, open_one), paths[0])


def _open_path(
    path: Path, axes: str | None, allow_truncated: bool, whole_set: bool = True
) -> Opened:
    if is_zarr(path):
        return open_zarr(path, axes=axes)
    require_file(path)
    with contextlib.closing(ReadOnlyFile(path)) as file:
        start, size = file.read_at(0, 16), file.size
    if start[:4] in _TIFF_STARTS:
        return open_tiff(path, axes=axes, allow_truncated=allow_truncated, whole_set=whole_set)
    if start.startswith(_NPY_START):
        return open_npy(path, axes=axes, allow_truncated=allow_truncated)
    if path.suffix.lower() == ".raw" and size:
        return open_picasso_raw(path, allow_truncated=allow_truncated)
    if path.suffix.lower() == ".dax" and size:
        return open_dax(path, allow_truncated=allow_truncated)
    raise ValueError(f"{path.name}: {_what_it_is(start)}")


def _what_it_is(start: bytes) -> str:
    if not start:
        return "the file is empty; export or fetch it again."
    for magic, kind in _OTHER_STARTS.items():
        if start.startswith(magic):
            return f"is {kind}, not a TIFF; export the frames as TIFF."
    if start[:2] in (b"II", b"MM") and len(start) < 16:
        return "too short for a TIFF file; export or fetch it again."
    if all(9 <= byte < 127 for byte in start):
        return "is text, not a TIFF; check that this is the image file, or export it as TIFF."
    return "is not a TIFF or NumPy file; export the frames as TIFF."


def _source(opened: Opened, path: Path | None) -> FrameSource:
    return FrameSource(
        opened.planes,
        name="array" if path is None else path.name,
        path=path,
        pixel_size_nm=opened.pixel_size_nm,
        pixel_size_origin=opened.pixel_size_origin,
        warnings=opened.warnings,
        camera=opened.camera,
        layout=opened.layout,
        z_step_nm=opened.z_step_nm,
        camera_settings=opened.camera_settings,
    )


def _are_paths(source: Any) -> bool:
    is_list = isinstance(source, Sequence) and len(source) > 0
    return is_list and all(isinstance(path, str | Path) for path in source)


def _is_array(source: Any) -> bool:
    return all(hasattr(source, name) for name in ("shape", "dtype", "ndim", "__getitem__"))
