"""Hot pixels: single pixels that are bright in every frame, which no image of a molecule is.

The narrowest PSF that cameras sample, σ of 0.45 pixels, puts a sixth of its brightest pixel into
each of the four beside it, whatever its place; wider ones more. A pixel that stands out in all
frames while those beside it stay dark is the camera's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]

# The four pixels beside a hot one may have at most this share of its light, on average. The
# sharpest molecule (σ 0.45 px, in the middle of a pixel) puts 0.18 of its central pixel's light
# into each, a molecule anywhere else more. 0.12 is two thirds of 0.18: the last third is a margin
# for noise.
MAX_SHARE_OF_LIGHT_AROUND = 0.12
# How far a hot pixel stands out: in its mean over time, in standard deviations of what surrounds
# it; and in standard deviations of the noise of a single frame.
LEAST_SDS, LEAST_FRAME_SDS = 10.0, 5.0
# Least share of the frames in which a hot pixel has half of its mean light or more: molecules
# blink.
LEAST_PERSISTENCE = 0.95
# In fewer, a molecule may shine all along, and noise is told from two differences. A judgement: the
# light around a pixel tells it from a molecule all the same.
FEWEST_FRAMES = 4
# Largest share of hot pixels. If more look hot, it is the sample that looks like that, and none is
# called hot.
MAX_SHARE = 0.01
_NEXT = ((-1, 0), (1, 0), (0, -1), (0, 1))
_RING = [(dy, dx) for dy in range(-2, 3) for dx in range(-2, 3) if max(abs(dy), abs(dx)) == 2]


def find_hot_pixels(frames: Array) -> list[tuple[int, int, int]]:
    """Return (plane, row, column) of the pixels that are hot.

    Parameters
    ----------
    frames : (N, C, H, W) from all over the movie.
    """
    N, C, H, W = frames.shape
    if N < FEWEST_FRAMES or min(H, W) < 5:
        return []
    found = [(c, y, x) for c in range(C) for y, x in _in_plane(frames[:, c])]
    return found if len(found) <= max(MAX_SHARE * C * H * W, 1) else []


def _in_plane(frames: Array) -> list[tuple[int, int]]:
    """Return (row, column) of the hot pixels of (N, H, W) frames."""
    N = len(frames)
    mean = frames.mean(axis=0, dtype=np.float32)
    padded = np.pad(mean, 2, mode="reflect")
    candidates = _candidates(mean, padded)
    if len(candidates) == 0:
        return []
    y, x = candidates.T
    centre = mean[y, x]
    ring = _gathered(padded, y, x, _RING)
    background = np.median(ring, axis=1)
    light = centre - background
    beside = _gathered(padded, y, x, _NEXT).mean(axis=1) - background
    series = frames[:, y, x].astype(np.float32)  # (N, n)
    noise = _frame_noise(frames, y, x)
    spread = 1.4826 * np.median(np.abs(ring - background[:, None]), axis=1)
    spread = np.maximum(spread, noise / np.sqrt(N))
    is_hot = light > LEAST_SDS * spread
    is_hot &= light > LEAST_FRAME_SDS * noise
    # Three standard errors of a mean of four neighbours: 3 * spread / √4.
    doubt = 3 * spread / 2
    is_hot &= beside + doubt < MAX_SHARE_OF_LIGHT_AROUND * light
    is_hot &= (series > background + light / 2).mean(axis=0) >= LEAST_PERSISTENCE
    return [(int(row), int(column)) for row, column in candidates[is_hot]]


def _candidates(mean: Array, padded: Array) -> Array:
    """Return (n, 2) pixels that clearly exceed all eight beside them."""
    H, W = mean.shape
    highest = np.full((H, W), -np.inf, np.float32)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            if (dy, dx) != (0, 0):
                shifted = padded[2 + dy : 2 + dy + H, 2 + dx : 2 + dx + W]
                np.maximum(highest, shifted, out=highest)
    above = mean - highest
    some = mean[:: max(1, H // 256), :: max(1, W // 256)]
    spread = 1.4826 * float(np.median(np.abs(some - np.median(some))))
    return np.argwhere(above > max(spread, 1e-6 * float(np.abs(some).max())))


def _gathered(padded: Array, y: Array, x: Array, offsets: Any) -> Array:
    """Return (n, k) pixels at offsets of (n,) places of an image padded by two."""
    return np.stack([padded[y + 2 + dy, x + 2 + dx] for dy, dx in offsets], axis=1)


def _frame_noise(frames: Array, y: Array, x: Array) -> Array:
    """Return the noise of single frames beside (n,) places, by differences over time."""
    H, W = frames.shape[1:]
    rows, columns = np.where(y >= 2, y - 2, y + 2), np.where(x >= 2, x - 2, x + 2)
    beside = frames[:, rows.clip(0, H - 1), columns.clip(0, W - 1)].astype(np.float32)
    change = np.abs(np.diff(beside, axis=0))
    return np.asarray(np.median(change, axis=0) / (0.6745 * np.sqrt(2)))
