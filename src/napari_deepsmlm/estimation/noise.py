"""Noise: gain and offset of the camera from the finest detail of frames, which is noise alone.

The PSF passes no detail as fine as a pixel, so what a filter of the highest frequencies leaves is
noise; its variance against the brightness underneath is a line whose slope is the gain and whose
zero is near the offset (Heintzmann et al. 2016, arXiv:1611.05654).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from napari_deepsmlm.estimation.correlation import autocorrelation

if TYPE_CHECKING:
    from napari_deepsmlm.camera import Camera
    from napari_deepsmlm.estimation.correlation import Blinking

    Array = np.ndarray[Any, Any]

# The sixth difference, applied along both axes, lets 1e-3 of a molecule of σ 0.9 px pass, and
# noise. Of narrower ones so much passes that it is measured how much: by finer and finer filters.
ORDER, FINER_ORDERS = 6, (10, 14)
# Share of the slope that molecules may have by the width of a Gaussian before that is done: a
# filter that is wrong by as much errs as the gain does anyway (`units.GAIN_SYSTEMATIC`).
MAX_LEAK = 0.05
# Of what molecules leave in one filter, the most that the next one lets pass.
MAX_PASSED = 0.5
# Share of the pixels that the finest filter has to leave, or too few tell its noise.
LEAST_LEFT = 0.4
# As many values in each: the brightest holds 4 % of them, those that molecules shine on. A line has
# two unknowns, so their number matters little. A judgement.
N_LEVELS = 24
# Levels of brightness that noise does not mix (`are_steps_noise`): their distance in standard
# deviations of the noise of brightness, the fewest values in one, and the fewest levels of a line.
NOISE_REACH, FEWEST_OF_LEVEL, FEWEST_LEVELS = 3.0, 60, 2
# A slope is believed if it exceeds this many of its standard errors.
LEAST_CONTRAST = 8.0
# Read noise of current cameras without electron multiplication, electrons: usual, and most.
USUAL_READ_E, MAX_READ_E = 1.5, 2.5
# As current sCMOS cameras are set, and the EMCCD of the SMLM Challenge 2016 (`camera_presets`).
USUAL_OFFSET_ADU = 100.0


class PhotonTransfer(NamedTuple):
    """The line of variance against brightness."""

    slope: float
    """Variance per brightness, ADU: the gain, doubled by electron multiplication."""
    slope_error: float
    zero_adu: float
    """Brightness without variance: the offset, less read variance / gain."""
    zero_error_adu: float
    mean_variance: float
    """ADU squared."""
    is_line: bool
    """Whether brightness and variance rise together beyond doubt."""


class CameraNoise(NamedTuple):
    """The camera's noise in photons."""

    kind: Literal["shot", "multiplied", "normal"]
    """Of the light; "normal": the gain is unknown, and all noise counts as read noise."""
    quantum_efficiency: float
    read_variance: float
    """Photons squared."""

    def arrivals(self, t: Array) -> Array:
        """Return log E[exp(-t signal)] for one photon on average: shot noise and multiplication.

        Electrons of mean gain 1 / QE after an electron-multiplying register are exponential.
        """
        if self.kind == "normal":
            return np.asarray(-t)
        per_electron = t / self.quantum_efficiency
        if self.kind == "multiplied":
            return np.asarray(-t / (1 + np.maximum(per_electron, -0.9)))
        return np.asarray(self.quantum_efficiency * np.expm1(-per_electron))

    @property
    def excess(self) -> float:
        """Variance over that of shot noise."""
        return {"shot": 1.0, "multiplied": 2.0, "normal": 0.0}[self.kind]


def photon_transfer(
    frames: Array, blinking: Blinking | None = None, *, are_steps_noise: bool = False
) -> PhotonTransfer:
    """Return the line of noise variance against brightness.

    Parameters
    ----------
    frames : (T, H, W) ADU.
    blinking : of the same frames, ADU: what molecules leave in the finest detail is taken off.
    are_steps_noise : make levels of brightness as wide as the noise, instead of putting as many
        pixels into each. A large background is one level then. Cut into several levels
        it would show a slope even without any change of light, because noise is skewed: its
        brightest values vary most. That slope is the gain for pure shot noise only.
    """
    brightness, variance, counts = _levels(frames, ORDER, are_steps_noise=are_steps_noise)
    mean_variance = float((variance * counts).sum() / counts.sum())
    if len(counts) <= FEWEST_LEVELS:
        return PhotonTransfer(0.0, math.inf, math.nan, math.inf, mean_variance, is_line=False)
    line = _line_through(brightness, variance, counts, ORDER)
    if blinking is not None and blinking.is_seen:
        variance = variance - _leak(brightness, counts, blinking)
        with_leak, line = line, _line_through(brightness, variance, counts, ORDER)
        mean_variance = float((variance * counts).sum() / counts.sum())
        if with_leak.slope > (1 + MAX_LEAK) * line.slope:
            line = _without_leak(frames, with_leak, line, are_steps_noise=are_steps_noise)
    return _transfer_of(line, mean_variance)


class _Line(NamedTuple):
    """Variance against brightness."""

    coefficients: Array
    """Slope and intercept."""
    covariance: Array
    """By chance."""
    step: Array = np.zeros(2)
    """By which both may be wrong together besides."""

    @property
    def slope(self) -> float:
        return float(self.coefficients[0])


def _transfer_of(line: _Line, mean_variance: float) -> PhotonTransfer:
    slope, intercept = (float(value) for value in line.coefficients)
    covariance = line.covariance + np.outer(line.step, line.step)
    slope_error = math.sqrt(covariance[0, 0])
    if slope <= LEAST_CONTRAST * math.sqrt(line.covariance[0, 0]):
        return PhotonTransfer(slope, slope_error, math.nan, math.inf, mean_variance, is_line=False)
    pull = np.array([intercept / slope**2, -1 / slope])
    return PhotonTransfer(
        slope,
        slope_error,
        zero_adu=-intercept / slope,
        zero_error_adu=math.sqrt(pull @ covariance @ pull),
        mean_variance=mean_variance,
        is_line=True,
    )


def _line_through(brightness: Array, variance: Array, counts: Array, order: int) -> _Line:
    n_levels = len(counts)
    design = np.stack([brightness, np.ones(n_levels)], axis=1)
    # Neighbouring values share noise: 792/924 one pixel apart, 495/924 two apart (rows of Pascal's
    # triangle). Its squares add up to 10 over both axes: as few as counts / 10 are independent if
    # all neighbours have one level, all counts if none do. A worse misfit widens the errors below.
    n_sharing = (math.comb(4 * order, 2 * order) / math.comb(2 * order, order) ** 2) ** 2
    n_free = counts / (0.6 * n_sharing)
    weights = np.sqrt(n_free)
    for _ in range(4):
        line, *_ = np.linalg.lstsq(design * weights[:, None], variance * weights, rcond=None)
        weights = np.sqrt(n_free / 2) / np.maximum(design @ line, 1e-3 * variance.mean())
    covariance = np.linalg.inv((design * weights[:, None]).T @ (design * weights[:, None]))
    misfit = float((((variance - design @ line) * weights) ** 2).sum() / (n_levels - 2))
    return _Line(line, covariance * max(misfit, 1))


def _without_leak(frames: Array, first: _Line, guess: _Line, *, are_steps_noise: bool) -> _Line:
    """Return the line that ever finer filters approach.

    What molecules leave shrinks from filter to filter by a nearly constant factor, and noise stays:
    the rest is a geometric series. The step to its limit counts as an error too.

    Parameters
    ----------
    first : the line of the first filter.
    guess : the same for a Gaussian PSF, whose step is all there is where frames are too small.
    """
    left = [max(1 - FINER_ORDERS[-1] / side, 0.0) for side in frames.shape[1:]]
    if left[0] * left[1] < LEAST_LEFT:
        return guess._replace(step=guess.coefficients - first.coefficients)
    levels = [_levels(frames, order, are_steps_noise=are_steps_noise) for order in FINER_ORDERS]
    if min(len(counts) for *_, counts in levels) <= FEWEST_LEVELS:
        return guess._replace(step=guess.coefficients - first.coefficients)
    finer = [_line_through(*one, order) for one, order in zip(levels, FINER_ORDERS, strict=True)]
    lines = [first, *finer]
    steps = np.diff([line.slope for line in lines])
    passed = float(np.clip(steps[1] / steps[0], 0, MAX_PASSED)) if steps[0] < 0 else 0.0
    rest = (lines[-1].coefficients - lines[-2].coefficients) * passed / (1 - passed)
    return lines[-1]._replace(coefficients=lines[-1].coefficients + rest, step=rest)


def camera_noise(camera: Camera, transfer: PhotonTransfer) -> CameraNoise:
    """Return the noise of a known camera; one given by two numbers may turn out an EMCCD."""
    if camera.kind != "ideal" or not transfer.is_line:
        return stated_noise(camera)
    gain = camera.adu_per_photon
    ratio = transfer.slope / gain
    kind: Literal["shot", "multiplied"] = "multiplied" if 1.6 < ratio < 2.5 else "shot"
    read = max(camera.baseline - transfer.zero_adu, 0.0) / gain if abs(ratio - 1) < 0.2 else 0.0
    return CameraNoise(kind, 1.0, read)


def stated_noise(camera: Camera) -> CameraNoise:
    """Return the noise that a camera's own numbers say; of an ideal one that of light alone."""
    if camera.kind == "ideal":
        return CameraNoise("shot", 1.0, 0.0)
    if camera.kind == "additive":
        return CameraNoise("shot", 1.0, camera.gaussian_photons**2)
    multiplication = camera.em_gain if camera.kind == "emccd" else 1.0
    after_e2 = camera.read_noise_e**2 + camera.e_per_adu**2 * camera.rounding_adu2
    read = after_e2 / (camera.quantum_efficiency * multiplication) ** 2
    kind: Literal["shot", "multiplied"] = "multiplied" if camera.kind == "emccd" else "shot"
    return CameraNoise(kind, camera.quantum_efficiency, read)


def usual_offset(transfer: PhotonTransfer, step_adu: float = 1.0) -> tuple[float, float]:
    """Return offset and its error, ADU, for read noise as cameras have it.

    Read noise moves the zero of the line below the offset, by read variance / gain. Where the line
    allows 100 ADU, the usual setting, that is taken.

    Parameters
    ----------
    step_adu : between neighbouring numbers of the frames.
    """
    gain = transfer.slope
    reach = 3 * transfer.zero_error_adu + step_adu / 2
    low = transfer.zero_adu - reach
    high = transfer.zero_adu + MAX_READ_E**2 * gain + reach
    error = (high - low) / 4
    if low <= USUAL_OFFSET_ADU <= high:
        return USUAL_OFFSET_ADU, error
    return transfer.zero_adu + USUAL_READ_E**2 * gain, error


def _difference(order: int) -> Array:
    """Return the filter of an even order, which leaves the variance of noise as it is."""
    kernel = np.array([(-1) ** k * math.comb(order, k) for k in range(order + 1)], float)
    return np.asarray(kernel / math.sqrt((kernel**2).sum()))


def _levels(frames: Array, order: int, *, are_steps_noise: bool) -> tuple[Array, Array, Array]:
    """Return brightness, variance and number of values of levels."""
    from scipy import ndimage

    kernel, rim = _difference(order), order // 2

    def filtered(along: Array) -> Array:
        once = ndimage.correlate1d(frames, along, axis=1)
        twice = ndimage.correlate1d(once, along, axis=2)[:, rim:-rim, rim:-rim]
        return np.asarray(twice.ravel(), float)

    brightness, variance = filtered(kernel**2), filtered(kernel) ** 2
    some = slice(None, None, max(1, brightness.size // 200_000))
    if are_steps_noise:
        share = float((kernel**4).sum())
        edges = _edges_by_noise(brightness[some], variance[some], brightness.size, share)
    else:
        edges = np.quantile(brightness[some], np.linspace(0, 1, N_LEVELS + 1)[1:-1])
    place = np.searchsorted(edges, brightness)
    counts = np.maximum(np.bincount(place, minlength=len(edges) + 1), 1)
    means = [
        np.bincount(place, values, len(edges) + 1) / counts for values in (brightness, variance)
    ]
    return means[0], means[1], counts


def _edges_by_noise(brightness: Array, variance: Array, n_values: int, noise_share: float) -> Array:
    """Return edges between levels that are as far apart as noise reaches, and hold enough values.

    Parameters
    ----------
    brightness, variance : some of the values.
    n_values : all of them.
    noise_share : of brightness, a weighted mean of pixels, over that of one pixel.
    """
    order = np.argsort(brightness)
    sorted_brightness, sums = brightness[order], np.cumsum(variance[order])
    least = max(4, math.ceil(FEWEST_OF_LEVEL * len(order) / n_values))
    edges, first, faint = [], 0, len(order) // 20
    while first + 2 * least < len(order):
        last = max(first + least, faint)
        noise = noise_share * math.sqrt(max((sums[last] - sums[first]) / (last - first), 0.0))
        reach = sorted_brightness[faint if first == 0 else first] + NOISE_REACH * noise
        reach += NOISE_REACH * noise if first == 0 else 0.0
        stop = max(int(np.searchsorted(sorted_brightness, reach)), last)
        if stop + least >= len(order):
            break
        edges.append(float(sorted_brightness[stop]))
        first = stop
    return np.array(edges)


def _leak(brightness: Array, counts: Array, blinking: Blinking) -> Array:
    """Variance that molecules leave in the finest detail, mostly where it is brightest."""
    kernel = _difference(ORDER)
    lags = np.arange(-ORDER, ORDER + 1)
    passed = float(
        (np.correlate(kernel, kernel, "full") * autocorrelation(lags, blinking.sigma_px)).sum()
    )
    above = (brightness - brightness[0]) ** 2
    mean = float((above * counts).sum() / counts.sum())
    return np.asarray(blinking.power * passed**2 * above / max(mean, 1e-12))
