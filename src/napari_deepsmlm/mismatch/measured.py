"""Measured: what a few dozen frames tell of the quantities that training spans.

They are measured without localizing, so a look takes a tenth of a second.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_deepsmlm.estimation.correlation import measure_blinking
from napari_deepsmlm.estimation.measure import LIGHT_SYSTEMATIC, SIGMA_SYSTEMATIC
from napari_deepsmlm.estimation.noise import photon_transfer
from napari_deepsmlm.estimation.sample import faint_levels, levelled, take_sample
from napari_deepsmlm.estimation.sentences import plus_minus
from napari_deepsmlm.estimation.units import light_in_units, to_light
from napari_deepsmlm.mismatch.snr import excess_of, gaussian_peak, signal_to_noise
from napari_deepsmlm.mismatch.table import QUANTITIES, SIGMAS, Measurement

if TYPE_CHECKING:
    from napari_deepsmlm.camera import Camera
    from napari_deepsmlm.estimation.correlation import Blinking
    from napari_deepsmlm.estimation.light import Light
    from napari_deepsmlm.estimation.units import Units
    from napari_deepsmlm.io import FrameSource
    from napari_deepsmlm.mismatch.trained import Trained

    Array = np.ndarray[Any, Any]

N_FRAMES, BLOCK_FRAMES = 60, 20
"""How many are looked at, and the fewest that tell anything."""
REGION_PX = 64
MAX_CHI2, MAX_ERROR = 2.0, 0.2
# Images of phase masks are seen 2.1 pixels wide and more, spots of the same pixels 1.0 to 1.3.
NARROWEST_MASK_PX = 1.7
# So much of the light of molecules of several widths may be taken for background.
DEPTH_LIGHT = 0.2

NO_CAMERA = "The camera is not known, so neither is whether it multiplies electrons."
GAIN_ONLY = "Offset and gain alone do not tell whether the camera multiplies electrons."
TWICE_THE_NOISE = (
    f"{GAIN_ONLY} The noise is about twice that of the light: either it does, or it has half the "
    "photons per ADU."
)
NOTHING_BLINKS = "Nothing is seen to blink like molecules in the frames that were looked at."
NO_PHOTONS = "The noise does not tell the camera's gain and offset: give the camera."
SEVERAL_WIDTHS = "Of a PSF of several widths the light of one molecule cannot be told."
UNEQUAL = "So many of equal brightness make this light and its flicker; of unequal ones it is more."
NO_SPOTS = "Images of this PSF are no spots, so they have no width to measure, nor density by it."
UNSURE = "Too dense, too dim or too few frames to tell the light of one molecule."


class Glance(NamedTuple):
    """What a few dozen frames tell, per camera frame."""

    blinking: Blinking
    light: Light | None
    """None if nothing is seen to blink."""
    units: Units
    faint: float
    """Light of the faintest pixels."""
    mean: float
    power: float
    """Density per pixel x mean of squared light of a molecule."""
    scope: tuple[str, ...]
    """How they were measured."""


def look(source: FrameSource, camera: Camera | None) -> Glance:
    """Measure a few dozen frames.

    Raises
    ------
    ValueError
        One sentence: too few, too small, without contrast, not finite.
    """
    n_frames = source.n_frames
    if n_frames < BLOCK_FRAMES:
        raise ValueError(
            f"{n_frames} frame{'s' if n_frames > 1 else ''} cannot tell what blinks: at least "
            f"{BLOCK_FRAMES} are needed."
        )
    sample = take_sample(source, most_values=N_FRAMES * REGION_PX**2, block_frames=BLOCK_FRAMES)
    flat = sample.frames.reshape(-1, *sample.shape)
    even = levelled(sample)
    blinking = measure_blinking(even.frames)
    transfer = photon_transfer(flat, blinking if blinking.is_seen else None)
    units, light = light_in_units(even, blinking, transfer, camera)
    frames = to_light(even, units)
    return Glance(
        blinking=blinking,
        light=light,
        units=units,
        faint=float(np.median(faint_levels(frames))),
        mean=float(frames.mean()),
        power=units.blinking(blinking).power,
        scope=(*sample.remarks, *_on_camera(units)),
    )


def measure(
    glance: Glance, trained: Trained | None, pixel_size_nm: float, sum_frames: int
) -> dict[str, Measurement]:
    """Return the quantities of an input frame, or why they cannot be told.

    Parameters
    ----------
    trained : helps where data of any kind would tell nothing.
    pixel_size_nm : camera pixel, nm.
    sum_frames : camera frames summed for each input.
    """
    width = _width(glance)
    background, photons = _background(glance), _photons(glance, trained)
    density = _density(glance, trained, background, sum_frames)
    if trained is not None and trained.is_engineered and not _are_spots(width):
        width = density = Measurement(None, remark=NO_SPOTS)
    return {
        "psf_sigma_px": width,
        "psf_sigma_nm": width.times(pixel_size_nm),
        "background": background.times(sum_frames),
        "photons": photons,
        "density_per_um2": density.times(1e6 / pixel_size_nm**2),
        "snr": _signal_to_noise(glance, photons, background, sum_frames),
    }


def em_noise(camera: Camera | None, glance: Glance | None) -> Measurement:
    """Return the excess noise of the data's camera, F², as far as the camera is known."""
    if camera is None:
        return Measurement(None, remark=NO_CAMERA)
    if camera.kind != "ideal":
        return Measurement(excess_of(camera))
    if glance is not None and glance.units.noise.kind == "multiplied":
        return Measurement(None, remark=TWICE_THE_NOISE)
    return Measurement(None, remark=GAIN_ONLY)


def _are_spots(width: Measurement) -> bool:
    """Whether images are so narrow that no mask can have made them."""
    return width.value is not None and width.value + SIGMAS * width.error < NARROWEST_MASK_PX


def _width(glance: Glance) -> Measurement:
    if glance.light is None:
        return Measurement(None, remark=NOTHING_BLINKS)
    sigma = glance.blinking.sigma_px
    return Measurement(sigma, math.hypot(glance.blinking.sigma_error_px, SIGMA_SYSTEMATIC * sigma))


def _background(glance: Glance) -> Measurement:
    """Return the background per camera frame.

    Light between molecules is theirs as well: of a PSF of several widths more of it than the
    fit of one width says.
    """
    light, units = glance.light, glance.units
    if not units.is_photons:
        return Measurement(None, remark=NO_PHOTONS)
    offset_error = units.offset_error_adu / units.gain
    if light is None:
        half = (glance.mean - glance.faint) / 2
        return Measurement(glance.faint + half, math.hypot(half / SIGMAS, offset_error))
    if glance.blinking.is_gaussian and light.chi2 < MAX_CHI2:
        background, mixed = light.background, 0.0
    else:
        background = min(light.background, glance.faint)
        mixed = DEPTH_LIGHT * max(glance.mean - background, 0.0)
    share = math.hypot(LIGHT_SYSTEMATIC, units.gain_error) * background
    error = math.hypot(light.background_error, mixed, share, offset_error)
    return Measurement(max(background, 0.0), error)


def _photons(glance: Glance, trained: Trained | None) -> Measurement:
    """Return the photons of a molecule in a camera frame."""
    light, units = glance.light, glance.units
    if light is None:
        return Measurement(None, remark=NOTHING_BLINKS)
    if not units.is_photons:
        return Measurement(None, remark=NO_PHOTONS)
    if not _has_one_width(glance, trained):
        return Measurement(None, remark=SEVERAL_WIDTHS)
    if light.chi2 >= MAX_CHI2 or light.photons_error >= MAX_ERROR:
        return Measurement(None, remark=UNSURE)
    share = math.hypot(light.photons_error, LIGHT_SYSTEMATIC, units.gain_error)
    return Measurement(light.photons, share * light.photons)


def _density(
    glance: Glance, trained: Trained | None, background: Measurement, sum_frames: int
) -> Measurement:
    """Return the molecules per pixel of an input frame.

    Where the fit of light is not sure, light and its variance tell at any overlap what there is
    at least. The variance of a PSF of several widths is not known well: there the brightest
    molecules give the least density.
    """
    light = glance.light
    if light is None:
        return Measurement(None, remark=NOTHING_BLINKS)
    is_sure = light.chi2 < MAX_CHI2 and light.density_error < MAX_ERROR
    if is_sure and _has_one_width(glance, trained):
        share = math.hypot(light.density_error, LIGHT_SYSTEMATIC)
        return Measurement(light.density_px, share * light.density_px).times(sum_frames)
    ground = max(min(light.background, glance.faint), 0.0)
    if trained is not None and glance.units.is_photons:
        factor = QUANTITIES["background"].factor
        if background.times(sum_frames).beyond(trained.background, factor) < 1:
            # Molecules may drown the background, but not one that is as trained.
            ground = min(ground, trained.background[1] / sum_frames)
    above = max(glance.mean - ground, 1e-12)
    if trained is None or trained.is_gaussian:
        least = above**2 / glance.power
        doubt = max(background.error, light.background_error) / above
        error = math.hypot(glance.blinking.power_error / glance.blinking.power, 2 * doubt) * least
        return Measurement(least, error, UNEQUAL, is_least=True).times(sum_frames)
    if not glance.units.is_photons:
        return Measurement(None, remark=NO_PHOTONS)
    least = above / trained.photons[1]
    return Measurement(least, remark=SEVERAL_WIDTHS, is_least=True).times(sum_frames)


def _signal_to_noise(
    glance: Glance, photons: Measurement, background: Measurement, sum_frames: int
) -> Measurement:
    if photons.value is None or background.value is None:
        return Measurement(None, remark=photons.remark or background.remark)
    peak, noise = gaussian_peak(glance.blinking.sigma_px), glance.units.noise
    values = [
        signal_to_noise(light, ground, peak, noise, sum_frames)
        for light, ground in (
            (photons.value, background.value),
            (photons.value + photons.error, background.value),
            (photons.value, background.value + background.error),
        )
    ]
    error = math.hypot(values[1] - values[0], values[2] - values[0])
    return Measurement(values[0], error)


def _has_one_width(glance: Glance, trained: Trained | None) -> bool:
    return glance.blinking.is_gaussian and (trained is None or trained.is_gaussian)


def _on_camera(units: Units) -> list[str]:
    if units.is_given or not units.is_photons:
        return []
    gain = plus_minus(units.gain, units.gain_error * units.gain)
    offset = plus_minus(units.offset_adu or 0.0, units.offset_error_adu)
    return [f"Camera from its noise: {gain} ADU per photon, offset {offset} ADU."]
