"""estimate(): from raw frames to what an experiment is made of."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_deepsmlm.camera import IdealCamera, find_camera
from napari_deepsmlm.estimation.correlation import measure_blinking
from napari_deepsmlm.estimation.drift import measure_drift
from napari_deepsmlm.estimation.noise import photon_transfer
from napari_deepsmlm.estimation.result import Estimate
from napari_deepsmlm.estimation.sample import levelled, take_sample
from napari_deepsmlm.estimation.sentences import describe
from napari_deepsmlm.estimation.spots import width_range
from napari_deepsmlm.estimation.units import light_in_units, to_light
from napari_deepsmlm.io import open_frames

if TYPE_CHECKING:
    from napari_deepsmlm.camera import Camera
    from napari_deepsmlm.estimation.correlation import Blinking
    from napari_deepsmlm.estimation.light import Light
    from napari_deepsmlm.estimation.sample import Sample
    from napari_deepsmlm.estimation.units import Units
    from napari_deepsmlm.io import FrameSource

    Array = np.ndarray[Any, Any]

# Relative errors that more frames do not reduce: of the width, as PSFs are not quite Gaussian; of
# light, as gains are not exact either. They are added to the errors by chance in quadrature.
SIGMA_SYSTEMATIC, LIGHT_SYSTEMATIC = 0.01, 0.03
# Photons and density are left out if the relative error of either is larger.
MAX_ERROR = 0.25
# Share of the light of molecules that may be counted as background, or the other way round.
LIGHT_LEFT = 0.01
# The background is stated if its error is below this share of it, or below this many photons;
# else only how high it may be is stated.
MAX_BACKGROUND_ERROR, MAX_DARK_ERROR = 0.15, 0.5
# A worse fit (chi squared per degree of freedom) means that the PSF or the blinking is not as
# assumed.
MAX_CHI2 = 4.0
PERCENTILES = (10, 50, 90)


def estimate(
    frames: FrameSource | Array | str | Path | Any,
    *,
    pixel_size_nm: float | None = None,
    camera: Camera | str | Path | None = None,
) -> Estimate:
    """Return camera offset and gain, background, PSF width, photons, density and drift of a movie.

    Nothing is localized: widths come from the covariance of pixels over time, light and density
    from the distribution of pixel values, at any density. Of a long or large movie a part is
    looked at, spread over time.

    Parameters
    ----------
    frames : raw frames in ADU, anything `open_frames` takes; of several planes the first.
    pixel_size_nm : camera pixel; from the file if not given. Without, lengths stay unknown.
    camera : makes ADU photons, also by the name of a preset or a file; "none" takes the numbers as
        photons. If not given, or "auto", gain and offset are read from the noise as far as that
        goes.

    Raises
    ------
    ValueError, OSError
        One sentence: frames that cannot be read, too few or too small ones, no contrast.

    Examples
    --------
    >>> import napari_deepsmlm as ds
    >>> experiment = ds.Experiment(image_px=(48, 48))
    >>> found = ds.estimate(experiment.simulate(150, seed=1).stack, pixel_size_nm=100)
    >>> 100 < found.psf_sigma_nm < 120
    True
    """
    source = open_frames(frames, pixel_size_nm=pixel_size_nm)
    sample = take_sample(source)
    flat = sample.frames.reshape(-1, *sample.shape)
    sample = levelled(sample)
    blinking = measure_blinking(sample.frames)
    transfer = photon_transfer(flat, blinking if blinking.is_seen else None)
    units, light = light_in_units(sample, blinking, transfer, _named(camera))
    found = _values(source, sample, blinking, units, light)
    drift = measure_drift(sample.frames)
    if drift.is_seen and source.pixel_size_nm is not None:
        x, y = (source.pixel_size_nm * value for value in drift.xy_px)
        found |= {"drift_nm": math.hypot(x, y), "drift_xy_nm": (x, y)}
        found["errors"]["drift_nm"] = drift.error_px * source.pixel_size_nm
    result = Estimate(**found)
    sentences = describe(result, sample, blinking, transfer, units, light, drift)
    return result.replace(sentences=sentences)


def _named(camera: Camera | str | Path | None) -> Camera | None:
    """Return the camera of that name; None if it is not known."""
    if not isinstance(camera, str | Path):
        return camera
    if camera == "none":
        return IdealCamera(baseline=0.0)
    return None if camera == "auto" else find_camera(camera)


def _values(
    source: FrameSource, sample: Sample, blinking: Blinking, units: Units, light: Light | None
) -> dict[str, Any]:
    """Return the fields of an Estimate, as far as they can be told."""
    errors: dict[str, float] = {}
    found: dict[str, Any] = {
        "pixel_size_nm": source.pixel_size_nm,
        "image_px": source.shape[2:],
        "n_frames": sample.n_frames,
        "unit": "photons" if units.is_photons else "ADU",
        "camera": units.simulated_camera,
        "errors": errors,
    }
    if units.is_photons:
        found |= {"offset_adu": units.offset_adu, "gain": units.gain}
        if not units.is_given:
            errors |= {"offset_adu": units.offset_error_adu, "gain": units.gain_error * units.gain}
    if light is not None:
        _add_width(found, errors, blinking)
        if source.pixel_size_nm is not None:
            per_um2 = 1e6 / source.pixel_size_nm**2
            found["light_per_um2"] = light.photons * light.density_px * per_um2
    _add_background(found, errors, sample, units, light)
    if light is not None and blinking.is_gaussian and light.chi2 < MAX_CHI2:
        _add_molecules(found, errors, sample, units, light)
        _add_width_range(found, sample, blinking, units, light)
    return found


def _add_width(found: dict[str, Any], errors: dict[str, float], blinking: Blinking) -> None:
    error = math.hypot(blinking.sigma_error_px, SIGMA_SYSTEMATIC * blinking.sigma_px)
    found |= {"psf_sigma_px": blinking.sigma_px, "memory": blinking.memory}
    errors["psf_sigma_px"] = error
    pixel_nm = found["pixel_size_nm"]
    if pixel_nm is not None:
        found["psf_sigma_nm"] = blinking.sigma_px * pixel_nm
        errors["psf_sigma_nm"] = error * pixel_nm


def _add_width_range(
    found: dict[str, Any], sample: Sample, blinking: Blinking, units: Units, light: Light
) -> None:
    pixel_nm, noise = found["pixel_size_nm"], units.noise
    if pixel_nm is None or not units.is_photons:
        return
    excess = noise.excess / noise.quantum_efficiency
    frames = to_light(sample, units)
    widths = width_range(frames, blinking.sigma_px, light.background, noise.read_variance, excess)
    if widths is not None:
        found["psf_sigma_range_nm"] = widths[0] * pixel_nm, widths[1] * pixel_nm


def _add_background(
    found: dict[str, Any],
    errors: dict[str, float],
    sample: Sample,
    units: Units,
    light: Light | None,
) -> None:
    """Add the background, or only how high it may be if molecules leave no dark moments."""
    if units.offset_adu is None:
        return
    if light is None:
        background, error = float(to_light(sample, units).mean()), 0.0
    else:
        background, error = light.background, light.background_error
        error = math.hypot(error, LIGHT_LEFT * light.photons * light.density_px)
    is_told = error <= max(MAX_BACKGROUND_ERROR * background, MAX_DARK_ERROR)
    shares = math.hypot(LIGHT_SYSTEMATIC, units.gain_error) * background
    error = math.hypot(error, shares, units.offset_error_adu / units.gain)
    found["background_at_most"] = background + 2 * error
    if is_told:
        found["background"], errors["background"] = background, error


def _add_molecules(
    found: dict[str, Any], errors: dict[str, float], sample: Sample, units: Units, light: Light
) -> None:
    """Add photons and density if both are known well enough."""
    photons_error = math.hypot(light.photons_error, LIGHT_SYSTEMATIC)
    density_error = math.hypot(light.density_error, LIGHT_SYSTEMATIC)
    if max(photons_error, density_error) > MAX_ERROR:
        return
    gain_error = units.gain_error if units.is_photons else 0.0
    found["photons"] = light.photons
    found["photons_percentiles"] = _photon_percentiles(light)
    errors["photons"] = math.hypot(photons_error, gain_error) * light.photons
    if found["pixel_size_nm"] is not None:
        per_um2 = 1e6 / found["pixel_size_nm"] ** 2
        found["density_per_um2"] = light.density_px * per_um2
        errors["density_per_um2"] = density_error * light.density_px * per_um2
        levels = _density_percentiles(to_light(sample, units), light)
        found["density_percentiles"] = {k: v * per_um2 for k, v in levels.items()}


def _photon_percentiles(light: Light) -> dict[int, float]:
    """Percentiles of a Gamma distribution of this mean and spread."""
    from scipy.stats import gamma

    spread2 = max(light.spread**2, 1e-4)
    values = gamma.ppf(np.array(PERCENTILES) / 100, 1 / spread2, scale=light.photons * spread2)
    return dict(zip(PERCENTILES, values.tolist(), strict=True))


def _density_percentiles(frames: Array, light: Light) -> dict[int, float]:
    """Percentiles over frames of the light above the background, in molecules per pixel."""
    above = frames.mean(axis=(2, 3)).ravel() - light.background
    values = np.percentile(np.maximum(above / light.photons, 0), PERCENTILES)
    return dict(zip(PERCENTILES, values.tolist(), strict=True))
