"""FrameSource: camera frames of any size, read a few at a time from whatever holds them."""

from __future__ import annotations

import contextlib
import copy
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from napari_deepsmlm._boundary import reading
from napari_deepsmlm.io._storage import FrameReadError, ReadOnlyFile, require_file
from napari_deepsmlm.io.frames._file_names import by_place
from napari_deepsmlm.io.frames._picked import pick
from napari_deepsmlm.io.frames._planes import (
    MAX_PIXEL_SIZE_NM,
    MIN_PIXEL_SIZE_NM,
    Frames,
    Opened,
    PlaneLayout,
    Planes,
    Shape,
    is_plausible_pixel_size,
)
from napari_deepsmlm.io.frames._raw import open_dax, open_picasso_raw
from napari_deepsmlm.io.frames._series import open_series, open_side_by_side
from napari_deepsmlm.io.frames._zarr import is_zarr, open_zarr
from napari_deepsmlm.io.frames.arrays import ArrayPlanes, open_npy
from napari_deepsmlm.io.frames.tiff import open_tiff

if TYPE_CHECKING:
    import dask.array

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
_CHUNK_BYTES = 1 << 20
_MAX_CHUNKS = 20_000


class FrameSource:
    """A stack of camera frames that stays where it is until a range is read.

    Instances come from :func:`open_frames`. They can be read from several threads at once and
    pickled to another process, which opens the files for itself.

    Attributes
    ----------
    shape : (T, C, H, W): frames, simultaneous planes, rows, columns.
    dtype : of the frames as stored, in native byte order.
    pixel_size_nm : camera pixel in the sample plane, nm; None if the file does not say.
    pixel_size_origin : where it comes from: "OME metadata", "given", "", ...
    camera : what names the camera or the microscope in the file, "" if nothing does.
    camera_settings : offset and gain as far as the file states them, in the words of Picasso:
        "Baseline", "Sensitivity" (electrons per ADU), "Gain", "Qe"; empty if it does not.
    path : the (first) file; None for arrays in memory.
    name : the file's name, or "array".
    warnings : sentences about the file that a person should read.
    layout : what the planes are, colours or focal planes.
    z_step_nm : distance of focal planes, nm, None if the file does not say.

    Examples
    --------
    >>> frames = open_frames(np.zeros((20, 64, 64), np.uint16), pixel_size_nm=100)
    >>> frames.shape, frames.read(5, 7).shape
    ((20, 1, 64, 64), (2, 1, 64, 64))
    >>> [len(block) for block in frames.chunks(8)]
    [8, 8, 4]
    """

    def __init__(
        self,
        planes: Planes,
        *,
        name: str,
        path: Path | None = None,
        pixel_size_nm: float | None = None,
        pixel_size_origin: str = "",
        warnings: tuple[str, ...] = (),
        camera: str = "",
        layout: PlaneLayout | None = None,
        z_step_nm: float | None = None,
        camera_settings: Mapping[str, Any] | None = None,
    ) -> None:
        self._planes = planes
        self._frames = range(planes.shape[0])
        self.name = name
        self.path = path
        self.pixel_size_nm = pixel_size_nm
        self.pixel_size_origin = pixel_size_origin
        self.warnings = warnings
        self.camera = camera
        self.layout = layout or PlaneLayout.of(planes.shape[1:2], "P", -1)
        self.z_step_nm = z_step_nm
        self.camera_settings = camera_settings or {}

    @property
    def shape(self) -> Shape:
        """(T, C, H, W)."""
        return (len(self._frames), *self._planes.shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Data type of the frames, in native byte order."""
        return self._planes.dtype

    @property
    def n_frames(self) -> int:
        """Number of frames T."""
        return len(self._frames)

    def __len__(self) -> int:
        return len(self._frames)

    def read(self, start: int, stop: int) -> Frames:
        """Return frames start <= t < stop as a new array (stop - start, C, H, W).

        Raises
        ------
        IndexError
            If the range is not inside the stack.
        FrameReadError
            If the file changed, vanished or is damaged there.
        """
        if not 0 <= start <= stop <= self.n_frames:
            raise IndexError(f"Frames {start}:{stop} are not within 0:{self.n_frames}.")
        first = self._frames.start
        try:
            return self._planes.read(first + start, first + stop)
        except (OSError, MemoryError):
            raise
        except Exception as error:
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise FrameReadError(
                f"{self.name}: frames {start}:{stop} could not be read ({reason})."
            ) from error

    def chunks(self, size: int, start: int = 0, stop: int | None = None) -> Iterator[Frames]:
        """Yield (up to `size`, C, H, W) blocks of frames in order."""
        if size < 1:
            raise ValueError(f"The chunk size must be 1 or more, got {size}.")
        stop = self.n_frames if stop is None else min(stop, self.n_frames)
        for first in range(start, stop, size):
            yield self.read(first, min(first + size, stop))

    def slice(self, start: int, stop: int | None = None) -> FrameSource:
        """Return the frames start <= t < stop as a source of their own, sharing the file.

        Raises
        ------
        ValueError
            If no frame is left.
        """
        frames = self._frames[start:stop]
        if len(frames) == 0:
            raise ValueError(
                f"{self.name}: frames {start}:{'' if stop is None else stop} select nothing; the "
                f"stack has frames 0:{self.n_frames}."
            )
        return self._replaced(_frames=frames)

    def with_pixel_size(self, pixel_size_nm: float) -> FrameSource:
        """Return the same frames with a pixel size given by hand, nm.

        Raises
        ------
        ValueError
            If no camera could have such pixels.
        """
        _check_pixel_size(pixel_size_nm)
        return self._replaced(pixel_size_nm=float(pixel_size_nm), pixel_size_origin="given")

    def with_channel(self, channel: int | str) -> FrameSource:
        """Return the frames of one colour.

        Parameters
        ----------
        channel : its number, from 1, or its name in the file.

        Raises
        ------
        ValueError
            If there is no such colour.
        """
        planes, layout = self.layout.planes_of(self.name, channel)
        return self._replaced(_planes=pick(self._planes, planes), layout=layout)

    def registered(self, registration: PlaneRegistration | str | Path) -> FrameSource:
        """Return the same frames with each plane moved onto the first one as it is read.

        Raises
        ------
        FileNotFoundError, ValueError
            If there is no such file, or its planes or pixels are not those of the frames.
        """
        from napari_deepsmlm.io.frames._registered import (
            register,  # loads torch, as all of psf does
        )

        planes = register(
            self._planes, registration, name=self.name, pixel_size_nm=self.pixel_size_nm
        )
        return self._replaced(_planes=planes)

    def as_dask(self) -> dask.array.Array:
        """Return a (T, C, H, W) dask array that reads about 1 MB at a time."""
        import dask.array

        frame_bytes = int(np.prod(self.shape[1:])) * self.dtype.itemsize
        n_per_chunk = max(1, _CHUNK_BYTES // frame_bytes, -(-self.n_frames // _MAX_CHUNKS))
        chunks = (min(n_per_chunk, self.n_frames), *self.shape[1:])
        array: dask.array.Array = dask.array.from_array(
            _Sliceable(self), chunks=chunks, name=False, asarray=False, inline_array=True
        )
        return array

    def _replaced(self, **changes: Any) -> FrameSource:
        source = copy.copy(self)
        source.__dict__.update(changes)
        return source

    def close(self) -> None:
        """Close the files; a later read opens them again."""
        self._planes.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        size = f"{self.pixel_size_nm:g} nm pixels" if self.pixel_size_nm else "pixel size unknown"
        return f"FrameSource({self.name}: {self.shape} {self.dtype}, {size})"


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
        paths = list(map(Path, source))
        if not as_planes:
            paths, channel = _of_one_place(paths, channel)
        opened = _open_list(paths, axes, as_planes, allow_truncated)
    else:
        raise ValueError(
            f"Frames must be a path, a list of paths or an array, got {type(source).__name__}."
        )
    if channel is not None:
        opened = opened.with_channel(channel)
    if pixel_size_nm is not None:
        opened = opened.with_pixel_size(pixel_size_nm)
    return opened if registration is None else opened.registered(registration)


class _Sliceable:
    """What dask needs of an array, so that it slices a FrameSource."""

    def __init__(self, source: FrameSource) -> None:
        self._source = source
        self.shape = source.shape
        self.dtype = source.dtype
        self.ndim = 4

    def __getitem__(self, key: tuple[Any, ...]) -> Frames:
        frames, *rest = key
        if not isinstance(frames, slice):  # dask hands on a single frame as its number
            frame: Frames = self._source.read(frames, frames + 1)[(0, *rest)]
            return frame
        start, stop, step = frames.indices(self.shape[0])
        return self._source.read(start, stop)[(slice(None, None, step), *rest)]


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
    wanted = [group for place, group in groups.items() if place.channel == str(channel).casefold()]
    if channel is not None and len(wanted) == 1:
        return wanted[0], None
    shown = "; ".join(place.describe() or "no word of it" for place in list(groups)[:4])
    more = ", ..." if len(groups) > 4 else ""
    ways = "give those of one"
    if len({place.channel for place in groups}) > 1:
        ways += " (--channel takes one channel), or --planes for planes recorded together"
    raise ValueError(
        f"{paths[0].name}: the names of the {len(paths)} files say that they are of {len(groups)} "
        f"places ({shown}{more}), which are not one movie; {ways}."
    )


def _open_list(
    paths: list[Path], axes: str | None, as_planes: bool, allow_truncated: bool
) -> FrameSource:
    """Open several files as one movie; a set that is given whole is not counted twice."""
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


def _check_pixel_size(pixel_size_nm: float | None) -> None:
    if pixel_size_nm is not None and not is_plausible_pixel_size(pixel_size_nm):
        raise ValueError(
            f"The pixel size must be between {MIN_PIXEL_SIZE_NM:g} and {MAX_PIXEL_SIZE_NM:g} nm, "
            f"got {pixel_size_nm:g}; give the camera pixel in the sample plane in nm."
        )


def natural_order(paths: Iterable[Path]) -> list[Path]:
    """Return paths with their numbers in order: frame2 before frame10, and movie before movie_1."""
    return sorted(paths, key=_natural_key)


def _natural_key(path: Path) -> list[list[tuple[int, int, str]]]:
    """Sort digits as numbers, and the endings last: the first part of a movie has no number."""
    name, ending = _without_endings(path.name)
    parts = (*path.parts[:-1], name, ending)
    return [[_sortable(part) for part in re.split(r"(\d+)", text)] for text in parts]


def _without_endings(name: str) -> tuple[str, str]:
    match = re.fullmatch(r"(.+?)((?:\.ome)?\.[A-Za-z][A-Za-z0-9]{1,4})", name, re.IGNORECASE)
    return (match[1], match[2]) if match else (name, "")


def _sortable(part: str) -> tuple[int, int, str]:
    return (0, int(part), part) if part.isdecimal() else (1, 0, part.casefold())
