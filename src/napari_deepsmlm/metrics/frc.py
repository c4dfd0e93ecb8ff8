"""Fourier ring correlation: how fine a detail two independent halves of the data agree on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.fft import next_fast_len, rfft2

from napari_deepsmlm.metrics._rings import check_image, ring_sums, tapered

if TYPE_CHECKING:
    from napari_deepsmlm.localizations import Localizations

    Array = np.ndarray[Any, Any]

THRESHOLD = 1 / 7
"""Nieuwenhuizen et al. 2013, doi:10.1038/nmeth.2448."""
N_BLOCKS = 20
_TAPERED_SHARE = 0.25  # of each side, half of it at each end: edges would look like detail
_SMOOTHING_SHARE = 0.05  # of all rings, smoothed together
_FEWEST_SMOOTHED = 5
_ROWS_AT_ONCE = 200_000


class RingCorrelation(NamedTuple):
    """Correlation of two images ring by ring in Fourier space."""

    per_nm: Array
    """(R,) spatial frequency of the rings, 1/nm."""
    correlation: Array
    """(R,) as measured."""
    smoothed: Array
    """(R,) local parabolas through it."""
    resolution_nm: float
    """Where the smoothed curve first falls below 1/7; NaN if it never crosses."""
    problem: str
    """Why there is no resolution, in one sentence; "" if there is one."""


def ring_correlation(first: Array, second: Array, pixel_nm: float) -> RingCorrelation:
    """Return how well two images agree at every spatial frequency, and up to which they do.

    Re(sum F1 F2*) / sqrt(sum |F1|^2 sum |F2|^2) over each ring, of images whose edges are tapered
    (Tukey window, an eighth of the side at each end), smoothed by local parabolas over a twentieth
    of the rings; the resolution is 1/frequency at the first downward crossing of 1/7.
    Nieuwenhuizen et al. 2013, doi:10.1038/nmeth.2448; Banterle et al. 2013,
    doi:10.1016/j.jsb.2013.05.004.

    Parameters
    ----------
    first, second : (H, W) images of the same object with noise of their own.
    pixel_nm : their pixel.

    Raises
    ------
    ValueError
        If shapes differ, an image is too small, empty or not finite.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> common, a, b = rng.normal(size=(3, 64, 64))
    >>> curve = ring_correlation(common + a, common + b, pixel_nm=10)
    >>> bool(abs(curve.correlation.mean() - 0.5) < 0.05)  # S / (S + N)
    True
    """
    _check(first, second)
    a, b = (rfft2(tapered(image, 2 * [_TAPERED_SHARE])) for image in (first, second))

    def products(rows: slice) -> list[Array]:
        return [
            (a[rows] * b[rows].conj()).real,
            np.abs(a[rows]) ** 2,
            np.abs(b[rows]) ** 2,
        ]

    side = min(first.shape)
    shared, *powers = ring_sums(first.shape, side, side // 2, products)
    scale = np.sqrt(powers[0] * powers[1])
    correlation = np.divide(shared, scale, out=np.zeros_like(shared), where=scale > 0)
    per_nm = np.arange(1, len(shared) + 1) / (side * pixel_nm)
    smoothed = _smooth(correlation)
    resolution, problem = _crossing(per_nm, smoothed)
    return RingCorrelation(per_nm, correlation, smoothed, resolution, problem)


def time_halves(frame: Array, n_blocks: int = N_BLOCKS) -> Array:
    """Return (N,) whether each frame belongs to the second half: alternating blocks of time.

    Blocks keep a molecule that stays on for several frames in one half, and both halves see the
    same drift, to within a block.

    Parameters
    ----------
    frame : (N,) frame numbers.
    n_blocks : of equal length from the first frame to the last; a frame is the shortest.
    """
    frame = np.asarray(frame)
    first, last = int(frame.min()), int(frame.max())
    block = (frame - first) * min(n_blocks, last - first + 1) // (last - first + 1)
    return np.asarray(block % 2 == 1)


def random_halves(n: int, seed: int = 0) -> Array:
    """Return (n,) whether each row belongs to the second half: as many as not, drawn at random."""
    is_second = np.arange(n) % 2 == 1
    return np.random.default_rng(seed).permutation(is_second)


def half_images(
    table: Localizations, is_second: Array, pixel_nm: float, box: tuple[float, float, float, float]
) -> tuple[Array, Array]:
    """Return the histograms of both halves of a table.

    Parameters
    ----------
    is_second : (N,) booleans, as :func:`time_halves` returns them.
    pixel_nm : of the images.
    box : x, y of the first corner and of the last, nm; molecules outside are left out.
    """
    left, top, right, bottom = box
    # A little larger than the box: transforms of sides with large prime factors are slow.
    n_columns = next_fast_len(int((right - left) / pixel_nm) + 1, real=True)
    n_rows = next_fast_len(int((bottom - top) / pixel_nm) + 1, real=True)
    x, y = table.x_nm, table.y_nm
    is_in = (x >= left) & (x <= right) & (y >= top) & (y <= bottom)
    column = ((x[is_in] - left) / pixel_nm).astype(np.int64)
    row = ((y[is_in] - top) / pixel_nm).astype(np.int64)
    pixel, is_second = row * n_columns + column, is_second[is_in]
    halves = []
    for rows in (~is_second, is_second):
        image = np.zeros(n_rows * n_columns, np.float32)
        found = pixel[rows]
        for start in range(0, len(found), _ROWS_AT_ONCE):  # other threads have turns between
            np.add.at(image, found[start : start + _ROWS_AT_ONCE], 1.0)
        halves.append(image.reshape(n_rows, n_columns))
    return halves[0], halves[1]


def _check(first: Array, second: Array) -> None:
    if first.shape != second.shape or first.ndim != 2:
        raise ValueError(
            f"Ring correlation needs two images of one shape, got {first.shape} and {second.shape}."
        )
    for image in (first, second):
        check_image(image)


def _smooth(correlation: Array) -> Array:
    from scipy.signal import savgol_filter  # takes half a second: every command would wait for it

    n = max(_FEWEST_SMOOTHED, round(_SMOOTHING_SHARE * len(correlation)) // 2 * 2 + 1)
    return np.asarray(savgol_filter(correlation, n, polyorder=2))


def _crossing(per_nm: Array, curve: Array) -> tuple[float, str]:
    below = np.flatnonzero(curve < THRESHOLD)
    if not len(below):
        return float("nan"), (
            f"The halves agree down to the finest detail that the pixels can hold, "
            f"{1 / per_nm[-1]:.3g} nm; choose smaller pixels."
        )
    k = int(below[0])
    if k == 0:
        return float("nan"), (
            "The halves do not agree even on the coarsest detail: there is too little in them."
        )
    share = (curve[k - 1] - THRESHOLD) / (curve[k - 1] - curve[k])
    return float(1 / (per_nm[k - 1] + share * (per_nm[k] - per_nm[k - 1]))), ""
