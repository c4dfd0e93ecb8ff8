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
_MIN_LONG = 10


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
class PlaneLayout:
    """What the planes C of a movie are: its axes besides time, in the order they are counted.

    Attributes
    ----------
    axes : their letters, "C" for colours, "Z" for focal planes, "P" and "Q" for what nobody named.
    sizes : their lengths.
    channels : names of the colours, as far as the file gives them.
    """

    axes: str = ""
    sizes: tuple[int, ...] = ()
    channels: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, sizes: tuple[int, ...], letters: str, time: int, channels: tuple[str, ...] = ()
    ) -> PlaneLayout:
        """Return the layout of axes of which one is time (-1: none)."""
        letters = letters or "Q" * len(sizes)
        kept = [i for i in range(len(sizes)) if i != time and sizes[i] > 1]
        axes = "".join(letters[i] for i in kept)
        return cls(axes, tuple(sizes[i] for i in kept), channels if "C" in axes else ())

    @property
    def n_channels(self) -> int:
        """Number of colours; planes that nobody named may be colours, if there is one such axis."""
        axis = self._axis
        return 1 if axis < 0 else self.sizes[axis]

    @property
    def are_channels(self) -> bool:
        """Whether the file says that its planes are colours."""
        return "C" in self.axes

    def describe(self) -> str:
        """Return what the planes are: 2 channels (AF647, CF568), 4 focal planes, 6 planes."""
        words = {"C": "channels", "Z": "focal planes"}
        parts = [
            f"{n} {words.get(a, 'planes')}" for a, n in zip(self.axes, self.sizes, strict=True)
        ]
        names = [name for name in self.channels if name]
        text = " x ".join(parts) or "1 plane"
        return f"{text} ({', '.join(names)})" if names and self.are_channels else text

    def colours_together(self, use: str, way_out: str = "--channel takes one of them") -> list[str]:
        """Return a sentence if planes are colours and all of them are used, as what `use` says."""
        if not self.are_channels or self.n_channels < 2:
            return []
        return [f"The {self.describe()} were {use}; {way_out}."]

    def planes_of(self, name: str, channel: int | str) -> tuple[list[int], PlaneLayout]:
        """Return the planes of one colour, and their layout.

        Parameters
        ----------
        name : of the file, for errors.
        channel : its number, from 1, or its name.

        Raises
        ------
        ValueError
            If there is no such colour.
        """
        axis, number = self._axis, self._number(channel)
        if number is None or not 1 <= number <= self.n_channels:
            known = [c for c in self.channels if c]
            names = f" ({', '.join(known)})" if known else ""
            raise ValueError(
                f"{name}: has no channel '{channel}'; it has {self.n_channels}{names}: give a "
                f"number from 1 to {self.n_channels}, or a name."
            )
        if axis < 0:
            return [0], self
        index = np.arange(math.prod(self.sizes)).reshape(self.sizes)
        planes = np.take(index, number - 1, axis=axis).ravel().tolist()
        rest = PlaneLayout(
            self.axes[:axis] + self.axes[axis + 1 :], self.sizes[:axis] + self.sizes[axis + 1 :]
        )
        return planes, rest

    @property
    def _axis(self) -> int:
        if "C" in self.axes:
            return self.axes.index("C")
        return 0 if self.axes in ("P", "Q") else -1

    def _number(self, channel: int | str) -> int | None:
        text = str(channel).strip()
        names = [name.casefold() for name in self.channels]
        if text.casefold() in names and text:
            return names.index(text.casefold()) + 1
        return int(text) if text.isdecimal() else None


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
    layout: PlaneLayout = field(default_factory=PlaneLayout)
    z_step_nm: float | None = None


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


def unnamed_axes(sizes: tuple[int, ...]) -> str:
    """Return letters for axes that nobody named, "" where the longest of them is time.

    Two axes before Y and X are time and planes, unless there are more planes than any camera takes
    at once: then the longer axis is time.
    """
    return "TPYX" if len(sizes) == 2 and sizes[1] <= MAX_PLANES else ""


def named_axes(name: str, sizes: tuple[int, ...], letters: str) -> str:
    """Return the letters of axes; refuse axes without names of which more than one may be time.

    Raises
    ------
    ValueError
        With the option that settles it.
    """
    long = [size for size in sizes if size >= _MIN_LONG]
    if not letters and len(long) > 1:
        raise ValueError(
            f"{name}: its axes {times(sizes)} before rows and columns have no names, and more than "
            "one is long enough to be time; say which is which with --axes, as TZYX or ZTYX."
        )
    return letters


def _time_axis(sizes: tuple[int, ...], axes: str) -> int:
    if "T" in axes and (sizes[axes.index("T")] > 1 or max(sizes) <= 1):
        return axes.index("T")
    planes = next((i for i, axis in enumerate(axes) if axis in "CP"), -1)
    other = [i for i in range(len(axes)) if i != planes and sizes[i] > 1]
    if other:
        return max(other, key=lambda i: sizes[i])
    return planes if planes >= 0 and sizes[planes] > MAX_PLANES else -1


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
