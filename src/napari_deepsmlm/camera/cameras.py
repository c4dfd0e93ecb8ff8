"""Camera models: shot noise, electron multiplication, read noise and digitization."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch
from pydantic import BeforeValidator, Field

from napari_deepsmlm.camera.base import CameraBase, per_image
from napari_deepsmlm.camera.maps import Pixels, SensorMaps

if TYPE_CHECKING:
    from torch import Tensor


class IdealCamera(CameraBase):
    """Shot noise only: every photon is one electron, so many ADU each."""

    kind: Literal["ideal"] = "ideal"
    gain: float = Field(1.0, gt=0, description="ADU per photon.")

    @property
    def adu_per_photon(self) -> float:
        """The gain."""
        return self.gain

    def expose(
        self,
        photons: Tensor,
        generator: torch.Generator | None = None,
        *,
        origin_px: Tensor | None = None,
        n_frames: Tensor | None = None,
    ) -> Tensor:
        """Return Poisson counts times the gain."""
        counts = torch.poisson(photons.clamp(min=0), generator=generator)
        frames = per_image(n_frames)
        return self.digitize(counts * self.gain, self.baseline * frames, frames)

    def to_photons(
        self,
        adu: Tensor,
        *,
        origin_px: Tensor | None = None,
        n_frames: Tensor | None = None,
    ) -> Tensor:
        """Return ADU above the baseline over the gain."""
        return (adu - self.baseline * per_image(n_frames)) / self.gain

    def variance(self, photons: Tensor, *, origin_px: Tensor | None = None) -> Tensor:
        """Return the photons themselves: Poisson."""
        return photons

    @property
    def variance_per_photon(self) -> float:
        """Poisson: 1."""
        return 1.0


class _Sensor(CameraBase):
    """What EMCCD and sCMOS share: electrons, read noise, maps."""

    quantum_efficiency: float = Field(0.9, gt=0, le=1, description="Electrons per photon.")
    read_noise_e: float = Field(0.0, ge=0, description="Read noise, electrons RMS.")
    spurious_e: float = Field(0.0, ge=0, description="Clock-induced charge, electrons per pixel.")
    e_per_adu: float = Field(1.0, gt=0, description="Electrons per ADU.")
    maps: SensorMaps | None = Field(
        None, description="Gain, offset and variance of every pixel, where they are known."
    )

    @property
    def _has_maps(self) -> bool:
        return self.maps is not None

    @property
    @abstractmethod
    def _multiplication(self) -> float:
        """Mean electrons read out per electron collected."""

    @property
    @abstractmethod
    def _excess(self) -> float:
        """Variance of the signal after multiplication over that without noise in it."""

    @property
    def adu_per_photon(self) -> float:
        """Quantum efficiency times multiplication over electrons per ADU."""
        return self.quantum_efficiency * self._multiplication / self.e_per_adu

    @property
    def variance_per_photon(self) -> float:
        """Excess noise over quantum efficiency."""
        return self._excess / self.quantum_efficiency

    def draw_origin_px(
        self, n: int, shape: tuple[int, int], generator: torch.Generator
    ) -> Tensor | None:
        """Return (n, 2) places on the mapped sensor, None without maps."""
        return None if self.maps is None else self.maps.draw_origin_px(n, shape, generator)

    def to_photons(
        self,
        adu: Tensor,
        *,
        origin_px: Tensor | None = None,
        n_frames: Tensor | None = None,
    ) -> Tensor:
        """Return photons, the spurious charge taken off."""
        pixels = self._pixels(adu, origin_px)
        electrons_per_photon = self.quantum_efficiency * self._multiplication
        frames = per_image(n_frames)
        photons = (adu - pixels.baseline * frames) / (electrons_per_photon / pixels.e_per_adu)
        if self.spurious_e == 0:
            return photons
        return photons - frames * self.spurious_e / self.quantum_efficiency

    def variance(self, photons: Tensor, *, origin_px: Tensor | None = None) -> Tensor:
        """Return (excess · λ + (σ² + (e per step)² / 12) / G²) / QE², λ the mean of electrons."""
        pixels = self._pixels(photons, origin_px)
        mean_e = self.quantum_efficiency * photons + self.spurious_e
        after_e2 = pixels.read_noise_e**2 + pixels.e_per_adu**2 * self.rounding_adu2
        electrons = self._excess * mean_e + after_e2 / self._multiplication**2
        return electrons / self.quantum_efficiency**2

    def _pixels(self, frames: Tensor, origin_px: Tensor | None) -> Pixels:
        if self.maps is None:
            return Pixels(self.e_per_adu, self.baseline, self.read_noise_e, self.step_adu)
        if frames.ndim < 2:
            raise ValueError(f"A camera with maps needs (..., H, W) frames, got {frames.shape}.")
        shape = (frames.shape[-2], frames.shape[-1])
        maps = self.maps.crop(shape, frames.device, origin_px)
        e_per_adu = 1 / maps["gain"] if "gain" in maps else self.e_per_adu
        read_noise_e: float | Tensor = self.read_noise_e
        if "variance" in maps:
            read_noise_e = maps["variance"].sqrt() * e_per_adu
        baseline = maps.get("offset", self.baseline)
        return Pixels(e_per_adu, baseline, read_noise_e, self.step_adu)

    def _collect(
        self, photons: Tensor, generator: torch.Generator | None, n_frames: Tensor | None
    ) -> Tensor:
        mean = (photons * self.quantum_efficiency).clamp_(min=0)
        if self.spurious_e > 0:
            mean += self.spurious_e * per_image(n_frames)
        return torch.poisson(mean, generator=generator)

    def _read(
        self,
        electrons: Tensor,
        generator: torch.Generator | None,
        origin_px: Tensor | None,
        n_frames: Tensor | None,
    ) -> Tensor:
        frames = per_image(n_frames)
        pixels = self._pixels(electrons, origin_px).summed(frames)
        if isinstance(pixels.read_noise_e, float):
            if pixels.read_noise_e > 0:
                noise = torch.empty_like(electrons)
                electrons += noise.normal_(0.0, pixels.read_noise_e, generator=generator)
        else:
            noise = torch.empty_like(electrons).normal_(generator=generator)
            electrons += noise * pixels.read_noise_e
        return self.digitize(electrons.div_(pixels.e_per_adu), pixels.baseline, frames)


class SCMOS(_Sensor):
    """Scientific CMOS: shot noise, Gaussian read noise, no multiplication."""

    kind: Literal["scmos"] = "scmos"
    quantum_efficiency: float = Field(0.95, gt=0, le=1, description="Electrons per photon.")
    read_noise_e: float = Field(1.535, ge=0, description="Read noise, electrons RMS.")
    e_per_adu: float = Field(0.7471, gt=0, description="Electrons per ADU.")

    @property
    def _multiplication(self) -> float:
        return 1.0

    @property
    def _excess(self) -> float:
        return 1.0

    def expose(
        self,
        photons: Tensor,
        generator: torch.Generator | None = None,
        *,
        origin_px: Tensor | None = None,
        n_frames: Tensor | None = None,
    ) -> Tensor:
        """Return shot and read noise, digitized."""
        electrons = self._collect(photons, generator, n_frames)
        return self._read(electrons, generator, origin_px, n_frames)


class EMCCD(_Sensor):
    """Electron multiplying CCD: the register's random gain doubles the variance.

    Gamma-distributed gain after Hirsch et al. 2013, doi:10.1371/journal.pone.0053671; defaults
    are those of the SMLM Challenge 2016.
    """

    kind: Literal["emccd"] = "emccd"
    em_gain: float = Field(300.0, ge=1, description="Mean multiplication in the register.")
    read_noise_e: float = Field(74.4, ge=0, description="Read noise after the gain, electrons RMS.")
    spurious_e: float = Field(0.002, ge=0, description="Clock-induced charge, electrons per pixel.")
    e_per_adu: float = Field(45.0, gt=0, description="Electrons per ADU, after the gain.")

    @property
    def _multiplication(self) -> float:
        return self.em_gain

    @property
    def _excess(self) -> float:
        return 2.0

    def expose(
        self,
        photons: Tensor,
        generator: torch.Generator | None = None,
        *,
        origin_px: Tensor | None = None,
        n_frames: Tensor | None = None,
    ) -> Tensor:
        """Return shot noise, register noise and read noise, digitized."""
        electrons = self._collect(photons, generator, n_frames)
        # A Gamma variable of shape 0 is 0: pixels without electrons stay empty.
        amplified = torch._standard_gamma(electrons.clamp(min=1), generator=generator)
        amplified = amplified * (electrons > 0) * self.em_gain
        return self._read(amplified, generator, origin_px, n_frames)


class AdditiveNoise(CameraBase):
    """Noise that does not grow with the light: Poisson and Gaussian numbers upon a noiseless image.

    No camera does so; the simulations of Aritake et al. 2020 (doi:10.1016/j.rio.2020.100019) do:
    their Poisson(10) is the background together with its noise, and molecules have none of their
    own. Here the light that comes in includes the background, so the Poisson number has its mean
    taken off: a background of 10 photons and `poisson_photons` of 10 are their frames.
    """

    kind: Literal["additive"] = "additive"
    gain: float = Field(1.0, gt=0, description="ADU per photon.")
    poisson_photons: float = Field(
        10.0, ge=0, description="Mean of the Poisson noise, which is taken off again, photons."
    )
    gaussian_photons: float = Field(3.0, ge=0, description="Gaussian noise, photons RMS.")

    @property
    def adu_per_photon(self) -> float:
        """The gain."""
        return self.gain

    def expose(
        self,
        photons: Tensor,
        generator: torch.Generator | None = None,
        *,
        origin_px: Tensor | None = None,
        n_frames: Tensor | None = None,
    ) -> Tensor:
        """Return the light with noise that is the same everywhere, digitized."""
        frames = torch.as_tensor(per_image(n_frames), device=photons.device, dtype=photons.dtype)
        mean = (self.poisson_photons * frames).expand(photons.shape)
        noise = torch.poisson(mean, generator=generator) - mean
        normal = torch.empty_like(photons).normal_(generator=generator)
        noise = noise + normal * self.gaussian_photons * frames.sqrt()
        adu = (photons.clamp(min=0) + noise) * self.gain
        return self.digitize(adu, self.baseline * frames, frames)

    def to_photons(
        self,
        adu: Tensor,
        *,
        origin_px: Tensor | None = None,
        n_frames: Tensor | None = None,
    ) -> Tensor:
        """Return ADU above the baseline over the gain."""
        return (adu - self.baseline * per_image(n_frames)) / self.gain

    def variance(self, photons: Tensor, *, origin_px: Tensor | None = None) -> Tensor:
        """Return the variances of both noises and of rounding down, the same for any light."""
        constant = (
            self.poisson_photons + self.gaussian_photons**2 + self.rounding_adu2 / self.gain**2
        )
        return torch.full_like(photons, constant)

    @property
    def variance_per_photon(self) -> float:
        """1, of the background that the Poisson noise stands for; light adds none."""
        return 1.0

    def to_equivalent(
        self,
        photons: Tensor,
        *,
        origin_px: Tensor | None = None,
        n_frames: Tensor | None = None,
    ) -> Tensor:
        """Return photons that are as noisy where there is only background: Gaussian noise added."""
        more = self.gaussian_photons**2 + self.rounding_adu2 / self.gain**2
        return photons + more * per_image(n_frames)


def _preset_by_name(value: Any) -> Any:
    """Let a configuration say `camera: challenge-emccd`."""
    if not isinstance(value, str):
        return value
    from napari_deepsmlm.camera.presets import camera_preset

    return camera_preset(value)


Camera = Annotated[
    Annotated[IdealCamera | SCMOS | EMCCD | AdditiveNoise, Field(discriminator="kind")],
    BeforeValidator(_preset_by_name),
]
