"""Arrays as frames: numpy and dask in memory, and .npy files."""

from __future__ import annotations

import io
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_deepsmlm.io._storage import DamagedFrameError, ReadOnlyFile
from napari_deepsmlm.io.frames._planes import (
    MAX_PLANES,
    Frames,
    Opened,
    PlaneLayout,
    Shape,
    arrange_axes,
    check_axes,
    check_dtype,
    check_shape,
    named_axes,
    times,
    unnamed_axes,
)
from napari_deepsmlm.io.frames._raw import open_raw

if TYPE_CHECKING:
    from pathlib import Path

_NAMES = "TPQRSUVW"
"""Letters for axes without names: time, and what is one long."""
_NPY_HEADER_BYTES = 10_000
_MAX_PLANES_LISTED = 10_000_000  # the order of all planes is held in memory


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
        self.layout = PlaneLayout.of(sizes, letters, self._time)
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
            raise DamagedFrameError(
                f"{self._name}: frames {start}:{stop} could not be computed ({reason})."
            ) from error
        frames = np.moveaxis(frames, self._time, 0) if self._time >= 0 else frames[None][start:stop]
        frames = frames.reshape(stop - start, *self.shape[1:])
        # copy: the caller may change its frames, never the array they came from
        return np.array(frames, self.dtype, order="C", copy=True)

    def close(self) -> None:
        """Nothing to release: the array belongs to the caller."""


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
    _check_npy_size(file, stored_shape, dtype, offset, allow_truncated)
    odd = what_is_odd(stored_shape, axes)
    axes = axes or axes_of_file(path.name, stored_shape)
    sizes, letters = _array_axes(path.name, stored_shape, axes)
    index, time = arrange_axes(sizes, letters)
    is_in_order = bool((index.ravel() == np.arange(index.size)).all())
    if is_fortran or not is_in_order:
        if file.size < offset + math.prod(stored_shape) * dtype.itemsize:
            raise ValueError(f"{path.name}: cut short; fetch or export it again.")
        file.close()
        planes = ArrayPlanes(path.name, np.load(path, mmap_mode="r"), axes)
        return Opened(planes, layout=planes.layout, warnings=odd)
    shape: Shape = (*index.shape, *stored_shape[-2:])
    layout = PlaneLayout.of(sizes, letters, time)
    opened = open_raw(file, offset, shape, dtype, allow_truncated, layout=layout)
    return replace(opened, warnings=(*opened.warnings, *odd))


def axes_of_file(name: str, shape: tuple[int, ...]) -> str | None:
    """Return letters for the axes of a file that names none, None for those of any array.

    Raises
    ------
    ValueError
        If more than one axis may be time.
    """
    if len(shape) != 4 or shape[1] <= shape[0]:
        return None
    return named_axes(name, shape[:2], unnamed_axes(shape[:2])) or "QTYX"


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


def _check_npy_size(
    file: ReadOnlyFile,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    offset: int,
    allow_truncated: bool,
) -> None:
    """Raise if the values are not there and nobody asks for the part that is."""
    if len(shape) < 2 or min(shape) < 1 or allow_truncated:
        return
    there = max(0, file.size - offset)
    if math.prod(shape) * dtype.itemsize > there:
        n_complete = there // (math.prod(shape[1:]) * dtype.itemsize)
        raise ValueError(
            f"{file.name}: cut short: {n_complete} of {shape[0]} frames are complete; fetch it "
            f"again, or open frames 0:{n_complete} with allow_truncated=True."
        )


def _array_axes(name: str, shape: tuple[int, ...], axes: str | None) -> tuple[tuple[int, ...], str]:
    """Return lengths and letters of the axes before Y and X."""
    if len(shape) < 2:
        raise ValueError(f"{name}: frames need two axes (Y, X) or more, got {len(shape)}.")
    check_shape(name, shape)
    if math.prod(shape[:-2]) > _MAX_PLANES_LISTED:
        raise ValueError(
            f"{name}: declares {math.prod(shape[:-2]):,} frames ({times(shape)}), more than any "
            "movie has; it is damaged, or give a part of it."
        )
    if axes is not None:
        return shape[:-2], check_axes(name, axes, len(shape))
    if shape[-1] in (3, 4) and len(shape) > 2 and shape[-3] > MAX_PLANES:
        raise ValueError(
            f"{name}: shape {times(shape)} looks like colour images; give grey levels, or say "
            "which axis is which with axes='TCYX'."
        )
    return shape[:-2], _letters(name, shape)


def _letters(name: str, shape: tuple[int, ...]) -> str:
    """Return letters for axes that nobody named: time and planes, or the one longer than one."""
    n_before = len(shape) - 2
    if n_before <= 2:
        return "TP"[:n_before]
    long = [i for i in range(n_before) if shape[i] > 1] or [0]
    if len(long) > 1 or n_before > len(_NAMES):
        raise ValueError(
            f"{name}: has {len(shape)} axes ({times(shape)}); say which is which with axes, "
            "as axes='TZCYX'."
        )
    others = _NAMES[1:n_before]
    return others[: long[0]] + "T" + others[long[0] :]


def what_is_odd(shape: tuple[int, ...], axes: str | None) -> tuple[str, ...]:
    """Return a sentence if a movie seems to have time as its last axis, as MATLAB writes it."""
    if axes is not None or len(shape) != 3 or shape[0] != shape[1] or shape[1] == shape[2]:
        return ()
    size = f"{shape[1]} x {shape[2]} px"
    return (
        f"It was read as {shape[0]} frames of {size}. If its last axis is time, as in MATLAB, save "
        "it with time first (in NumPy: np.moveaxis(movie, -1, 0)).",
    )
