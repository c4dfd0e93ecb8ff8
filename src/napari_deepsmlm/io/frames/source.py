"""FrameSource: camera frames of any size, read a few at a time from whatever holds them."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from napari_deepsmlm.io._storage import FrameReadError
from napari_deepsmlm.io.frames._picked import pick
from napari_deepsmlm.io.frames._planes import (
    MAX_PIXEL_SIZE_NM,
    MIN_PIXEL_SIZE_NM,
    Frames,
    PlaneLayout,
    Planes,
    Shape,
    is_plausible_pixel_size,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import dask.array

    from napari_deepsmlm.psf.registration import PlaneRegistration

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
    paths : all files that were named, in the order given.
    are_planes : whether they were recorded at the same time, as focal planes of one movie.
    name : the file's name, or "array".
    warnings : sentences about the file that a person should read.
    layout : what the planes are, colours or focal planes.
    z_step_nm : distance of focal planes, nm, None if the file does not say.

    Examples
    --------
    >>> from napari_deepsmlm.io import open_frames
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
        self.paths = () if path is None else (path,)
        self.are_planes = False
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

    def of_files(self, paths: tuple[Path, ...], *, are_planes: bool) -> FrameSource:
        """Return the same frames, said to be of several files."""
        return self._replaced(paths=paths, are_planes=are_planes)

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


def _check_pixel_size(pixel_size_nm: float | None) -> None:
    if pixel_size_nm is not None and not is_plausible_pixel_size(pixel_size_nm):
        raise ValueError(
            f"The pixel size must be between {MIN_PIXEL_SIZE_NM:g} and {MAX_PIXEL_SIZE_NM:g} nm, "
            f"got {pixel_size_nm:g}; give the camera pixel in the sample plane in nm."
        )
