"""Units: from ADU to photons, by the camera as it is known or as its noise shows it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from napari_deepsmlm.camera import EMCCD, SCMOS
from napari_deepsmlm.estimation.light import Light, measure_light
from napari_deepsmlm.estimation.noise import (
    USUAL_READ_E,
    CameraNoise,
    PhotonTransfer,
    camera_noise,
    usual_offset,
)

if TYPE_CHECKING:
    from napari_deepsmlm.camera import Camera
    from napari_deepsmlm.estimation.correlation import Blinking
    from napari_deepsmlm.estimation.sample import Sample

    Array = np.ndarray[Any, Any]

MeasuredKind = Literal["shot", "multiplied"]
# Widths for which light is measured: a narrower or wider covariance is not that of molecules.
LEAST_SIGMA_PX, MAX_SIGMA_PX = 0.45, 6.0
# A camera without electron multiplication is ruled out if its fit has a chi squared (per degree of
# freedom) this much larger than with multiplication, or if its gain would be above MAX_GAIN ADU per
# electron, which no such camera has.
DECISIVE = 4.0
MAX_GAIN = 8.0
# Relative error of a gain from noise that more frames do not reduce, by kind of camera.
GAIN_SYSTEMATIC = {"shot": 0.03, "multiplied": 0.08}


class Units(NamedTuple):
    """What turns ADU into light, and how sure that is."""

    camera: Camera | None
    noise: CameraNoise
    offset_adu: float | None
    gain: float
    """ADU per unit of light."""
    offset_error_adu: float
    gain_error: float
    """As a share."""
    is_photons: bool
    is_given: bool

    @property
    def simulated_camera(self) -> Camera | None:
        """The camera to train with: of two given numbers may come an EMCCD."""
        camera = self.camera
        if camera is not None and camera.kind == "ideal" and self.noise.kind == "multiplied":
            return emccd_of(self.gain, camera.baseline).replace(step_adu=camera.step_adu)
        return camera

    def blinking(self, measured: Blinking) -> Blinking:
        """Return what was measured in ADU, its power in units of light."""
        scale = self.gain**2
        return measured._replace(
            power=measured.power / scale, power_error=measured.power_error / scale
        )


def light_in_units(
    sample: Sample, blinking: Blinking, transfer: PhotonTransfer, camera: Camera | None
) -> tuple[Units, Light | None]:
    """Return units and what light tells in them; of two kinds of camera the likelier.

    Parameters
    ----------
    sample : frames, levelled.
    blinking : of these frames, ADU.
    transfer : variance against brightness of the frames as they were.
    camera : if known.
    """
    if camera is not None:
        choices = [_given(camera, transfer)]
    elif transfer.is_line and sample.is_raw:
        kinds: tuple[MeasuredKind, ...] = ("shot", "multiplied")
        choices = [_measured(transfer, kind, sample.step_adu) for kind in kinds]
    else:
        choices = [_unknown(sample, transfer)]
    if not blinking.is_seen or not LEAST_SIGMA_PX < blinking.sigma_px < MAX_SIGMA_PX:
        return choices[0], None
    lights = [_measured_in(sample, blinking, units) for units in choices]
    is_multiplied = len(choices) == 2 and (
        transfer.slope > MAX_GAIN or lights[1].chi2 + DECISIVE < lights[0].chi2
    )
    return (choices[1], lights[1]) if is_multiplied else (choices[0], lights[0])


def _measured_in(sample: Sample, blinking: Blinking, units: Units) -> Light:
    return measure_light(to_light(sample, units), units.blinking(blinking), units.noise)


def to_light(sample: Sample, units: Units) -> Array:
    """Return (B, T, H, W) light, offset removed, the half step of rounding down put back."""
    maps = getattr(units.camera, "maps", None)
    if maps is None:
        # Whole numbers of an ideal camera lose nothing.
        is_whole = units.camera is None or units.camera.kind == "ideal"
        half = 0.0 if is_whole else sample.step_adu / 2
        offset = units.offset_adu or 0.0
        return np.asarray((sample.frames - np.float32(offset - half)) / np.float32(units.gain))
    import torch

    assert units.camera is not None  # noqa: S101 - it has maps
    flat = torch.from_numpy(sample.frames.reshape(-1, 1, *sample.shape)) + sample.step_adu / 2
    place = torch.tensor([sample.origin_px])
    photons = units.camera.to_photons(flat, origin_px=place)
    return photons.reshape(sample.frames.shape).numpy()


def emccd_of(gain: float, offset_adu: float) -> EMCCD:
    """Return an EMCCD of so many ADU per detected photon.

    Only em_gain / e_per_adu can be measured, so em_gain is set to 300, a usual value; read noise is
    negligible after multiplication.
    """
    return EMCCD(
        quantum_efficiency=1.0,
        em_gain=300.0,
        e_per_adu=300.0 / gain,
        read_noise_e=0.0,
        spurious_e=0.0,
        baseline=max(offset_adu, 0.0),
    )


def _given(camera: Camera, transfer: PhotonTransfer) -> Units:
    noise = camera_noise(camera, transfer)
    return Units(
        camera=camera,
        noise=noise,
        offset_adu=camera.baseline,
        gain=camera.adu_per_photon,
        offset_error_adu=0.0,
        gain_error=0.0,
        is_photons=True,
        is_given=True,
    )


def _measured(transfer: PhotonTransfer, kind: MeasuredKind, step_adu: float) -> Units:
    """Units of a camera whose noise shows its gain: detected photons."""
    error = math.hypot(transfer.slope_error / transfer.slope, GAIN_SYSTEMATIC[kind])
    if kind == "multiplied":
        gain, offset = transfer.slope / 2, transfer.zero_adu
        camera: Camera = emccd_of(gain, offset).replace(step_adu=step_adu)
        return Units(
            camera,
            CameraNoise(kind, 1.0, 0.0),
            offset,
            gain,
            transfer.zero_error_adu,
            error,
            is_photons=True,
            is_given=False,
        )
    offset, offset_error = usual_offset(transfer, step_adu)
    gain = transfer.slope
    camera = SCMOS(
        quantum_efficiency=1.0,
        e_per_adu=1 / gain,
        read_noise_e=USUAL_READ_E,
        baseline=max(offset, 0.0),
        step_adu=step_adu,
    )
    read_variance = max((offset - transfer.zero_adu) / gain, 0.0)
    return Units(
        camera,
        CameraNoise(kind, 1.0, read_variance),
        offset,
        gain,
        offset_error,
        error,
        is_photons=True,
        is_given=False,
    )


def _unknown(sample: Sample, transfer: PhotonTransfer) -> Units:
    noise = CameraNoise("normal", 1.0, max(transfer.mean_variance, 1e-12))
    return Units(None, noise, None, 1.0, math.inf, math.inf, is_photons=False, is_given=False)
