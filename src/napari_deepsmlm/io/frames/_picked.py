"""Some planes of a movie: one colour of several."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_deepsmlm.io.frames.tiff import TiffPlanes

if TYPE_CHECKING:
    from napari_deepsmlm.io.frames._planes import Frames, Planes, Shape


def pick(planes: Planes, kept: list[int]) -> Planes:
    """Return the same frames with some of their planes."""
    if kept == list(range(planes.shape[1])):
        return planes
    return planes.pick(kept) if isinstance(planes, TiffPlanes) else PickedPlanes(planes, kept)


class PickedPlanes:
    """Frames of which some planes are kept as they are read."""

    def __init__(self, planes: Planes, kept: list[int]) -> None:
        self._planes, self._kept = planes, kept
        self.shape: Shape = (planes.shape[0], len(kept), *planes.shape[2:])
        self.dtype = planes.dtype

    def read(self, start: int, stop: int) -> Frames:
        """Return frames start <= t < stop as (stop - start, C, H, W)."""
        return self._planes.read(start, stop)[:, self._kept]

    def close(self) -> None:
        """Close the file."""
        self._planes.close()
