"""Tiles: the part of the frames that is wanted, cut into pieces with what surrounds them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator


class Region(NamedTuple):
    """The rows [y, y_end) and columns [x, x_end) of a frame, camera pixels."""

    y: int
    x: int
    y_end: int
    x_end: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.y_end - self.y, self.x_end - self.x


class Tile(NamedTuple):
    """A core [y, y_end) x [x, x_end) and the slices that hold it with its halo, camera pixels."""

    y: int
    y_end: int
    x: int
    x_end: int
    rows: slice
    columns: slice

    def core(self, r: int) -> tuple[slice, slice]:
        """Return where the core lies in a prediction of the tile with r pixels for one."""
        top, left = self.y - self.rows.start, self.x - self.columns.start
        return (
            slice(top * r, (top + self.y_end - self.y) * r),
            slice(left * r, (left + self.x_end - self.x) * r),
        )

    def place(self, region: Region, r: int) -> tuple[slice, slice]:
        """Return where the core lies in an image of the region with r pixels for one."""
        return (
            slice((self.y - region.y) * r, (self.y_end - region.y) * r),
            slice((self.x - region.x) * r, (self.x_end - region.x) * r),
        )


def tiles(
    shape: tuple[int, int], region: Region, *, side: int, step: int, halo: int
) -> Iterator[Tile]:
    """Yield tiles that cover a region.

    Parameters
    ----------
    shape : (rows, columns) of the frames, px: the halo reaches as far as there is any.
    region : to be covered.
    side : of a core, px.
    step : tiles with their halo begin at multiples of it, px.
    halo : px around the core that its prediction depends on.

    Examples
    --------
    >>> first, last = tiles((20, 20), Region(4, 4, 8, 12), side=4, step=2, halo=3)
    >>> last.rows, last.columns
    (slice(0, 11, None), slice(4, 15, None))
    >>> last.core(1)[1], last.place(Region(4, 4, 8, 12), 1)[1]
    (slice(4, 8, None), slice(4, 8, None))
    """
    for y in range(region.y, region.y_end, side):
        for x in range(region.x, region.x_end, side):
            y_end, x_end = min(y + side, region.y_end), min(x + side, region.x_end)
            top, left = max(0, y - halo), max(0, x - halo)
            rows = slice(top - top % step, min(shape[0], y_end + halo))
            columns = slice(left - left % step, min(shape[1], x_end + halo))
            yield Tile(y, y_end, x, x_end, rows, columns)
