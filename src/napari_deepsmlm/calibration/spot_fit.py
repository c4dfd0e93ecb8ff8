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
        return (_gaussian(p, H, W) - (image - background) / unit).ravel()

    def slopes(p: Array) -> Array:
        return _slopes(p, H, W)

    low = [-2, -2, 0.3, 0.3, 0, -np.inf]
    high = [W + 2, H + 2, W, H, np.inf, np.inf]
    fitted = least_squares(residual, [*start, total / unit, 0.0], slopes, bounds=(low, high))
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


def _gaussian(p: Array, height: int, width: int) -> Array:
    x, y, sigma_x, sigma_y, photons, offset = p
    columns, rows = _share(width, x, sigma_x), _share(height, y, sigma_y)
    return np.asarray(photons * np.outer(rows, columns) + offset)


def _slopes(p: Array, height: int, width: int) -> Array:
    """Derivatives of :func:`_gaussian` by each of its numbers: (height * width, 6)."""
    x, y, sigma_x, sigma_y, photons, _offset = p
    columns, rows = _share(width, x, sigma_x), _share(height, y, sigma_y)
    by_x, by_sigma_x = _share_slopes(width, x, sigma_x)
    by_y, by_sigma_y = _share_slopes(height, y, sigma_y)
    return np.stack(
        [
            photons * np.outer(rows, by_x).ravel(),
            photons * np.outer(by_y, columns).ravel(),
            photons * np.outer(rows, by_sigma_x).ravel(),
            photons * np.outer(by_sigma_y, columns).ravel(),
            np.outer(rows, columns).ravel(),
            np.ones(height * width),
        ],
        axis=1,
    )


def _share(n: int, centre: float, sigma: float) -> Array:
    """The light that each of n pixels in a row gets of a Gaussian."""
    from scipy.special import erf

    return np.asarray(np.diff(erf((np.arange(n + 1) - centre) / (np.sqrt(2) * sigma))) / 2)


def _share_slopes(n: int, centre: float, sigma: float) -> tuple[Array, Array]:
    """Derivatives of :func:`_share` by the centre and by sigma."""
    u = (np.arange(n + 1) - centre) / sigma
    height = np.exp(-(u**2) / 2) / (np.sqrt(2 * np.pi) * sigma)
    return -np.diff(height), -np.diff(u * height)


def _moments(light: Array, total: float) -> list[float]:
    y, x = np.indices(light.shape) + 0.5
    mean_x, mean_y = (light * x).sum() / total, (light * y).sum() / total
    var_x = (light * (x - mean_x) ** 2).sum() / total
    var_y = (light * (y - mean_y) ** 2).sum() / total
    widths = np.clip(np.sqrt([var_x, var_y]), 0.5, min(light.shape) / 3)
    return [float(mean_x), float(mean_y), *widths.tolist()]
