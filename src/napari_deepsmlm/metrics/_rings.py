"""Rings of Fourier space: sums over all frequencies of about the same length."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.fft import fftfreq, rfftfreq

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Array = np.ndarray[Any, Any]

SMALLEST_SIDE_PX = 32
_VALUES_AT_ONCE = 1 << 20


def check_image(image: Array) -> None:
    """Refuse what has no spectrum to look at, in one sentence."""
    if image.ndim != 2 or min(image.shape) < SMALLEST_SIDE_PX:
        size = " x ".join(map(str, image.shape))
        raise ValueError(
            f"The resolution of an image of {size} pixels cannot be measured: {SMALLEST_SIDE_PX} "
            "pixels along each of two axes are needed. Use smaller pixels or a larger region."
        )
    if not np.isfinite(image).all():
        raise ValueError("The image holds NaN or infinite values: its detail cannot be measured.")
    if np.ptp(image) == 0:
        raise ValueError("The image has one value in all pixels: it has no detail to measure.")


def tapered(image: Array, shares: Iterable[float]) -> Array:
    """Return the image less its mean, its edges brought to 0: they would look like detail.

    Parameters
    ----------
    shares : of rows and columns that are tapered (Tukey window), half of it at each end.
    """
    from scipy.signal.windows import tukey  # takes half a second: every command would wait for it

    rows, columns = (
        tukey(side, share).astype(np.float32)
        for side, share in zip(image.shape, shares, strict=True)
    )
    window = rows[:, None] * columns
    level = float((window * image).sum(dtype=np.float64) / window.sum(dtype=np.float64))
    # float32 needs half the memory of float64
    return np.asarray((window * (image - level)).astype(np.float32))


def ring_sums(
    shape: tuple[int, ...], scale: float, n_rings: int, values: Callable[[slice], list[Array]]
) -> Array:
    """Return sums over rings 1 to R of the spectrum of a real image: (K, R).

    Parameters
    ----------
    shape : (H, W) of the image.
    scale : a frequency of f cycles per pixel is in the ring round(scale f).
    values : returns K arrays (n, W // 2 + 1) for rows of the real transform (`scipy.fft.rfft2`).
    """
    rows, columns = (fftfreq(shape[0]) * scale) ** 2, (rfftfreq(shape[1]) * scale) ** 2
    weight = _conjugate_weights(shape[1])
    at_once = max(1, _VALUES_AT_ONCE // len(columns))
    sums: list[Array] = []
    for start in range(0, shape[0], at_once):
        part = slice(start, start + at_once)
        ring = np.rint(np.sqrt(rows[part, None] + columns)).astype(np.int64)
        ring = np.minimum(ring, n_rings + 1).ravel()  # the corners are one ring, left out
        sums.append(
            np.stack([
                np.bincount(ring, (value * weight).ravel(), minlength=n_rings + 2)[1:-1]
                for value in values(part)
            ])
        )  # fmt: skip
    return np.asarray(np.sum(sums, axis=0))


def _conjugate_weights(n_columns: int) -> Array:
    """Return how often each column of a real transform counts in the whole spectrum.

    It holds one of two conjugate frequencies, but for the first and, of an even side, the last
    column, which hold both.
    """
    weight = np.full(n_columns // 2 + 1, 2.0)
    weight[0] = 1.0
    if n_columns % 2 == 0:
        weight[-1] = 1.0
    return weight
