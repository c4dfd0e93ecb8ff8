"""Signal to noise of a molecule: its light in the brightest pixel over the noise of that pixel."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from napari_deepsmlm.estimation.noise import stated_noise

if TYPE_CHECKING:
    from napari_deepsmlm.camera import Camera
    from napari_deepsmlm.estimation.noise import CameraNoise


def signal_to_noise(
    photons: float, background: float, peak: float, noise: CameraNoise, sum_frames: int = 1
) -> float:
    """Return how far a molecule's brightest pixel stands out, in standard deviations of its noise.

    Shot noise of molecule and background, multiplied in an EMCCD, and read noise (Thompson et al.
    2002, doi:10.1016/S0006-3495(02)75618-X).

    Parameters
    ----------
    photons : of the molecule.
    background : photons per pixel and camera frame.
    peak : share of the photons in the brightest pixel.
    noise : of the camera.
    sum_frames : camera frames that are summed; the molecule shines in one of them.
    """
    signal = photons * peak
    light = max(signal + sum_frames * background, 0.0)
    variance = noise.excess / noise.quantum_efficiency * light + sum_frames * noise.read_variance
    return signal / math.sqrt(max(variance, 1e-12))


def excess_of(camera: Camera) -> float:
    """Return the variance of a camera's light over that of its photons (excess noise factor, F²).

    It is 1, and 2 where electrons are multiplied (Robbins and Hadwen 2003,
    doi:10.1109/TED.2003.813462).
    """
    if camera.kind == "emccd" and camera.em_gain <= 1:
        return 1.0
    return stated_noise(camera).excess


def gaussian_peak(sigma_px: float) -> float:
    """Return the share of light in the pixel under the middle of a Gaussian.

    Examples
    --------
    >>> round(gaussian_peak(1.0), 3)
    0.147
    """
    return math.erf(0.5 / (math.sqrt(2) * sigma_px)) ** 2
