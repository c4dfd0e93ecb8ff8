"""Gaussian fits of bead images, and defocus curves through their widths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_deepsmlm.psf.defocus import DefocusCurve

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]


class Spot(NamedTuple):
    """A pixel-integrated Gaussian; positions from the outer corner of the image."""

    x_px: float
    y_px: float
    sigma_x_px: float
    sigma_y_px: float
    photons: float
    background: float
    """Per pixel."""


def fit_spot(image: Array) -> Spot:
    """Return the Gaussian that fits an image best in the least-squares sense.

    Parameters
    ----------
    image : (H, W), one bead near the centre.
    """
    from scipy.optimize import least_squares

    H, W = image.shape
    rim = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    background = float(np.median(rim))
    light = np.clip(image - background, 0, None)
    total = max(float(light.sum()), 1e-12)
    start = _moments(light, total)
    unit = max(float(image.max() - background), 1e-12)

    def residual(p: Array) -> Array:
        return (_gaussian(p, H, W)[0] - (image - background) / unit).ravel()

    def slopes(p: Array) -> Array:
        return _gaussian(p, H, W)[1]

    low = [-2, -2, 0.3, 0.3, 0, -np.inf]
    high = [W + 2, H + 2, W, H, np.inf, np.inf]
    fitted = least_squares(residual, [*start, total / unit, 0.0], jac=slopes, bounds=(low, high))
    x, y, sigma_x, sigma_y, photons, offset = fitted.x.tolist()
    return Spot(x, y, sigma_x, sigma_y, photons * unit, offset * unit + background)


def fit_defocus_curve(
    z_nm: Array, sigma_nm: Array, weights: Array, *, may_be_outside: bool = False
) -> DefocusCurve:
    """Return the curve through measured widths.

    Parameters
    ----------
    z_nm, sigma_nm : (Z,) depths and standard deviations.
    weights : (Z,) trust in each width; least squares of relative errors times these.
    may_be_outside : return some curve also where the stack shows no focus.

    Raises
    ------
    ValueError
        If the narrowest width is at an end of the stack: the focus was not recorded.
    """
    from scipy.optimize import least_squares

    narrow = int(np.argmin(sigma_nm))
    if narrow in (0, len(z_nm) - 1) and not may_be_outside:
        raise ValueError(
            "The spot is narrowest at the end of the stack, so the focus lies outside: record "
            "more depths around the focus, or check the z-step."
        )
    step = abs(float(z_nm[1] - z_nm[0]))
    start = [float(sigma_nm[narrow]), float(z_nm[narrow]), 300.0, 0.0, 0.1]

    def residual(p: Array) -> Array:
        u = (z_nm - p[1]) / p[2]
        squared = np.clip(1 + u**2 + p[3] * u**3 + p[4] * u**4, 1e-3, None)
        return np.asarray((p[0] * np.sqrt(squared) / sigma_nm - 1) * weights)

    low = [1.0, z_nm.min(), 2 * step, -2.0, 0.0]
    high = [5000.0, z_nm.max(), 100 * np.ptp(z_nm), 2.0, 10.0]
    start = np.clip(start, np.array(low) * (1 + 1e-6) + 1e-9, np.array(high) * (1 - 1e-6)).tolist()
    sigma, focus, depth, cubic, quartic = least_squares(residual, start, bounds=(low, high)).x
    # |A| <= 2 sqrt(B) keeps the square above 0 wherever it is evaluated.
    quartic = max(quartic, (cubic / 2) ** 2)
    return DefocusCurve(
        sigma_nm=sigma, focus_nm=focus, depth_nm=depth, cubic=cubic, quartic=quartic
    )


def _gaussian(p: Array, height: int, width: int) -> tuple[Array, Array]:
    """Return (H, W) values and (H * W, 6) slopes by x, y, both widths, photons and offset."""
    x, y, sigma_x, sigma_y, photons, offset = p
    columns, columns_by_x, columns_by_width = _shares(x, sigma_x, width)
    rows, rows_by_y, rows_by_width = _shares(y, sigma_y, height)
    spot = np.outer(rows, columns)
    slopes = [
        photons * np.outer(rows, columns_by_x),
        photons * np.outer(rows_by_y, columns),
        photons * np.outer(rows, columns_by_width),
        photons * np.outer(rows_by_width, columns),
        spot,
        np.ones_like(spot),
    ]
    return photons * spot + offset, np.stack([slope.ravel() for slope in slopes], axis=1)


def _shares(centre: float, sigma: float, n_pixels: int) -> tuple[Array, Array, Array]:
    """Return the share of a 1-D Gaussian in each pixel, and its slopes by centre and sigma."""
    from scipy.special import ndtr

    scaled = (np.arange(n_pixels + 1) - centre) / sigma
    density = np.exp(-(scaled**2) / 2) / np.sqrt(2 * np.pi)
    return (
        np.diff(ndtr(scaled)),
        -np.diff(density) / sigma,
        -np.diff(scaled * density) / sigma,
    )


def _moments(light: Array, total: float) -> list[float]:
    y, x = np.indices(light.shape) + 0.5
    mean_x, mean_y = (light * x).sum() / total, (light * y).sum() / total
    var_x = (light * (x - mean_x) ** 2).sum() / total
    var_y = (light * (y - mean_y) ** 2).sum() / total
    widths = np.clip(np.sqrt([var_x, var_y]), 0.5, min(light.shape) / 3)
    return [float(mean_x), float(mean_y), *widths.tolist()]
