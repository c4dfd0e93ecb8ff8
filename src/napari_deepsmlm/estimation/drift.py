"""Drift: how far the structure moved between early and late frames, where a structure shows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]

# The movie is cut into this many segments of time. With the fewest frames each has 25: twelve even
# and twelve odd ones, which are averaged into two independent images.
N_SEGMENTS = 4
FEWEST_FRAMES = 100
# Largest movement that is looked for between two segments: 600 nm at pixels of 100 nm, more than a
# sample that stays in focus drifts in a quarter of a movie.
MAX_MOVED_PX = 6
# Widths of two Gaussians whose difference keeps the structure: the first, about a PSF, removes
# noise; the second, several PSFs, removes smooth background.
SMOOTH_PX, LEVEL_PX = 1.0, 8.0
# Least correlation between the images of even and odd frames of a segment: a structure that lasts
# is in both.
LEAST_CORRELATION = 0.3
# Parallel lines do not show a movement along them: the least `_roundness` of the structure.
LEAST_ROUNDNESS = 0.3
# A shift is reported if it exceeds both this many standard errors and this many pixels (15 nm at
# pixels of 100 nm).
SIGNIFICANT, LEAST_PX = 4.0, 0.15
# The error is at least this: it comes from two halves only, and they may agree by chance.
SMALLEST_ERROR_PX = 0.03


class MeasuredDrift(NamedTuple):
    """Movement from the first to the last quarter of the movie."""

    xy_px: tuple[float, float]
    error_px: float
    has_structure: bool
    """Whether something lasts that could show a movement in any direction."""

    @property
    def is_seen(self) -> bool:
        """Whether there is one beyond doubt."""
        length = float(np.hypot(*self.xy_px))
        return self.has_structure and length > max(SIGNIFICANT * self.error_px, LEAST_PX)


def measure_drift(frames: Array) -> MeasuredDrift:
    """Return the movement between the mean images of time segments.

    Even and odd frames are two measurements; their difference is the error.

    Parameters
    ----------
    frames : (B, T, H, W), blocks in order of time.
    """
    flat = frames.reshape(-1, *frames.shape[2:])
    if len(flat) < FEWEST_FRAMES:
        return MeasuredDrift((0.0, 0.0), np.inf, has_structure=False)
    segments = np.array_split(np.arange(len(flat)), N_SEGMENTS)
    halves = [[_detail(flat[s[k::2]].mean(axis=0)) for s in segments] for k in (0, 1)]
    alike = [_correlation(even, odd) for even, odd in zip(*halves, strict=True)]
    if min(alike) < LEAST_CORRELATION or _roundness(np.sum(halves[0], axis=0)) < LEAST_ROUNDNESS:
        return MeasuredDrift((0.0, 0.0), np.inf, has_structure=False)
    # From centre to centre of the first and last segment is 3/4 of the movie: extrapolate to all.
    stretch = N_SEGMENTS / (N_SEGMENTS - 1)
    moves = np.array([_path(images)[-1] for images in halves]) * stretch
    moved = moves.mean(axis=0)
    error = max(float(np.hypot(*(moves[0] - moves[1]))) / math.sqrt(2), SMALLEST_ERROR_PX)
    return MeasuredDrift((float(moved[0]), float(moved[1])), error, has_structure=True)


def _detail(image: Array) -> Array:
    """Remove smooth background and noise."""
    from scipy import ndimage

    detail = ndimage.gaussian_filter(image, SMOOTH_PX) - ndimage.gaussian_filter(image, LEVEL_PX)
    return np.asarray(detail - detail.mean())


def _roundness(image: Array) -> float:
    """Return weakest over strongest mean square gradient: 0 of parallel lines, 1 of points.

    A line looks the same when it moves along itself.
    """
    down, across = np.gradient(image)
    mixed = (down * across).mean()
    tensor = np.array([[(down**2).mean(), mixed], [mixed, (across**2).mean()]])
    weakest, strongest = np.linalg.eigvalsh(tensor)
    return float(weakest / max(strongest, 1e-30))


def _correlation(first: Array, second: Array) -> float:
    scale = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum()) / max(scale, 1e-12)


def _path(images: list[Array]) -> Array:
    """Return (N, 2) x and y of each image against the first, from all pairs, least squares."""
    n = len(images)
    rows, shifts = [], []
    for i in range(n):
        for j in range(i + 1, n):
            row = np.zeros(n)
            row[i], row[j] = -1, 1
            rows.append(row)
            shifts.append(_shift(images[i], images[j]))
    path = np.zeros((n, 2))
    path[1:], *_ = np.linalg.lstsq(np.array(rows)[:, 1:], np.array(shifts), rcond=None)
    return path


def _shift(first: Array, second: Array) -> tuple[float, float]:
    """Return x and y by which the second image lies further, px: the peak of the correlation."""
    size = [2 * side for side in first.shape]
    spectrum = np.conj(np.fft.rfft2(first, s=size)) * np.fft.rfft2(second, s=size)
    correlation = np.fft.irfft2(spectrum, s=size)
    d = np.arange(-MAX_MOVED_PX, MAX_MOVED_PX + 1)
    overlap = np.multiply.outer(*(side - np.abs(d) for side in first.shape))
    near = correlation[np.ix_(d, d)] / overlap
    inner = near[1:-1, 1:-1]
    row, column = (1 + place for place in divmod(int(inner.argmax()), inner.shape[1]))
    return (
        column - MAX_MOVED_PX + _vertex(near[row, column - 1 : column + 2]),
        row - MAX_MOVED_PX + _vertex(near[row - 1 : row + 2, column]),
    )


def _vertex(three: Array) -> float:
    """Return where the parabola through three equidistant values has its peak, from the middle."""
    curvature = three[0] - 2 * three[1] + three[2]
    return 0.0 if curvature >= 0 else float(np.clip((three[0] - three[2]) / 2 / curvature, -1, 1))
