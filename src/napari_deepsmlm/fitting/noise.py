"""Noise: the variance of a pixel as a line over its photons, which every camera has."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from napari_deepsmlm.camera import Camera


class Noise(NamedTuple):
    """Variance = `per_photon` · photons + `constant`, in photons squared.

    Shot noise alone is 1 and 0. A quantum efficiency QE makes it 1 / QE per photon, the random
    gain of an EMCCD 2 / QE; read noise is the constant, one for all pixels or one for each.
    """

    per_photon: float = 1.0
    constant: float | Tensor = 0.0
    """A number or (H, W)."""

    @classmethod
    def of(cls, camera: Camera | None, shape: tuple[int, int]) -> Noise:
        """Return the noise of frames of (H, W) pixels; shot noise only without a camera.

        Examples
        --------
        >>> from napari_deepsmlm.camera import SCMOS
        >>> camera = SCMOS(quantum_efficiency=0.5, read_noise_e=0)
        >>> round(Noise.of(camera, (8, 8)).per_photon, 6)
        2.0
        """
        if camera is None:
            return cls()
        dark = torch.zeros(shape, dtype=torch.float64)
        constant = camera.variance(dark)
        one = camera.variance(dark + 1)
        slope = float((one - constant).mean())
        if slope == 0:  # noise that light does not raise is taken for that of its background
            slope, constant = 1.0, camera.to_equivalent(dark)
        return cls(slope, constant)

    def variance(self, photons: Tensor) -> Tensor:
        """Return the variance of (..., H, W) photons; below zero they count as none."""
        constant = self.constant
        if isinstance(constant, torch.Tensor):
            constant = constant.to(photons)
        return self.per_photon * photons.clamp(min=0) + constant

    def shift(self, like: Tensor) -> Tensor:
        """Return the photons whose shot noise is `constant`: (1,) or (H, W), as `like`."""
        return torch.as_tensor(self.constant / self.per_photon).to(like)
