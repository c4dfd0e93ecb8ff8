"""SQUIRREL: where a super-resolved image does not explain the diffraction-limited one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.fft import fftfreq, irfft2, next_fast_len, rfft2, rfftfreq
from scipy.optimize import minimize_scalar

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]

WIDTHS_PX = (0.05, 20.0)
"""Range of the blur that is tried, in pixels of the reference."""
_N_COARSE = 16  # widths tried before the search between the best and its neighbours


class ErrorMap(NamedTuple):
    """A super-resolved image held against the diffraction-limited reference."""

    error: Array
    """(H, W) |reference - explained|, in the reference's units and pixels."""
    explained: Array
    """(H, W) what the super-resolved image would look like through the microscope."""
    rse: float
    """Root mean square of the error, in the reference's units."""
    rsp: float
    """Pearson's correlation of both; 1 is best."""
    alpha: float
    """Reference units per unit of the super-resolved image."""
    beta: float
    """Level of the reference where the super-resolved image is empty."""
    sigma_px: float
    """Standard deviation of the blur, in pixels of the reference."""


def error_map(image: Array, reference: Array) -> ErrorMap:
    """Return where an image, blurred and scaled to its best, differs from the reference.

    I_RS = (alpha I_SR + beta) convolved with G(sigma), averaged over the pixels of the reference;
    alpha, beta and sigma are those of the least squared difference. Culley et al. 2018,
    doi:10.1038/nmeth.4605, who compare in super-resolved pixels; here the reference stays as it
    was measured.

    Parameters
    ----------
    image : (r H, r W) super-resolved, of the same field, r a whole number.
    reference : (H, W) diffraction-limited: the mean of the camera frames.

    Raises
    ------
    ValueError
        If the shapes do not fit, or an image is empty or not finite.

    Examples
    --------
    >>> image = np.random.default_rng(0).random((64, 64)) ** 8
    >>> seen = 3 * image.reshape(16, 4, 16, 4).mean((1, 3)) + 100
    >>> error_map(image, seen).rsp > 0.99
    True
    """
    image, reference = np.asarray(image, np.float64), np.asarray(reference, np.float64)
    upsampling = _fitting(image, reference)
    blurred = _Blurred(image, upsampling)

    def misfit(log_sigma: float) -> float:
        return _fit(blurred.at(np.exp(log_sigma)), reference)[0]

    trials = np.log(np.geomspace(*WIDTHS_PX, _N_COARSE))
    best = int(np.argmin([misfit(trial) for trial in trials]))
    around = trials[max(best - 1, 0)], trials[min(best + 1, _N_COARSE - 1)]
    found = minimize_scalar(misfit, bounds=around, method="bounded", options={"xatol": 1e-4})
    sigma_px = float(np.exp(found.x))
    seen = blurred.at(sigma_px)
    _, alpha, beta = _fit(seen, reference)
    explained = alpha * seen + beta
    error = np.abs(reference - explained)
    rse = float(np.sqrt(np.mean(error**2)))
    return ErrorMap(error, explained, rse, _pearson(explained, reference), alpha, beta, sigma_px)


class _Blurred:
    """An image as pixels of the reference see it, for any blur, from one Fourier transform."""

    def __init__(self, image: Array, upsampling: int) -> None:
        self._shape, self._upsampling = image.shape, upsampling
        margin = int(
            3 * min(WIDTHS_PX[1] * upsampling, min(image.shape) / 4)
        )  # blur must not come round the other side
        self._padded = tuple(next_fast_len(side + margin, real=True) for side in image.shape)
        # Beyond the edges the sample goes on, as far as anybody knows.
        self._spectrum = rfft2(_continued(image, self._padded))
        y, x = fftfreq(self._padded[0])[:, None], rfftfreq(self._padded[1])
        self._squared = y**2 + x**2

    def at(self, sigma_px: float) -> Array:
        """Return (H, W) means over the pixels of the reference."""
        sigma = sigma_px * self._upsampling
        passed = np.exp(-2 * (np.pi * sigma) ** 2 * self._squared)
        whole = irfft2(self._spectrum * passed, s=self._padded)
        rows, columns = self._shape
        r = self._upsampling
        blocks = whole[:rows, :columns].reshape(rows // r, r, columns // r, r)
        return np.asarray(blocks.mean((1, 3)))


def _continued(image: Array, shape: tuple[int, ...]) -> Array:
    """Return the image in a larger periodic one, its mirror images on all sides."""
    pads = [(0, whole - side) for whole, side in zip(shape, image.shape, strict=True)]
    # Half of what is added belongs after the image, half before it: periodic, so at the other end.
    halves = [(extra // 2, extra - extra // 2) for _, extra in pads]
    mirrored = np.pad(image, halves, mode="symmetric")
    return np.roll(mirrored, [-before for before, _ in halves], (0, 1))


def _fitting(image: Array, reference: Array) -> int:
    """Return how many pixels of the image are one of the reference, along each axis."""
    if image.ndim != 2 or reference.ndim != 2:
        raise ValueError(
            f"An error map needs an image and a reference of two axes, got {image.shape} and "
            f"{reference.shape}."
        )
    ratio = int(image.shape[0] // reference.shape[0])
    if ratio < 1 or image.shape != (ratio * reference.shape[0], ratio * reference.shape[1]):
        raise ValueError(
            f"The image of {image.shape[0]} x {image.shape[1]} pixels is no whole multiple of the "
            f"reference of {reference.shape[0]} x {reference.shape[1]}: give the stack that it was "
            "made from."
        )
    for what, values in (("image", image), ("reference", reference)):
        if not np.isfinite(values).all():
            raise ValueError(f"The {what} holds NaN or infinite values.")
        if np.ptp(values) == 0:
            raise ValueError(
                f"The {what} has one value in all pixels: there is nothing to compare."
            )
    return ratio


def _fit(seen: Array, reference: Array) -> tuple[float, float, float]:
    """Return the mean squared difference after alpha seen + beta, alpha and beta."""
    x, y = seen - seen.mean(), reference - reference.mean()
    spread = float(np.vdot(x, x))
    alpha = float(np.vdot(x, y)) / spread if spread > 0 else 0.0
    beta = float(reference.mean() - alpha * seen.mean())
    return float(np.mean((alpha * x - y) ** 2)), alpha, beta


def _pearson(a: Array, b: Array) -> float:
    x, y = a - a.mean(), b - b.mean()
    scale = float(np.sqrt(np.vdot(x, x) * np.vdot(y, y)))
    return float(np.vdot(x, y)) / scale if scale > 0 else float("nan")
