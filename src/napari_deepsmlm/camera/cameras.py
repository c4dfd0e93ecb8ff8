"""Camera models: shot noise, electron multiplication, read noise and digitization."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch
from pydantic import BeforeValidator, Field

from napari_deepsmlm._base import FrozenModel
from napari_deepsmlm.camera.maps import Pixels, SensorMaps

if TYPE_CHECKING:
    from torch import Tensor


class _Camera(FrozenModel, ABC):
    baseline: float = Field(100.0, ge=0, description="Offset that the camera adds, ADU.")
    bits: int = Field(16, ge=8, le=16, description="Bits of the analogue-digital converter.")

    @property
    @abstractmethod
    def adu_per_photon(self) -> float:
        """Mean ADU above the baseline for one photon (of a pixel without maps)."""

    @property
    def full_scale_adu(self) -> int:
        """The largest value: a pixel that shows it is saturated."""
        return int(2**self.bits - 1)

    def draw_origin_px(
        self, n: int, shape: tuple[int, int], generator: torch.Generator
    ) -> Tensor | None:
        """Return (n, 2) places on the sensor for patches of (H, W), or None: all pixels are alike.

        Nothing is drawn then, so cameras without maps see the random numbers they always saw.
        """
        return None

    @abstractmethod
    def expose(
        self,
        photons: Tensor,
        generator: torch.Generator | None = None,
        *,
        origin_px: Tensor | None = None,
        n_frames: Tensor | None = None,
    ) -> Tensor:
        """Return one noisy exposure, ADU as whole float numbers in [0, 2^bits - 1].

        Parameters
        ----------
        photons : (...) expected photons per pixel, with maps (..., H, W). What is below zero, as
            the lobes of an interpolated PSF may be, counts as no light.
        generator : source of the noise, on the device of `photons`.
        origin_px : (B, 2) places of (B, C, H, W) patches on the sensor; see `SensorMaps.crop`.
        n_frames : (B,) for sums of so many exposures of (B, C, H, W) frames: `photons` are those
            of all, and baseline, spurious charge and read variance come once for each. Electrons
            of sums are Poisson and Gamma variables as those of single frames are, so sums are
            drawn in one go. Where read noise spreads the signal, rounding down takes half an ADU
            of each and adds 1/12 ADU squared. Single exposures do not saturate.
        """

    @abstractmethod
    def to_photons(
        self,
        adu: Tensor,
        *,
        origin_px: Tensor | None = None,
        n_frames: Tensor | None = None,
    ) -> Tensor:
        """Return the photons whose mean signal is `adu`; negative below the baseline.

        With (B,) n_frames, (B, C, H, W) `adu` are sums of so many frames and hold as many
        baselines; the photons are those of the sum.

        The converter rounds down, so the mean over exposures is half an ADU low where read noise
        spreads the signal over several ADU, as in every camera.
        """

    @abstractmethod
    def variance(self, photons: Tensor, *, origin_px: Tensor | None = None) -> Tensor:
        """Return the variance of an exposure in units of photons squared, saturation apart.

        It is that of `to_photons(expose(photons))`, with 1/12 ADU squared for rounding down
        where read noise spreads the signal.

        Parameters
        ----------
        photons : (...) expected photons per pixel.
        """

    @property
    def _has_maps(self) -> bool:
        return False

    @property
    @abstractmethod
    def variance_per_photon(self) -> float:
        """How fast the variance rises with the light, photons: 1 for a perfect camera."""

    def to_equivalent(
        self,
        photons: Tensor,
        *,
        origin_px: Tensor | None = None,
        n_frames: Tensor | None = None,
    ) -> Tensor:
        """Return the photons that a perfect camera would have counted at equal noise.

        With variance e · λ + v of λ photons, λ / e + v / e² has a variance equal to its mean, as
        Poisson numbers have: what excess and read noise a camera adds no longer shows. (The read
        noise part after Huang et al. 2013, doi:10.1038/nmeth.2488.)

        Parameters
        ----------
        photons : (...) what `to_photons` gave; of (B, C, H, W) sums with (B,) n_frames.

        Examples
        --------
        >>> camera = EMCCD(quantum_efficiency=1.0, read_noise_e=0.0, e_per_adu=1e-3)
        >>> camera.to_equivalent(torch.tensor([100.0])).round().item()
        50.0
        """
        slope = self.variance_per_photon
        dark = torch.zeros_like(photons) if self._has_maps else photons.new_zeros(())
        constant = self.variance(dark, origin_px=origin_px) * _per_image(n_frames)
        return photons / slope + constant / slope**2

    def _digitize(self, adu: Tensor, baseline: float | Tensor, n_frames: float | Tensor) -> Tensor:
        full_scale = torch.as_tensor(self.full_scale_adu * n_frames, device=adu.device)
        return torch.floor(adu + baseline).clamp_(min=0).minimum(full_scale)


class IdealCamera(_Camera):
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
        frames = _per_image(n_frames)
        return self._digitize(counts * self.gain, self.baseline * frames, frames)

    def to_photons(
        self,
        adu: Tensor,
        *,
        origin_px: Tensor | None = None,
        n_frames: Tensor | None = None,
    ) -> Tensor:
        """Return ADU above the baseline over the gain."""
        return (adu - self.baseline * _per_image(n_frames)) / self.gain

    def variance(self, photons: Tensor, *, origin_px: Tensor | None = None) -> Tensor:
        """Return the photons themselves: Poisson."""
        return photons

    @property
    def variance_per_photon(self) -> float:
        """Poisson: 1."""
        return 1.0


class _Sensor(_Camera):
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
        frames = _per_image(n_frames)
        photons = (adu - pixels.baseline * frames) / (electrons_per_photon / pixels.e_per_adu)
        if self.spurious_e == 0:
            return photons
        return photons - frames * self.spurious_e / self.quantum_efficiency

    def variance(self, photons: Tensor, *, origin_px: Tensor | None = None) -> Tensor:
        """Return (excess · λ + (σ² + (e per ADU)² / 12) / G²) / QE², λ the mean of electrons."""
        pixels = self._pixels(photons, origin_px)
        mean_e = self.quantum_efficiency * photons + self.spurious_e
        after_e2 = pixels.read_noise_e**2 + pixels.e_per_adu**2 / 12
        electrons = self._excess * mean_e + after_e2 / self._multiplication**2
        return electrons / self.quantum_efficiency**2

    def _pixels(self, frames: Tensor, origin_px: Tensor | None) -> Pixels:
        if self.maps is None:
            return Pixels(self.e_per_adu, self.baseline, self.read_noise_e)
        if frames.ndim < 2:
            raise ValueError(f"A camera with maps needs (..., H, W) frames, got {frames.shape}.")
        shape = (frames.shape[-2], frames.shape[-1])
        maps = self.maps.crop(shape, frames.device, origin_px)
        e_per_adu = 1 / maps["gain"] if "gain" in maps else self.e_per_adu
        read_noise_e: float | Tensor = self.read_noise_e
        if "variance" in maps:
            read_noise_e = maps["variance"].sqrt() * e_per_adu
        return Pixels(e_per_adu, maps.get("offset", self.baseline), read_noise_e)

    def _collect(
        self, photons: Tensor, generator: torch.Generator | None, n_frames: Tensor | None
    ) -> Tensor:
        mean = (photons * self.quantum_efficiency).clamp_(min=0)
        if self.spurious_e > 0:
            mean += self.spurious_e * _per_image(n_frames)
        return torch.poisson(mean, generator=generator)

    def _read(
        self,
        electrons: Tensor,
        generator: torch.Generator | None,
        origin_px: Tensor | None,
        n_frames: Tensor | None,
    ) -> Tensor:
        frames = _per_image(n_frames)
        pixels = self._pixels(electrons, origin_px).summed(frames)
        if isinstance(pixels.read_noise_e, float):
            if pixels.read_noise_e > 0:
                noise = torch.empty_like(electrons)
                electrons += noise.normal_(0.0, pixels.read_noise_e, generator=generator)
        else:
            noise = torch.empty_like(electrons).normal_(generator=generator)
            electrons += noise * pixels.read_noise_e
        return self._digitize(electrons.div_(pixels.e_per_adu), pixels.baseline, frames)


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


class AdditiveNoise(_Camera):
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
        frames = torch.as_tensor(_per_image(n_frames), device=photons.device, dtype=photons.dtype)
        mean = (self.poisson_photons * frames).expand(photons.shape)
        noise = torch.poisson(mean, generator=generator) - mean
        normal = torch.empty_like(photons).normal_(generator=generator)
        noise = noise + normal * self.gaussian_photons * frames.sqrt()
        adu = (photons.clamp(min=0) + noise) * self.gain
        return self._digitize(adu, self.baseline * frames, frames)

    def to_photons(
        self,
        adu: Tensor,
        *,
        origin_px: Tensor | None = None,
        n_frames: Tensor | None = None,
    ) -> Tensor:
        """Return ADU above the baseline over the gain."""
        return (adu - self.baseline * _per_image(n_frames)) / self.gain

    def variance(self, photons: Tensor, *, origin_px: Tensor | None = None) -> Tensor:
        """Return the variances of both noises and of rounding down, the same for any light."""
        constant = self.poisson_photons + self.gaussian_photons**2 + 1 / (12 * self.gain**2)
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
        more = self.gaussian_photons**2 + 1 / (12 * self.gain**2)
        return photons + more * _per_image(n_frames)


def _per_image(n_frames: Tensor | None) -> float | Tensor:
    """(B,) numbers of summed frames -> (B, 1, 1, 1), or 1 for single frames."""
    return 1.0 if n_frames is None else n_frames[:, None, None, None]


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
