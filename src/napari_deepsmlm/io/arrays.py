"""Arrays as frames: numpy and dask in memory, .npy files, zarr arrays, Picasso .raw movies."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from napari_deepsmlm.io._planes import (
    MAX_PLANES,
    Frames,
    Opened,
    Shape,
    arrange_axes,
    check_axes,
    check_dtype,
    is_plausible_pixel_size,
)
from napari_deepsmlm.io._storage import FrameReadError, ReadOnlyFile

if TYPE_CHECKING:
    from pathlib import Path

_NPY_HEADER_BYTES = 10_000
_RAW_HEADER_BYTES = 1_000_000


class ArrayPlanes:
    """Frames of anything that has a shape, a dtype and slices: numpy, dask, zarr.

    Parameters
    ----------
    name : what to call it in an error.
    array : (..., H, W) grey levels.
    axes : letters of the axes; None: (T, Y, X), (T, C, Y, X) or (Y, X).
    """

    def __init__(self, name: str, array: Any, axes: str | None = None) -> None:
        self._name = name
        self.dtype = check_dtype(name, np.dtype(array.dtype))
        sizes, letters = _array_axes(name, tuple(map(int, array.shape)), axes)
        index, self._time = arrange_axes(sizes, letters)
        self._array = array
        self.shape: Shape = (*index.shape, *map(int, array.shape[-2:]))

    def read(self, start: int, stop: int) -> Frames:
        """Return frames start <= t < stop as (stop - start, C, H, W)."""
        part = [slice(None)] * self._array.ndim
        if self._time >= 0:
            part[self._time] = slice(start, stop)
        try:
            frames = np.asarray(self._array[tuple(part)])
        except Exception as error:  # a lazy array can fail in any way
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise FrameReadError(
                f"{self._name}: frames {start}:{stop} could not be computed ({reason})."
            ) from error
        frames = np.moveaxis(frames, self._time, 0) if self._time >= 0 else frames[None][start:stop]
        frames = frames.reshape(stop - start, *self.shape[1:])
        # copy: the caller may change its frames, never the array they came from
        return np.array(frames, self.dtype, order="C", copy=True)

    def close(self) -> None:
        """Nothing to release: the array belongs to the caller."""


class RawPlanes:
    """Frames (T, C, H, W) stored one behind the other in a file, read by position."""

    def __init__(self, file: ReadOnlyFile, offset: int, shape: Shape, dtype: np.dtype[Any]) -> None:
        self._file = file
        self._offset = offset
        self._stored = dtype
        self.shape = shape
        self.dtype = check_dtype(file.name, dtype)

    def read(self, start: int, stop: int) -> Frames:
        """Return frames start <= t < stop as (stop - start, C, H, W)."""
        frames = np.empty((stop - start, *self.shape[1:]), self._stored)
        frame_bytes = math.prod(self.shape[1:]) * self._stored.itemsize
        buffer = frames.view(np.uint8).reshape(-1).data
        what = f"frames {start}:{stop}"
        self._file.read_into(self._offset + start * frame_bytes, buffer, what)
        return frames.astype(self.dtype, copy=False)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def open_npy(path: Path, *, axes: str | None, allow_truncated: bool) -> Opened:
    """Open a NumPy file without loading it.

    Raises
    ------
    ValueError
        If the header is damaged, the values are no grey levels, or the file is cut short.
    """
    file = ReadOnlyFile(path)
    stored_shape, is_fortran, dtype, offset = _npy_header(file)
    check_dtype(path.name, dtype)
    sizes, letters = _array_axes(path.name, stored_shape, axes)
    index, _ = arrange_axes(sizes, letters)
    is_in_order = bool((index.ravel() == np.arange(index.size)).all())
    if is_fortran or not is_in_order:
        if file.size < offset + math.prod(stored_shape) * dtype.itemsize:
            raise ValueError(f"{path.name}: cut short; fetch or export it again.")
        file.close()
        return Opened(ArrayPlanes(path.name, np.load(path, mmap_mode="r"), axes))
    shape: Shape = (*index.shape, *stored_shape[-2:])
    return _open_raw(file, offset, shape, dtype, allow_truncated)


def open_picasso_raw(path: Path, *, allow_truncated: bool) -> Opened:
    """Open a `.raw` movie whose `.yaml` neighbour states its shape (Picasso).

    Raises
    ------
    ValueError
        If the neighbour is missing or incomplete, or the movie is cut short.
    """
    header = path.with_suffix(".yaml")
    if not header.is_file():
        raise ValueError(
            f"{path.name}: a .raw movie needs {header.name} beside it, which states its size; "
            "copy both, or export the movie as TIFF."
        )
    values = _raw_header(header)
    try:
        t, h, w = (int(values[key]) for key in ("Frames", "Height", "Width"))
        dtype = np.dtype(str(values["Data Type"]))
        dtype = dtype.newbyteorder(">" if values.get("Byte Order") == ">" else "<")
    except (KeyError, TypeError, ValueError):
        raise ValueError(
            f"{header.name}: must state Frames, Height, Width and Data Type as Picasso writes "
            "them; export the movie again."
        ) from None
    shape: Shape = (t, 1, h, w)
    check_shape(path.name, shape)
    size = values.get("Pixelsize", values.get("Camera.Pixelsize"))
    is_size = isinstance(size, int | float) and is_plausible_pixel_size(size)
    return _open_raw(
        ReadOnlyFile(path),
        0,
        shape,
        dtype,
        allow_truncated,
        pixel_size_nm=float(size) if is_size else None,  # type: ignore[arg-type]
        pixel_size_origin=header.name if is_size else "",
    )


def open_zarr(path: Path, *, axes: str | None) -> Opened:
    """Open a zarr array that is stored as a folder."""
    import zarr

    try:
        array = zarr.open_array(path, mode="r")
    except Exception as error:  # noqa: BLE001 - zarr raises many kinds for a damaged store
        raise ValueError(
            f"{path.name}: is not a readable zarr array ({type(error).__name__}); give the folder "
            "of one array, not of a group."
        ) from None
    return Opened(ArrayPlanes(path.name, array, axes))


def check_shape(name: str, shape: tuple[int, ...]) -> None:
    """Raise unless there is at least one frame of at least one pixel."""
    if min(shape, default=0) < 1:
        raise ValueError(
            f"{name}: holds no pixels (shape {_times(shape)}); give at least one frame."
        )


def _open_raw(
    file: ReadOnlyFile,
    offset: int,
    shape: Shape,
    dtype: np.dtype[Any],
    allow_truncated: bool,
    **pixel_size: Any,
) -> Opened:
    n_complete = max(0, file.size - offset) // (math.prod(shape[1:]) * dtype.itemsize)
    warnings: tuple[str, ...] = ()
    if n_complete < shape[0]:
        if n_complete == 0 or not allow_truncated:
            raise ValueError(
                f"{file.name}: cut short: {n_complete} of {shape[0]} frames are complete; fetch it "
                f"again, or open frames 0:{n_complete} with allow_truncated=True."
            )
        warnings = (f"Only the first {n_complete} of {shape[0]} frames are complete.",)
        shape = (n_complete, *shape[1:])
    return Opened(RawPlanes(file, offset, shape, dtype), warnings=warnings, **pixel_size)


def _npy_header(file: ReadOnlyFile) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    stream = io.BytesIO(file.read_at(0, _NPY_HEADER_BYTES + 16))
    try:
        version = np.lib.format.read_magic(stream)
        reader = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, is_fortran, dtype = reader(stream, max_header_size=_NPY_HEADER_BYTES)
    except (ValueError, KeyError, TypeError, SyntaxError, EOFError):
        raise ValueError(
            f"{file.name}: its NumPy header is damaged; save the array again with np.save."
        ) from None
    return tuple(map(int, shape)), bool(is_fortran), dtype, stream.tell()


def _raw_header(path: Path) -> dict[str, Any]:
    if path.stat().st_size > _RAW_HEADER_BYTES:
        raise ValueError(f"{path.name}: larger than 1 MB, which is no movie header.")
    try:  # Picasso adds one document per processing step; the first describes the movie
        values = next(yaml.safe_load_all(path.read_text(encoding="utf-8")), None)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise ValueError(f"{path.name}: is not a readable YAML file; export the movie again.")
    return values


def _array_axes(name: str, shape: tuple[int, ...], axes: str | None) -> tuple[tuple[int, ...], str]:
    """Return lengths and letters of the axes before Y and X."""
    if len(shape) < 2:
        raise ValueError(f"{name}: frames need two axes (Y, X) or more, got {len(shape)}.")
    check_shape(name, shape)
    if axes is not None:
        return shape[:-2], check_axes(name, axes, len(shape))
    if shape[-1] in (3, 4) and len(shape) > 2 and shape[-3] > MAX_PLANES:
        raise ValueError(
            f"{name}: shape {_times(shape)} looks like colour images; give grey levels, or say "
            "which axis is which with axes='TCYX'."
        )
    if len(shape) > 4:
        raise ValueError(
            f"{name}: has {len(shape)} axes ({_times(shape)}); say which is which with axes, "
            "as axes='TZCYX'."
        )
    return shape[:-2], {2: "", 3: "T", 4: "TC"}[len(shape)]


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
