"""Width of the PSF from frame differences, at any density of molecules.

Molecules that blink independently make frames a filtered Poisson process (shot noise after
Campbell and Rice, doi:10.1002/j.1538-7305.1944.tb00874.x): the covariance of two pixels over
time is density x mean squared photons x the PSF's autocorrelation at their distance, wherever
the molecules sit. Differences of frames hold no static structure, and pixels that differ share no
camera noise, so the shape of this covariance is the width and its height a moment of the light.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]

# Numbers of frames between the two that are subtracted. If what a molecule does in neighbouring
# frames has the correlation r, the variance of differences is 2 C (1 - r^lag): it rises with the
# lag to 2 C. From a lag to twice that lag it rises by the factor 1 + r^lag.
LAGS = (1, 2, 4, 8, 16, 32, 64)
# A lag is long enough if longer ones give at most this factor more: then r^lag <= 0.04.
STILL_RISING = 1.04
# Widths that can be measured. A pixel adds its own variance, 1/12: at 0.4 px that is a third of the
# sum 0.4^2 + 1/12. The widest has its covariance cut off by FAR_PX.
LEAST_SIGMA_PX, MAX_SIGMA_PX = 0.4, 8.0
# Largest root mean square difference from the covariance of a Gaussian, as a share of its height.
MAX_MISFIT = 0.015
# Errors by which a misfit must be beyond that, to be called so.
SIGMAS = 3.0
# Distances up to which pixels are correlated, first and second try. The autocorrelation of a PSF is
# √2 times as wide as the PSF: at 4.5 widths of the PSF exp(-4.5^2 / 4) = 0.006 of it is left. So 7
# px serve widths up to (7 - 1) / 4.5 = 1.3 px, and 20 px up to 4.2 px.
NEAR_PX, FAR_PX = 7, 20
# Frames that are Fourier-transformed at once.
CHUNK = 64


class Blinking(NamedTuple):
    """What differences of frames tell."""

    sigma_px: float
    sigma_error_px: float
    power: float
    """Density per pixel x mean of squared light of a molecule, in squared units of the frames."""
    power_error: float
    misfit: float
    """Root mean square difference to a Gaussian PSF beyond chance, as a share of the height."""
    misfit_error: float
    """By chance, which of few molecules is as large as the misfit itself."""
    lag: int
    """Number of frames after which frames are independent."""
    memory: float
    """Correlation between consecutive frames of what blinks."""
    anisotropy: float
    """Width along columns over width along rows."""

    @property
    def is_seen(self) -> bool:
        """Whether anything blinks above chance."""
        return self.power > 5 * self.power_error

    @property
    def is_gaussian(self) -> bool:
        """Whether the PSF is a Gaussian of about one width."""
        return self.misfit < MAX_MISFIT

    @property
    def has_several_widths(self) -> bool:
        """Whether it is beyond doubt that the PSF is no Gaussian of about one width."""
        return self.misfit - SIGMAS * self.misfit_error > MAX_MISFIT


def measure_blinking(frames: Array) -> Blinking:
    """Return width and power of what blinks.

    Parameters
    ----------
    frames : (B, T, H, W), blocks of consecutive frames.
    """
    lag, memory = _forgetting(frames)
    side = min(frames.shape[2:])
    reach = min(NEAR_PX, side // 3)
    maps = _autocovariances(frames, lag, reach)
    sigma, power, level = _fit(maps.mean(axis=0), reach)
    wanted = min(math.ceil(4.5 * sigma) + 1, side // 3, FAR_PX)
    if wanted > reach:  # a wide PSF needs a second, wider look
        reach = wanted
        maps = _autocovariances(frames, lag, reach)
        sigma, power, level = _fit(maps.mean(axis=0), reach)
    parts = np.array([_fit(part, reach) for part in _jackknifed(maps)])
    n_parts = len(parts)
    errors = np.sqrt((n_parts - 1) * parts.var(axis=0))
    misfit, misfit_error = _misfit(maps, parts, reach)
    return Blinking(
        sigma_px=sigma,
        sigma_error_px=float(errors[0]),
        power=power,
        power_error=float(errors[1]),
        misfit=misfit,
        misfit_error=misfit_error,
        lag=lag,
        memory=memory,
        anisotropy=_anisotropy(maps.mean(axis=0) - level, reach),
    )


def covariance_width(image: Array) -> float:
    """Return the width that :func:`measure_blinking` finds for molecules of this image, px.

    Parameters
    ----------
    image : (S, S), one molecule.
    """
    side = len(image)
    reach = side // 2
    power = np.abs(np.fft.rfft2(image, s=(2 * side, 2 * side))) ** 2
    d = _distances(reach).astype(int)
    return _fit(np.fft.irfft2(power)[np.ix_(d, d)], reach)[0]


def autocorrelation(distance_px: Array, sigma_px: float) -> Array:
    """Return the autocorrelation of a pixel-integrated 1-D Gaussian, averaged over its place.

    Two pixels' boxes make a triangle, so it is the second difference of the twice integrated
    Gaussian of width sigma √2.
    """
    from scipy.special import ndtr

    s = math.sqrt(2) * sigma_px

    def twice_integrated(x: Array) -> Array:
        return np.asarray(
            x * ndtr(x / s) + s * np.exp(-(x**2) / (2 * s**2)) / math.sqrt(2 * math.pi)
        )

    d = np.asarray(distance_px, float)
    around = twice_integrated(d + 1) + twice_integrated(d - 1)
    return np.asarray(around - 2 * twice_integrated(d))


def _forgetting(frames: Array) -> tuple[int, float]:
    """Return the lag at which frames are independent, and the correlation at lag 1."""
    longest = frames.shape[1] // 3
    lags = [lag for lag in LAGS if lag <= max(longest, 1)]
    rises = []
    for lag in lags:
        difference = frames[:, lag:] - frames[:, :-lag]
        across = (difference[..., 1:] * difference[..., :-1]).mean()
        down = (difference[:, :, 1:] * difference[:, :, :-1]).mean()
        rises.append(float(across + down))
    for lag, rise in zip(lags, rises, strict=True):
        later = [r for other, r in zip(lags, rises, strict=True) if lag < other <= 8 * lag]
        if not later or np.median(later) <= STILL_RISING * rise:
            break
    forgotten = float(np.mean([r for other, r in zip(lags, rises, strict=True) if other >= lag]))
    return lag, min(max(1 - rises[0] / max(forgotten, 1e-300), 0.0), 1.0)


def _autocovariances(frames: Array, lag: int, reach: int, n_parts: int = 8) -> Array:
    """Covariance of pixels at distances up to `reach`, of parts of the movie: (P, 2R+1, 2R+1)."""
    differences = (frames[:, lag:] - frames[:, :-lag]) / math.sqrt(2)
    flat = differences.reshape(-1, *frames.shape[2:])
    H, W = flat.shape[1:]
    size = (H + reach, W + reach)
    d = _distances(reach).astype(int)
    n_pairs = (H - np.abs(d))[:, None] * (W - np.abs(d))
    maps = []
    for part in np.array_split(flat, min(n_parts, len(flat))):
        power = np.zeros((size[0], size[1] // 2 + 1))
        for first in range(0, len(part), CHUNK):
            power += (np.abs(np.fft.rfft2(part[first : first + CHUNK], s=size)) ** 2).sum(axis=0)
        covariance = np.fft.irfft2(power, s=size)[np.ix_(d, d)]
        maps.append(covariance / n_pairs / len(part))
    return np.array(maps)


def _fit(covariance: Array, reach: int) -> tuple[float, float, float]:
    """Return the width, power and level of a Gaussian PSF's covariance plus a constant."""
    from scipy.optimize import minimize_scalar

    is_far, d = _is_off_centre(reach), _distances(reach)
    measured = covariance[is_far]

    def solve(log_sigma: float) -> tuple[Array, float]:
        shape = autocorrelation(d, math.exp(log_sigma))
        design = np.stack([np.outer(shape, shape)[is_far], np.ones(len(measured))], axis=1)
        weights, *_ = np.linalg.lstsq(design, measured, rcond=None)
        return weights, float(((measured - design @ weights) ** 2).sum())

    scale = max(float((measured**2).sum()), 1e-300)
    bounds = (math.log(LEAST_SIGMA_PX), math.log(MAX_SIGMA_PX))
    found = minimize_scalar(lambda x: solve(x)[1] / scale, bounds=bounds, method="bounded")
    power, level = solve(found.x)[0]
    return math.exp(found.x), float(power), float(level)


def _misfit(maps: Array, parts: Array, reach: int) -> tuple[float, float]:
    """Return the difference to a Gaussian beyond chance, as a share of its height, and its error.

    Parameters
    ----------
    maps : (P, 2R+1, 2R+1).
    parts : (P, 3) width, power and level of all parts but one.
    """
    is_far = _is_off_centre(reach)
    chance = maps.var(axis=0)[is_far].mean() / max(len(maps) - 1, 1)

    def beyond(mean: Array, fitted: Array) -> float:
        sigma, power, level = fitted
        shape = autocorrelation(_distances(reach), sigma)
        height = max(power * autocorrelation(np.zeros(1), sigma)[0] ** 2, 1e-30)
        left = float(((mean - power * np.outer(shape, shape) - level)[is_far] ** 2).mean())
        return math.sqrt(max(left - float(chance), 0.0)) / float(height)

    mean = maps.mean(axis=0)
    without = [beyond(*one) for one in zip(_jackknifed(maps), parts, strict=True)]
    error = math.sqrt((len(parts) - 1) * float(np.var(without)))
    return beyond(mean, np.array(_fit(mean, reach))), error


def _jackknifed(maps: Array) -> Array:
    """Means over all parts but one; a single part stands for itself."""
    if len(maps) == 1:
        return maps
    return np.asarray((maps.sum(axis=0) - maps) / (len(maps) - 1))


def _anisotropy(covariance: Array, reach: int) -> float:
    """Ratio of widths along columns and rows, from the curvature near the centre."""
    nearest = covariance[reach, reach + 1], covariance[reach + 1, reach]
    further = covariance[reach, reach + 2], covariance[reach + 2, reach]
    if min(*nearest, *further) <= 0 or nearest[0] <= further[0] or nearest[1] <= further[1]:
        return 1.0
    along = [math.log(near / far) for near, far in zip(nearest, further, strict=True)]
    return math.sqrt(along[1] / along[0])


def _distances(reach: int) -> Array:
    return np.arange(-reach, reach + 1, dtype=float)


def _is_off_centre(reach: int) -> Array:
    """All distances but zero: there the noise of the camera adds to the covariance."""
    is_far = np.ones((2 * reach + 1, 2 * reach + 1), bool)
    is_far[reach, reach] = False
    return is_far
