"""Cameras: photons on pixels to ADU in a file, and back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Annotated, Literal

import torch
from pydantic import Field

from napari_deepsmlm._base import FrozenModel

if TYPE_CHECKING:
    from torch import Tensor


class _Camera(FrozenModel, ABC):
    baseline: float = Field(100.0, ge=0, description="Offset that the camera adds, ADU.")
    bits: int = Field(16, ge=8, le=16, description="Bits of the analogue-digital converter.")

    @property
    @abstractmethod
    def adu_per_photon(self) -> float:
        """Mean ADU above the baseline for one photon."""

    @abstractmethod
    def expose(self, photons: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return one noisy exposure, ADU as whole float numbers in [0, 2^bits - 1].

        Parameters
        ----------
        photons : (...) expected photons per pixel.
        generator : source of the noise, on the device of `photons`.
        """

    def to_photons(self, adu: Tensor) -> Tensor:
        """Return the photons whose mean signal is `adu`; negative below the baseline."""
        return (adu - self.baseline) / self.adu_per_photon

    def _digitize(self, adu: Tensor) -> Tensor:
        return torch.floor(adu + self.baseline).clamp_(0, 2**self.bits - 1)


class IdealCamera(_Camera):
    """Shot noise only: every photon is one electron, so many ADU each."""

    kind: Literal["ideal"] = "ideal"
    gain: float = Field(1.0, gt=0, description="ADU per photon.")

    @property
    def adu_per_photon(self) -> float:
        """The gain."""
        return self.gain

    def expose(self, photons: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return Poisson counts times the gain."""
        return self._digitize(torch.poisson(photons, generator=generator) * self.gain)


class SCMOS(_Camera):
    """Scientific CMOS: shot noise, Gaussian read noise, no multiplication."""

    kind: Literal["scmos"] = "scmos"
    quantum_efficiency: float = Field(0.95, gt=0, le=1, description="Electrons per photon.")
    read_noise_e: float = Field(1.535, ge=0, description="Read noise, electrons RMS.")
    e_per_adu: float = Field(0.7471, gt=0, description="Electrons per ADU.")

    @property
    def adu_per_photon(self) -> float:
        """Quantum efficiency over electrons per ADU."""
        return self.quantum_efficiency / self.e_per_adu

    def expose(self, photons: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return shot and read noise, digitized."""
        electrons = torch.poisson(photons * self.quantum_efficiency, generator=generator)
        electrons = _add_normal(electrons, self.read_noise_e, generator)
        return self._digitize(electrons / self.e_per_adu)


class EMCCD(_Camera):
    """Electron multiplying CCD: the register's random gain doubles the variance.

    Gamma-distributed gain after Hirsch et al. 2013, doi:10.1371/journal.pone.0053671; defaults
    are those of the SMLM Challenge 2016.
    """

    kind: Literal["emccd"] = "emccd"
    quantum_efficiency: float = Field(0.9, gt=0, le=1, description="Electrons per photon.")
    em_gain: float = Field(300.0, ge=1, description="Mean multiplication in the register.")
    read_noise_e: float = Field(74.4, ge=0, description="Read noise after the gain, electrons RMS.")
    spurious_e: float = Field(0.002, ge=0, description="Clock-induced charge, electrons per pixel.")
    e_per_adu: float = Field(45.0, gt=0, description="Electrons per ADU, after the gain.")

    @property
    def adu_per_photon(self) -> float:
        """Quantum efficiency times EM gain over electrons per ADU."""
        return self.quantum_efficiency * self.em_gain / self.e_per_adu

    def expose(self, photons: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return shot noise, register noise and read noise, digitized."""
        mean = photons * self.quantum_efficiency + self.spurious_e
        electrons = torch.poisson(mean, generator=generator)
        # A Gamma variable of shape 0 is 0: pixels without electrons stay empty.
        amplified = torch._standard_gamma(electrons.clamp(min=1), generator=generator)
        amplified = amplified * (electrons > 0) * self.em_gain
        amplified = _add_normal(amplified, self.read_noise_e, generator)
        return self._digitize(amplified / self.e_per_adu)

    def to_photons(self, adu: Tensor) -> Tensor:
        """Return photons, the spurious charge taken off."""
        return super().to_photons(adu) - self.spurious_e / self.quantum_efficiency


Camera = Annotated[IdealCamera | SCMOS | EMCCD, Field(discriminator="kind")]


def _add_normal(electrons: Tensor, sigma: float, generator: torch.Generator | None) -> Tensor:
    if sigma == 0:
        return electrons
    noise = torch.empty_like(electrons).normal_(0.0, sigma, generator=generator)
    return electrons + noise
