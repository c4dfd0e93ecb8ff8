"""Mismatch: whether data look like what a model was trained on, and in words what does not.

A few dozen frames are measured, without localizing, and held against the experiment in the
model's header. Only what is clearly outside is said: beyond the range by a margin, and by more
than the error.
"""

from __future__ import annotations

import logging
import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_deepsmlm.estimation.correlation import covariance_width, measure_blinking
from napari_deepsmlm.estimation.noise import photon_transfer
from napari_deepsmlm.estimation.sample import faint_levels, levelled, take_sample
from napari_deepsmlm.estimation.units import light_in_units, to_light
from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.psf import GaussianPSF

if TYPE_CHECKING:
    from napari_deepsmlm.camera import Camera
    from napari_deepsmlm.estimation.correlation import Blinking
    from napari_deepsmlm.estimation.light import Light
    from napari_deepsmlm.estimation.units import Units
    from napari_deepsmlm.io import FrameSource
    from napari_deepsmlm.psf import PSF

    Array = np.ndarray[Any, Any]

N_FRAMES, BLOCK_FRAMES = 60, 20
REGION_PX = 64
# Data are outside beyond these factors, besides the error.
SIGMA_FACTOR, BACKGROUND_FACTOR, DENSITY_FACTOR, PHOTONS_FACTOR = 1.25, 1.5, 1.15, 2.0
# A width that fits badly says less: of several depths, or of a structure that flickers as one.
MISFIT_SIGMA_FACTOR = 1.5
SIGMAS = 2.0
LARGEST_CHI2, LARGEST_PHOTONS_ERROR = 2.0, 0.2


class Trained(NamedTuple):
    """What a model was trained on, lengths in camera pixels; ranges are lowest and highest."""

    sigma_px: tuple[float, float]
    is_gaussian: bool
    background: tuple[float, float]
    photons: tuple[float, float]
    density_px: float
    """Most molecules per pixel and input frame."""


class Glance(NamedTuple):
    """What a few dozen frames tell, per camera frame."""

    blinking: Blinking
    light: Light | None
    """None if nothing is seen to blink."""
    units: Units
    faint: float
    """Light of the faintest pixels: no background is above."""
    mean: float
    power: float
    """Density per pixel x mean of squared light of a molecule."""


def mismatches(
    card: dict[str, Any],
    name: str,
    source: FrameSource,
    *,
    camera: Camera | None = None,
    sum_frames: int = 1,
) -> list[str]:
    """Return in words how frames differ from what a model was trained on; nothing if all is well.

    It never raises: a model or a stack that cannot be judged is not.

    Parameters
    ----------
    card : header of the model file.
    name : of the model, for the sentences.
    source : the frames to be reconstructed.
    camera : makes ADU photons; if not given, the noise says what it can.
    sum_frames : camera frames summed for each input of the network.
    """
    try:
        with np.errstate(all="ignore"):
            trained = trained_on(card)
            glance = None if trained is None else look(source, camera)
            if trained is None or glance is None:
                return []
            return list(compare(trained, glance, name, sum_frames))
    except Exception:
        logging.getLogger(__name__).debug("no comparison with the training", exc_info=True)
        return []


def trained_on(card: dict[str, Any]) -> Trained | None:
    """Return the ranges that the experiment in a model's header spans, None if it has none."""
    if "experiment" not in card:
        return None
    experiment = Experiment.from_dict(card["experiment"], source="card")
    simulation, psf = experiment.simulation, experiment.psf
    low, high = simulation.photons
    dimmer, brighter = simulation.brightness
    most_summed = simulation.sum_frames[1]
    return Trained(
        sigma_px=_widths(psf),
        is_gaussian=isinstance(psf, GaussianPSF),
        background=(simulation.background[0], simulation.background[1] * most_summed),
        photons=(low * dimmer, (high + 2 * simulation.photons_sd) * brighter),
        density_px=simulation.density_per_um2[1] * most_summed * psf.pixel_size_nm**2 / 1e6,
    )


def look(source: FrameSource, camera: Camera | None) -> Glance | None:
    """Measure a few dozen frames; None if there are fewer."""
    if source.n_frames < BLOCK_FRAMES:
        return None
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
    )


def compare(trained: Trained, glance: Glance, name: str, sum_frames: int = 1) -> list[str]:
    """Return a sentence for each quantity that is clearly outside."""
    found = [
        _on_width(trained, glance, name),
        _on_background(trained, glance, name, sum_frames),
        _on_density(trained, glance, name, sum_frames),
        _on_photons(trained, glance, name),
    ]
    return [sentence for sentence in found if sentence]


def _on_width(trained: Trained, glance: Glance, name: str) -> str:
    if glance.light is None:
        return ""
    sigma, error = glance.blinking.sigma_px, SIGMAS * glance.blinking.sigma_error_px
    low, high = trained.sigma_px
    factor = SIGMA_FACTOR if glance.blinking.is_gaussian else MISFIT_SIGMA_FACTOR
    if sigma - error <= high * factor and sigma + error >= low / factor:
        return ""
    return (
        f"Molecules are about {sigma:.2g} pixels wide (σ); {name} was trained on "
        f"{_range(low, high)}: expect missed, doubled and shifted molecules. Check the pixel "
        "size and the focus, or train a model for this width."
    )


def _on_background(trained: Trained, glance: Glance, name: str, sum_frames: int) -> str:
    if not glance.units.is_photons:
        return ""
    offset_error = SIGMAS * glance.units.offset_error_adu / glance.units.gain
    background, error = glance.faint, 0.0
    if glance.light is not None:
        background = min(glance.light.background, glance.faint)
        error = SIGMAS * glance.light.background_error
    least = background - error - offset_error
    low, high = trained.background
    if least * sum_frames <= high * BACKGROUND_FACTOR:
        return ""
    return (
        f"Background is about {background * sum_frames:.2g} photons per pixel; {name} was trained "
        f"on {_range(low, high)}: molecules may be missed or invented. Train a model for your "
        "data, or record with less stray light; check the camera's baseline too."
    )


def _on_density(trained: Trained, glance: Glance, name: str, sum_frames: int) -> str:
    """Compare the density that light and its variance give at any overlap.

    The variance of a PSF of several widths is not known well: the brightest molecules then give
    the least density.
    """
    if glance.light is None:
        return ""
    ground = max(min(glance.light.background, glance.faint), 0.0)
    if glance.units.is_photons and not _on_background(trained, glance, name, sum_frames):
        # Molecules may drown the background, but not one that is as trained.
        ground = min(ground, trained.background[1] / sum_frames)
    light, error = max(glance.mean - ground, 0.0), 0.0
    if trained.is_gaussian:
        density = light**2 / glance.power * sum_frames
        error = glance.blinking.power_error / glance.blinking.power
    else:
        density = light / trained.photons[1] * sum_frames if glance.units.is_photons else 0.0
    if density <= trained.density_px * (DENSITY_FACTOR + error):
        return ""
    return (
        f"About {100 * density:.2g} molecules shine in 10 x 10 pixels of an input frame; {name} "
        f"was trained on up to {100 * trained.density_px:.2g}: expect merged and missed ones. "
        "Sum fewer frames, record sparser ones, or train a model for this density."
    )


def _on_photons(trained: Trained, glance: Glance, name: str) -> str:
    light = glance.light
    if light is None:
        return ""
    is_sure = light.chi2 < LARGEST_CHI2 and light.photons_error < LARGEST_PHOTONS_ERROR
    if not (is_sure and glance.units.is_photons and trained.is_gaussian):
        return ""
    if not glance.blinking.is_gaussian:
        return ""
    low, high = trained.photons
    share = SIGMAS * math.hypot(light.photons_error, glance.units.gain_error)
    is_dim = light.photons * (1 + share) < low / PHOTONS_FACTOR
    is_bright = light.photons / (1 + share) > high * PHOTONS_FACTOR
    if not is_dim and not is_bright:
        return ""
    return (
        f"Molecules give about {light.photons:.2g} photons per frame; {name} was trained on "
        f"{_range(low, high)}: {'many will be missed' if is_dim else 'photons may be cut off'}. "
        "Check the camera's gain, or train a model for your data."
    )


@lru_cache
def _widths(psf: PSF) -> tuple[float, float]:
    """Return smallest and largest width, px; of a PSF with depth that of its covariances."""
    if isinstance(psf, GaussianPSF):
        return psf.sigma_nm[0] / psf.pixel_size_nm, psf.sigma_nm[1] / psf.pixel_size_nm
    import torch

    exact = getattr(psf, "psf", psf) if psf.n_planes == 1 else psf  # tables take long to make
    low, high = exact.depth_range_nm or (0.0, 0.0)
    z = torch.linspace(low, high, 5)
    side = 2 * exact.reach_px + 1
    centre = side / 2 * exact.pixel_size_nm
    xyz = torch.stack([torch.full_like(z, centre), torch.full_like(z, centre), z], dim=1)
    images = exact.render(xyz[:, None], torch.ones(len(z), 1), (side, side))[:, 0].numpy()
    widths = [covariance_width(image) for image in images]
    return min(widths), max(widths)


def _range(low: float, high: float) -> str:
    return f"{low:.2g}" if math.isclose(low, high) else f"{low:.3g} to {high:.3g}"
