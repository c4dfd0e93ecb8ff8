"""Background, photons and density from the numbers of light in pixels, at any density.

The light of a pixel is its background plus that of the molecules around, a Poisson number of them
that is new in every frame. The logarithm of the Laplace transform of such light is

    log E[exp(-t light)] = -t' background + integral of rho(x) (M(-t' h(x)) - 1) dx

with the PSF h, the transform M of the molecules' photons, and t' = 1 - exp(-t) for shot noise
(Daley and Vere-Jones 2003, doi:10.1007/b97277, section 6.4). It is linear in the density rho(x):
averaged over pixels it holds the mean density, wherever the molecules sit and however they
cluster. Small t see the mean and the variance, large t the darkest moments of each pixel, so a
curve over t holds background, photons and density at once, with no spot ever found.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from napari_deepsmlm.estimation.correlation import Blinking
    from napari_deepsmlm.estimation.noise import CameraNoise

    Array = np.ndarray[Any, Any]

# If the mean brightness of frames varies by more than RESTLESS times what independent molecules and
# shot noise explain, frames are sorted by brightness into groups: of at least so many frames, at
# most so many groups.
RESTLESS, GROUP_FRAMES, MAX_GROUPS = 4.0, 50, 8
# Values of t at which the transform of the light is measured: small ones tell its mean, large
# ones how many molecules share it.
N_TRANSFORMS = 12
# The movie is cut into N_WINDOWS parts in time, the frame into TILES x TILES parts: the spread of
# the transform over these parts gives its error.
N_WINDOWS = 8
# Largest relative variance v of a pixel's mean of exp(-t light). The logarithm of a mean is too low
# by v / 2, which `_measured_curve` corrects to first order only.
MAX_VARIANCE = 0.1
MAX_EXPONENT = 50.0  # exp(50) is still a number in single precision
TILES = 4
# The integral over places x of a molecule becomes a sum over the values h(x) of the PSF: places in
# a pixel along each axis, and bins of values. Finer ones change the transform by 0.02 % at most.
SUBPIXELS = 8
H_BINS = 48
# Relative error of the variance that the camera's noise is said to have.
NOISE_DOUBT = 0.01
# Consecutive frames whose correlation is below this count as independent.
LEAST_MEMORY = 0.08
# Relative error of the power that `measure_blinking` found, besides chance: it assumes a Gaussian
# PSF, and real ones are not quite Gaussian.
POWER_TRUST = 0.03


class Light(NamedTuple):
    """What pixels tell of molecules, light in photons or in whatever unit the frames have."""

    background: float
    photons: float
    """Mean of a molecule in a frame."""
    spread: float
    """Standard deviation of its photons over their mean."""
    density_px: float
    """Molecules per pixel and frame."""
    background_error: float
    photons_error: float
    """As a share of the photons; `density_error` as a share of the density."""
    density_error: float
    chi2: float
    """Per degree of freedom."""


def measure_light(frames: Array, blinking: Blinking, noise: CameraNoise) -> Light:
    """Return background, photons and density.

    Parameters
    ----------
    frames : (B, T, H, W) photons, offset removed.
    blinking : width and power, in pixels and photons.
    noise : the camera's.
    """
    frames = _alike(frames, blinking)
    t = _transform_points(frames, noise, max(1.0, blinking.lag / 2))
    curve, covariance = _measured_curve(frames, t)
    return _fit(t, curve, covariance, float(frames.mean()), blinking, noise)


def _alike(frames: Array, blinking: Blinking) -> Array:
    """Return blocks of frames alike in brightness, where frames differ more than by chance.

    The curve is linear in the density at each place, so it may be averaged over places. It is not
    linear in a density that changes from frame to frame, so frames of different density must not be
    averaged: they are sorted by brightness into groups. Correlated frames stay in order.
    """
    B, T, H, W = frames.shape
    totals = frames.mean(axis=(2, 3)).ravel()
    by_chance = (blinking.power + float(frames.mean())) / (H * W)
    n_blocks = min(B * T // GROUP_FRAMES, MAX_GROUPS)
    if n_blocks < 2 or blinking.memory >= LEAST_MEMORY or totals.var() < RESTLESS * by_chance:
        return frames
    length = B * T // n_blocks
    order = np.argsort(totals, kind="stable")[: n_blocks * length]
    # `_measured_curve` compares the halves of a block: every second frame of the sorted ones goes
    # into each, so that both halves have the same range of brightness.
    order = order.reshape(n_blocks, length)
    order = np.concatenate([order[:, ::2], order[:, 1::2]], axis=1)
    return np.asarray(frames.reshape(-1, H, W)[order])


def _transform_points(frames: Array, noise: CameraNoise, memory: float) -> Array:
    """Choose t of both signs, as large as the number of frames allows (`MAX_VARIANCE`)."""
    B, T = frames.shape[:2]
    pixels = frames.reshape(B, T, -1)
    liveliest = np.argsort(pixels.var(axis=1).mean(axis=0))
    pixels = pixels[:, :, liveliest[:: max(1, len(liveliest) // 256)][::-1]]
    centred = (pixels - pixels.mean(axis=1, keepdims=True)).astype(float)
    scale = max(float(centred.std()), 1e-12)

    faintest = max(float(np.percentile(frames.mean(axis=1), 5)), 0.0)
    most = 1 / math.sqrt(
        faintest * noise.excess / noise.quantum_efficiency + noise.read_variance + 1e-12
    )

    def largest(sign: int, limit: float) -> float:
        best = 0.01 / scale
        for t in np.geomspace(0.02, 8, 24) / scale:
            if t > most or _relative_variance(centred, sign * t) * memory / T > limit:
                break
            best = float(t)
        return sign * best

    dark, bright = largest(1, MAX_VARIANCE), largest(-1, 0.3 * MAX_VARIANCE)
    return np.concatenate(
        [bright * np.array([1, 0.6, 0.3]), dark * np.geomspace(0.02, 1, N_TRANSFORMS)]
    )


def _relative_variance(centred: Array, t: float) -> float:
    with np.errstate(over="ignore"):
        x = np.exp(-t * centred)
        ratio = (x**2).mean(axis=1) / x.mean(axis=1) ** 2
    return float(np.percentile(np.where(np.isfinite(ratio), ratio - 1, np.inf), 95))


def _measured_curve(frames: Array, t: Array) -> tuple[Array, Array]:
    """Return the mean over pixels of log mean exp(-t light), and its covariance.

    The logarithm of a mean over T frames is too low by c / T. Half as many frames are too low by
    2 c / T, so twice the whole less the mean of the halves is right; c need not be known, and may
    contain the correlation of frames.
    """
    B, T, H, W = frames.shape
    windows = np.array_split(np.arange(T), min(N_WINDOWS, T // 2))
    sizes = np.array([len(window) for window in windows])
    n_half = len(windows) // 2
    edges = [0, *np.cumsum(sizes)[:-1]]
    tiles = [np.array_split(np.arange(side), min(TILES, side // 4)) for side in (H, W)]
    curves, deviations = [], []
    for block in frames:
        mean = block.mean(axis=0)
        centred = block - mean
        pixels, parts = [], []
        for value in t:
            sums = np.add.reduceat(
                np.exp(np.minimum(-np.float32(value) * centred, MAX_EXPONENT)), edges, axis=0
            )
            sums = sums.astype(float)
            whole = np.log(sums.sum(axis=0) / T)
            halves = [
                np.log(sums[half].sum(axis=0) / sizes[half].sum())
                for half in (slice(None, n_half), slice(n_half, None))
            ]
            pixels.append(2 * whole - sum(halves) / 2 - value * mean)
            parts.append(np.log(sums / sizes[:, None, None]))
        curves.append(np.mean(pixels, axis=(1, 2)))
        tiled = _tile_means(np.array(parts), tiles)  # (t, windows, tiles)
        deviations.append(tiled - tiled.mean(axis=1, keepdims=True))
    spread = np.concatenate([d.reshape(len(t), -1) for d in deviations], axis=1)
    n_free = spread.shape[1] * (len(windows) - 1) / len(windows)
    covariance = spread @ spread.T / n_free / spread.shape[1]
    return np.mean(curves, axis=0), covariance


def _tile_means(images: Array, tiles: list[list[Array]]) -> Array:
    """(..., H, W) -> (..., tiles), the means of each."""
    means = [
        images[..., rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].mean(axis=(-2, -1))
        for rows in tiles[0]
        for columns in tiles[1]
    ]
    return np.stack(means, axis=-1)


def _fit(
    t: Array, curve: Array, covariance: Array, mean: float, blinking: Blinking, noise: CameraNoise
) -> Light:
    """Fit the curve, from a dim and from a bright start."""
    from scipy.optimize import least_squares

    read = t**2 * noise.read_variance / 2
    doubt = NOISE_DOUBT * (read + t**2 / 2 * noise.excess * max(mean, 0) / noise.quantum_efficiency)
    covariance = covariance + np.outer(doubt, doubt)
    scale = np.sqrt(np.diag(covariance))
    correlation = 0.97 * covariance / np.outer(scale, scale) + 0.03 * np.eye(len(t))
    whiten = np.linalg.cholesky(np.linalg.inv(correlation)).T / scale
    h, area = psf_values(blinking.sigma_px)
    arrivals = noise.arrivals(t)
    trust = math.hypot(POWER_TRUST, blinking.power_error / blinking.power)

    expected = partial_share(blinking.memory)
    doubt_of_it = 0.15 if expected > 0 else 1e-3

    def residual(p: Array) -> Array:
        background, (photons, spread2, density), partial = p[0], np.exp(p[1:4]), p[4]
        model = arrivals * background
        model = model + density * _mean_power(arrivals, h, area, photons, spread2, partial)
        power = density * photons**2 * ((1 - partial) * (1 + spread2) + partial / 3)
        # Prior on log(spread^2): -3 ± 2, a relative spread of photons of 0.22 within a factor e.
        beliefs = [
            math.log(power / blinking.power) / trust,
            (p[2] + 3) / 2,
            (partial - expected) / doubt_of_it,
        ]
        return np.concatenate([whiten @ (curve - model - read), beliefs])

    fits = []
    for share in (0.03, 0.2, 0.8):
        light = max(mean * share, 1e-6)
        photons = blinking.power / light
        start = [mean - light, math.log(photons), -3.0, math.log(light / photons), expected]
        low, high = [-np.inf, -20, -7, -40, 0], [np.inf, 25, 1.5, 10, 0.95]
        steps = [max(0.1 * abs(mean), 1e-3), 0.1, 1, 0.1, 0.1]
        start = np.clip(start, np.array(low) + 1e-6, np.array(high) - 1e-6).tolist()
        fits.append(least_squares(residual, start, x_scale=steps, bounds=(low, high), max_nfev=300))
    best = min(fits, key=lambda fit: fit.cost)
    chi2 = max(2 * best.cost / (len(t) + 3 - 5), 1e-3)
    errors = np.sqrt(np.diag(np.linalg.pinv(best.jac.T @ best.jac)) * max(chi2, 1))
    full, spread2, density = np.exp(best.x[1:4])
    partial = best.x[4]
    photons = full * (1 - partial / 2)
    mean_square = full**2 * ((1 - partial) * (1 + spread2) + partial / 3)
    return Light(
        background=float(best.x[0]),
        photons=float(photons),
        spread=float(math.sqrt(max(mean_square / photons**2 - 1, 0))),
        density_px=float(density),
        background_error=float(errors[0]),
        photons_error=float(errors[1]),
        density_error=float(errors[3]),
        chi2=float(chi2),
    )


def psf_values(sigma_px: float) -> tuple[Array, Array]:
    """Return the values that a pixel-integrated Gaussian takes in pixels, and their areas, px²."""
    from scipy.special import ndtr

    shifts = (np.arange(SUBPIXELS) + 0.5) / SUBPIXELS
    reach = math.ceil(4.5 * sigma_px) + 1
    edges = np.arange(-reach, reach + 1)[:, None] - shifts
    along = (ndtr((edges + 1) / sigma_px) - ndtr(edges / sigma_px)).ravel()
    values = np.outer(along, along).ravel()
    values = values[values > 1e-7]
    # Cube roots make the bins of faint values narrow: most places are far from the molecule.
    bins = np.linspace(values.min() ** (1 / 3), values.max() ** (1 / 3), H_BINS + 1) ** 3
    place = np.clip(np.digitize(values, bins) - 1, 0, H_BINS - 1)
    counts = np.bincount(place, minlength=H_BINS)
    sums = np.bincount(place, values, H_BINS)
    is_used = counts > 0
    return sums[is_used] / counts[is_used], counts[is_used] / SUBPIXELS**2


def partial_share(memory: float) -> float:
    """Return the share of molecules that are on for a part of the frame only.

    A molecule that is on for an exponential time of mean tau frames is seen in tau + 1 frames on
    average and fills tau exp(-1 / tau) of them. The correlation of consecutive frames (`memory`)
    tells tau.
    """
    if memory < LEAST_MEMORY:
        return 0.0
    tau = np.geomspace(0.05, 100, 400)
    gone = -np.expm1(-1 / tau)
    correlation = tau * gone**2 / (2 * (1 - tau * gone))
    best = float(np.interp(memory, correlation, tau))
    return 1 - best * math.exp(-1 / best) / (best + 1)


def _mean_power(
    arrivals: Array, h: Array, area: Array, photons: float, spread2: float, partial: float
) -> Array:
    """Integral of M - 1 over the places of a molecule, M the transform of its photons.

    Molecules that are on throughout the frame have Gamma-distributed photons; those that are on for
    a part of it, uniform ones between 0 and the mean of the others.
    """
    x = np.outer(arrivals, h) * photons
    if spread2 < 1e-3:
        whole = np.expm1(np.minimum(x, 50))
    else:
        remaining = np.maximum(1 - spread2 * x, 1e-3)
        whole = np.expm1(np.minimum(-np.log(remaining) / spread2, 50))
    if partial <= 0:
        return np.asarray(whole @ area)
    y = np.minimum(x, 50)
    y = np.where(np.abs(y) < 1e-6, 1e-6, y)
    return np.asarray(((1 - partial) * whole + partial * (np.expm1(y) / y - 1)) @ area)
