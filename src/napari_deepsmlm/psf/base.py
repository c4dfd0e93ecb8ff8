"""PSF: what every point spread function offers to the simulator and to the bounds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from pydantic import Field

from napari_deepsmlm._base import FrozenModel

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class PSF(FrozenModel, ABC):
    """A differentiable image of a point, batched over frames and emitters, on any device."""

    pixel_size_nm: float = Field(
        100.0, ge=1, le=10_000, description="Side of a camera pixel in the sample, nm."
    )

    @property
    def n_planes(self) -> int:
        """Focal planes per frame: the C of the rendered frames."""
        return 1

    @abstractmethod
    def render(
        self,
        xyz_nm: Tensor,
        photons: Tensor,
        shape: tuple[int, int],
        *,
        sigma_nm: Tensor | None = None,
    ) -> Tensor:
        """Return the expected photons on the camera, without background.

        Parameters
        ----------
        xyz_nm : (B, E, 3) nm, from the outer corner of the top-left pixel. Emitters may lie
            outside the window; the light that falls inside is kept, the rest is lost.
        photons : (B, E) photons of each emitter; 0 marks padding.
        shape : (H, W) camera pixels.
        sigma_nm : (B, E) widths that replace the PSF's own, where it has one.

        Returns
        -------
        (B, C, H, W) photons per pixel.
        """

    def draw_sigma_nm(self, size: tuple[int, ...], generator: torch.Generator) -> Tensor | None:
        """Return per-emitter widths drawn from the PSF's range, or None if it has no range."""
        return None
