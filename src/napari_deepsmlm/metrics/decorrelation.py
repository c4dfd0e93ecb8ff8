"""Decorrelation analysis: the finest detail that stands out from the noise of a single image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.fft import rfft2

from napari_deepsmlm.metrics._rings import check_image, ring_sums, tapered

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]

N_RADII = 200
N_FILTERS = 20
NARROWEST_PX = 0.15  # of the high-pass filters
LEAST_HEIGHT = 0.05  # lower peaks are noise
NO_PEAK = (
    "There is no peak, so either detail goes on to the smallest that the pixels can hold, or "
    "nothing stands out from the noise."
)
_LEAST_DROP = 1e-3  # a peak counts if the curve falls by as much after it
_EDGE_PX = 20  # tapered at each edge


class Decorrelation(NamedTuple):
    """Curves of the analysis, and what they say."""

    cutoff: Array
    """(R,) radii k of the disc, 1 at the highest frequency along an axis."""
    curves: Array
    """(1 + F, R) d(k) of the image, and of the image after each high-pass filter."""
    peak_k: float
    """k_c, the farthest peak; 0 if there is none."""
    resolution_nm: float
    """2 pixels / k_c; NaN if there is no peak."""
    problem: str
    """Why there is no resolution, in one sentence; "" if there is one."""


def decorrelation(image: Array, pixel_nm: float) -> Decorrelation:
    """Return the resolution of one image by decorrelation analysis.

    The spectrum F is correlated with its own phases within a disc of radius k, size n(k):
    d(k) = sum_{disc} |F| / sqrt(n(k) sum |F|^2). Detail raises it and noise does not, so it peaks
    where detail ends. Gaussian high-pass filters, ever narrower, let ever finer detail decide; the
    resolution is 2 pixels / k_c with k_c the farthest of all peaks.
    Descloux, Grussmayer and Radenovic 2019, doi:10.1038/s41592-019-0515-7.

    Parameters
    ----------
    image : (H, W), any unit.
    pixel_nm : its pixel.

    Raises
    ------
    ValueError
        If the image is too small, has one value only, or is not finite.

    Examples
    --------
    >>> from scipy.ndimage import gaussian_filter
    >>> image = gaussian_filter(np.random.default_rng(0).random((128, 128)), 2)
    >>> decorrelation(image, pixel_nm=10).resolution_nm > 40
    True
    """
    check_image(image)
    rings = _rings(image)
    every = len(rings.k) // N_RADII
    cutoff = rings.k[every - 1 :: every] + 0.5 / len(rings.k)  # the outer edge of a ring
    curves = [_curve(rings)]
    peaks = [_peak(cutoff, curves[0])]
    widest = 2 / max(peaks[0], 1 / N_RADII)
    for sigma_px in np.geomspace(widest, NARROWEST_PX, N_FILTERS):
        curves.append(_curve(rings, sigma_px))
        peaks.append(_peak(cutoff, curves[-1]))
    k = max(peaks)
    problem = "" if k else NO_PEAK
    resolution = 2 * pixel_nm / k if k else float("nan")
    return Decorrelation(cutoff, np.stack(curves), k, resolution, problem)


class _Rings(NamedTuple):
    """What fine rings of the spectrum hold: filters depend on the radius alone."""

    k: Array
    n: Array
    amplitude: Array
    power: Array


def _rings(image: Array) -> _Rings:
    n_rings = N_RADII * max(1, min(image.shape) // (2 * N_RADII))  # about one frequency wide
    shares = [min(1.0, 2 * _EDGE_PX / side) for side in image.shape]
    spectrum = rfft2(tapered(image, shares))

    def values(rows: slice) -> list[Array]:
        amplitude = np.abs(spectrum[rows])
        return [np.ones_like(amplitude), amplitude, amplitude**2]

    n, amplitude, power = ring_sums(image.shape, 2 * n_rings, n_rings, values)
    return _Rings(np.arange(1, n_rings + 1) / n_rings, n, amplitude, power)


def _curve(rings: _Rings, high_pass_px: float | None = None) -> Array:
    """Return d (R,) at equal steps of the radius up to 1."""
    passed = np.ones_like(rings.k)
    if high_pass_px is not None:  # the image less a blurred one; k = 1 is half a cycle per pixel
        passed = 1 - np.exp(-((np.pi * high_pass_px * rings.k) ** 2) / 2)
    power = float((rings.power * passed**2).sum())
    size = np.cumsum(rings.n)
    shared = np.cumsum(rings.amplitude * passed)
    every = len(rings.k) // N_RADII
    scale = np.sqrt(np.maximum(power * size, np.finfo(float).tiny))
    return np.asarray((shared / scale)[every - 1 :: every])


def _peak(cutoff: Array, curve: Array) -> float:
    """Return where the curve peaks, 0 if nowhere.

    A curve that rises again towards the end, as noise lets it, is cut until what is left has its
    highest point inside and falls after it.
    """
    for end in range(len(curve), 1, -1):
        top = int(curve[:end].argmax())
        has_fallen = curve[top] - curve[top:end].min() >= _LEAST_DROP
        if top and has_fallen:
            return float(cutoff[top]) if curve[top] >= LEAST_HEIGHT else 0.0
    return 0.0
