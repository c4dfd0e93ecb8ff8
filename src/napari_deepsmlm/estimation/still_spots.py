"""Still spots: bright spots that never go dark, as beads do and no molecule does."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]

# Frames that are looked at, spread over the movie; in fewer a molecule may shine all along.
MAX_FRAMES, FEWEST_FRAMES = 16, 8
# The background of a spot is what lies around it at this distance; there an image of a molecule of
# 2.3 px has 3 % of its height left. Half way it has less than SHARE_HALF_WAY, a bright part of the
# background has more.
RING_PX, HALF_WAY_PX, SHARE_HALF_WAY = 6, 4, 0.45
# How far a spot stands out: in standard deviations of the ring, and of the noise of one frame.
LEAST_SDS, LEAST_FRAME_SDS = 10.0, 5.0
# Its light varies by less than this share: molecules that blink vary more, unless some 40 of them
# shine at any time in the same place.
MAX_VARIATION = 0.15
# Of a spot all pixels of `low` are looked at: 20 are as many beads as a field usually has, and take
# no time. A judgement.
MAX_SPOTS = 20
# More are not avoided where a part without them is looked for: each adds two edges along both axes,
# and of 12 edges along each there are 20,000 rectangles, of 22 a quarter of a million.
MAX_AVOIDED = 5
# The light of a spot ends where its ring is no more than this above the ground, in standard
# deviations of one pixel of the smoothed frame: a ring has 40 pixels or more, so that its median is
# known to less than half of one. A judgement.
FAINT_SDS = 2.0


class StillSpot(NamedTuple):
    """Where it is, and how far its light reaches above the noise."""

    row: int
    column: int
    reach_px: int


def find_still_spots(frames: Array) -> list[StillSpot]:
    """Return the spots that never go dark, the brightest first.

    Parameters
    ----------
    frames : (N, H, W) from all over the movie, hot pixels replaced.
    """
    from scipy import ndimage

    N, H, W = frames.shape
    if N < FEWEST_FRAMES or min(H, W) < 4 * RING_PX:
        return []
    some = frames[np.linspace(0, N - 1, min(N, MAX_FRAMES)).round().astype(int)]
    some = ndimage.uniform_filter(some.astype(np.float32), (0, 3, 3))
    low = np.sort(some, axis=0)[1]
    noise = float(np.median(np.abs(np.diff(some, axis=0)))) / (0.6745 * np.sqrt(2))
    is_highest = low == ndimage.maximum_filter(low, 2 * HALF_WAY_PX + 1)
    is_highest &= low > np.median(low) + LEAST_FRAME_SDS * noise
    places = np.argwhere(is_highest)
    places = places[np.argsort(low[is_highest])[::-1]][:MAX_SPOTS]
    distance = np.hypot(*np.ogrid[-H : H + 1, -W : W + 1])  # from the middle of the array
    found = []
    for row, column in places:
        apart = distance[H - row : 2 * H - row, W - column : 2 * W - column]
        around = low[np.abs(apart - RING_PX) < 0.71]
        ground = float(np.median(around))
        spread = 1.4826 * float(np.median(np.abs(around - ground)))
        series = some[:, row, column] - ground
        light = float(low[row, column]) - ground
        half_way = float(np.median(low[np.abs(apart - HALF_WAY_PX) < 0.71])) - ground
        if (
            light > max(LEAST_SDS * spread, LEAST_FRAME_SDS * noise)
            and half_way < SHARE_HALF_WAY * light
            and series.std() < MAX_VARIATION * series.mean()
        ):
            found.append(StillSpot(int(row), int(column), _reach_px(low, apart, noise)))
    return found


def region_without(
    spots: list[StillSpot], shape: tuple[int, int], least_px: int
) -> tuple[slice, slice]:
    """Return the largest rows and columns that the light of no spot reaches.

    All of them where none has sides of `least_px`.

    Examples
    --------
    >>> region_without([StillSpot(30, 10, 8)], (48, 48), 16)
    (slice(0, 48, None), slice(19, 48, None))
    """
    spots = spots[:MAX_AVOIDED]
    best, whole = (0, 0, 0, 0), (slice(0, shape[0]), slice(0, shape[1]))
    edges = [
        sorted(
            {
                0,
                side,
                *(edge for s in spots for edge in (s[axis] - s.reach_px, s[axis] + s.reach_px + 1)),
            }
        )
        for axis, side in enumerate(shape)
    ]
    for top, bottom, left, right in product(*(edges[0],) * 2, *(edges[1],) * 2):
        if min(top, left) < 0 or bottom > shape[0] or right > shape[1]:
            continue
        if min(bottom - top, right - left) < least_px or any(
            top - reach <= row < bottom + reach and left - reach <= column < right + reach
            for row, column, reach in spots
        ):
            continue
        best = max(best, (top, bottom, left, right), key=lambda r: (r[1] - r[0]) * (r[3] - r[2]))
    top, bottom, left, right = best
    return (slice(top, bottom), slice(left, right)) if bottom else whole


def _reach_px(low: Array, apart: Array, noise: float) -> int:
    """Return the distance at which the light of a spot is lost in the noise."""
    most = int(min(low.shape)) // 4
    ground = float(np.median(low))
    for reach in range(RING_PX, most):
        if np.median(low[np.abs(apart - reach) < 0.71]) < ground + FAINT_SDS * noise:
            return reach
    return most


def in_words(spots: list[StillSpot]) -> list[str]:
    """Return one sentence about spots, none if there are none."""
    if not spots:
        return []
    where = ", ".join(f"row {spot.row} column {spot.column}" for spot in spots[:3])
    where += ", …" if len(spots) > 3 else ""
    if len(spots) == 1:
        return [
            f"A bright spot never goes dark ({where}), as a bead does: what is found there is no "
            "molecule, and those beside it are missed."
        ]
    return [
        f"{len(spots)} bright spots never go dark ({where}), as beads do: what is found there are "
        "no molecules, and those beside them are missed."
    ]
