"""Planes: what a FrameSource asks of whatever holds its frames."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Mapping

Frames = npt.NDArray[Any]
Shape = tuple[int, int, int, int]

MIN_PIXEL_SIZE_NM = 1.0
MAX_PIXEL_SIZE_NM = 10_000.0

# A single time point of four focal planes is a plausible file. A longer channel axis that is the
# only one besides Y and X is a movie saved under the wrong name (tifffile does so for ImageJ and
# OME); who has a nine-plane snapshot gives axes="CYX".
MAX_PLANES = 4


class Planes(Protocol):
    """Frames (T, C, H, W) that are read in ranges, safely from several threads."""

    @property
    def shape(self) -> Shape:
        """(T, C, H, W)."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Data type of `read`, in native byte order."""

    def read(self, start: int, stop: int) -> Frames:
        """Return frames start <= t < stop as a new array (stop - start, C, H, W)."""

    def close(self) -> None:
        """Release the file."""


@dataclass(frozen=True, slots=True)
class Opened:
    """Frames together with what their file says about them."""

    planes: Planes
    pixel_size_nm: float | None = None
    pixel_size_origin: str = ""
    warnings: tuple[str, ...] = ()
    camera: str = ""
    """What names the camera or the microscope in the file, "" if nothing does."""
    camera_settings: Mapping[str, Any] = field(default_factory=dict)
    """Offset and gain as far as the file states them, in the words of Picasso."""


def arrange_axes(sizes: tuple[int, ...], axes: str) -> tuple[npt.NDArray[np.int64], int]:
    """Return which stored plane is plane c of frame t, and which axis is time.

    The rule: T is time where it is longer than one; without it, the longest axis that is not C is
    time; C is time only if it stands alone and is longer than `MAX_PLANES`. All other axes become
    planes, in their stored order.

    Parameters
    ----------
    sizes : lengths of the axes before Y and X, slowest first.
    axes : one letter for each of `sizes`, or "" if they are not known.

    Returns
    -------
    (T, C) integers, and the position of the time axis in `sizes` (-1: there is none).
    """
    index = np.arange(math.prod(sizes), dtype=np.int64).reshape(sizes)
    time = _time_axis(sizes, axes or "Q" * len(sizes))
    if time < 0:
        return index.reshape(1, -1), time
    index = np.moveaxis(index, time, 0)
    return index.reshape(index.shape[0], -1), time


def _time_axis(sizes: tuple[int, ...], axes: str) -> int:
    if "T" in axes and (sizes[axes.index("T")] > 1 or max(sizes) <= 1):
        return axes.index("T")
    other = [i for i, axis in enumerate(axes) if axis != "C" and sizes[i] > 1]
    if other:
        return max(other, key=lambda i: sizes[i])
    is_movie = "C" in axes and sizes[axes.index("C")] > MAX_PLANES
    return axes.index("C") if is_movie else -1


def check_axes(name: str, axes: str, n_axes: int) -> str:
    """Return `axes` in capitals without its final YX.

    Raises
    ------
    ValueError
        If a letter repeats, Y and X are not last, or the number of axes is not `n_axes`.
    """
    letters = axes.strip().upper()
    if not letters.endswith("YX") or len(set(letters)) != len(letters) or not letters.isalpha():
        raise ValueError(f"{name}: axes '{axes}' must be different letters ending in YX, as TCYX.")
    if len(letters) != n_axes:
        raise ValueError(
            f"{name}: axes '{axes}' names {len(letters)} axes but the data have {n_axes}; "
            "give one letter for each axis, as TYX or TCYX."
        )
    return letters[:-2]


def check_dtype(name: str, dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return `dtype` in native byte order; raise unless it holds grey levels."""
    if dtype.kind not in "uif" or dtype.itemsize > 8:
        raise ValueError(
            f"{name}: its values are {dtype}, but frames must be integers or real numbers; "
            "convert it to 16-bit or 32-bit grey levels."
        )
    return dtype.newbyteorder("=")


def check_shape(name: str, shape: tuple[int, ...]) -> None:
    """Raise unless there is at least one frame of at least one pixel."""
    if min(shape, default=0) < 1:
        raise ValueError(
            f"{name}: holds no pixels (shape {times(shape)}); give at least one frame."
        )


def times(shape: tuple[int, ...]) -> str:
    """Return a shape in words: 3 x 64 x 64."""
    return " x ".join(map(str, shape))


def is_plausible_pixel_size(pixel_size_nm: float) -> bool:
    """Whether a camera could have such pixels in the sample plane (1 nm to 10 um)."""
    return MIN_PIXEL_SIZE_NM <= pixel_size_nm <= MAX_PIXEL_SIZE_NM
