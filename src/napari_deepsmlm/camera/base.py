"""What all cameras share: an offset, a converter, and the noise in units of light."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from pydantic import Field

from napari_deepsmlm._base import FrozenModel

if TYPE_CHECKING:
    from torch import Tensor


class CameraBase(FrozenModel, ABC):
    """An offset and a converter; how light becomes numbers is the matter of each kind."""

    baseline: float = Field(100.0, ge=0, description="Offset that the camera adds, ADU.")
    bits: int = Field(16, ge=8, le=16, description="Bits of the analogue-digital converter.")
    step_adu: float = Field(
        1.0, ge=0, description="Between neighbouring numbers; 0 if they are not rounded."
    )

    @property
    @abstractmethod
    def adu_per_photon(self) -> float:
        """Mean ADU above the baseline for one photon (of a pixel without maps)."""

    @property
    def full_scale_adu(self) -> float:
        """The largest value: a pixel that shows it is saturated. Numbers not rounded have none."""
        return (2**self.bits - 1) * self.step_adu or math.inf

    @property
    def dtype(self) -> np.dtype[Any]:
        """What holds its numbers."""
        return np.dtype(np.uint16 if self.step_adu == 1 else np.float32)

    @property
    def rounding_adu2(self) -> float:
        """What rounding down adds to the variance where read noise spreads the signal."""
        return self.step_adu**2 / 12

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
        """Return one noisy exposure, ADU as whole float numbers of steps in [0, 2^bits - 1].

        Parameters
        ----------
        photons : (...) expected photons per pixel, with maps (..., H, W). What is below zero, as
            the lobes of an interpolated PSF may be, counts as no light.
        generator : source of the noise, on the device of `photons`.
        origin_px : (B, 2) places of (B, C, H, W) patches on the sensor; see `SensorMaps.crop`.
        n_frames : (B,) for sums of so many exposures of (B, C, H, W) frames: `photons` are those
            of all, and baseline, spurious charge and read variance come once for each. Electrons
            of sums are Poisson and Gamma variables as those of single frames are, so sums are
            drawn in one go. Where read noise spreads the signal, rounding down takes half a step
            of each and adds 1/12 step squared. Single exposures do not saturate.
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

        The converter rounds down, so the mean over exposures is half a step low where read noise
        spreads the signal over several steps, as in every camera.
        """

    @abstractmethod
    def variance(self, photons: Tensor, *, origin_px: Tensor | None = None) -> Tensor:
        """Return the variance of an exposure in units of photons squared, saturation apart.

        It is that of `to_photons(expose(photons))`, with 1/12 step squared for rounding down
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
        >>> from napari_deepsmlm.camera import EMCCD
        >>> camera = EMCCD(quantum_efficiency=1.0, read_noise_e=0.0, e_per_adu=1e-3)
        >>> camera.to_equivalent(torch.tensor([100.0])).round().item()
        50.0
        """
        slope = self.variance_per_photon
        dark = torch.zeros_like(photons) if self._has_maps else photons.new_zeros(())
        constant = self.variance(dark, origin_px=origin_px) * per_image(n_frames)
        return photons / slope + constant / slope**2

    def digitize(self, adu: Tensor, baseline: float | Tensor, n_frames: float | Tensor) -> Tensor:
        """Return whole steps upon the baseline, no more than `n_frames` full scales.

        Numbers that are not rounded are not cut off either.
        """
        if self.step_adu == 0:
            return adu + baseline
        full_scale = torch.as_tensor(self.full_scale_adu * n_frames, device=adu.device)
        steps = ((adu + baseline) / self.step_adu).floor_().clamp_(min=0)
        return steps.mul_(self.step_adu).minimum(full_scale)


def per_image(n_frames: Tensor | None) -> float | Tensor:
    """(B,) numbers of summed frames -> (B, 1, 1, 1), or 1 for single frames."""
    return 1.0 if n_frames is None else n_frames[:, None, None, None]
