"""Gaussian PSF: the integral of a 2-D Gaussian over each pixel, exact for any window."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import torch
from pydantic import Field, field_validator

from napari_deepsmlm.psf.base import PSF

if TYPE_CHECKING:
    from torch import Tensor


class GaussianPSF(PSF):
    """An in-focus molecule: a Gaussian of one width, or of a width drawn for each emitter.

    Integrating over the pixel (Smith et al. 2010, doi:10.1038/nmeth.1449, eq. 1) keeps photons:
    the pixels of an infinite window sum to the emitter's photons.

    Examples
    --------
    >>> import torch
    >>> psf = GaussianPSF(pixel_size_nm=100, sigma_nm=(110, 110))
    >>> image = psf.render(torch.tensor([[[850.0, 850.0, 0.0]]]), torch.full((1, 1), 1e3), (17, 17))
    >>> image.shape, round(image.sum().item(), 2)
    (torch.Size([1, 1, 17, 17]), 1000.0)
    """

    kind: Literal["gaussian"] = "gaussian"
    sigma_nm: tuple[float, float] = Field(
        (100.0, 120.0), description="Smallest and largest standard deviation, nm."
    )

    @field_validator("sigma_nm")
    @classmethod
    def _positive_and_ascending(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0 < value[0] <= value[1]:
            raise ValueError("must be two positive numbers, the smaller first")
        return value

    @property
    def reach_px(self) -> int:
        """Three widths, and 5 pixels or more."""
        return gaussian_reach_px(self.sigma_nm[1], self.pixel_size_nm)

    def render(
        self,
        xyz_nm: Tensor,
        photons: Tensor,
        shape: tuple[int, int],
        *,
        sigma_nm: Tensor | None = None,
    ) -> Tensor:
        """Return (B, 1, H, W) photons; see :meth:`PSF.render`."""
        sigma = torch.full_like(photons, sum(self.sigma_nm) / 2) if sigma_nm is None else sigma_nm
        return gaussian_frames(xyz_nm, photons, shape, self.pixel_size_nm, sigma, sigma)

    def draw_sigma_nm(self, size: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Return widths uniform in the range, nm."""
        low, high = self.sigma_nm
        return low + (high - low) * torch.rand(size, generator=generator, device=generator.device)


def gaussian_reach_px(sigma_nm: float, pixel_size_nm: float) -> int:
    """Return how far outside the frame a Gaussian lights it: 0.1 % of its photons at most."""
    # At least 5 pixels: a smaller reach would change movies that were made with the same seed.
    return max(5, math.ceil(3 * sigma_nm / pixel_size_nm))


def gaussian_frames(
    xyz_nm: Tensor,
    photons: Tensor,
    shape: tuple[int, int],
    pixel_size_nm: float,
    sigma_x_nm: Tensor,
    sigma_y_nm: Tensor,
) -> Tensor:
    """Return the sum of pixel-integrated Gaussians whose axes are those of the camera.

    Parameters
    ----------
    xyz_nm, photons, shape : as in :meth:`PSF.render`.
    pixel_size_nm : side of a pixel.
    sigma_x_nm, sigma_y_nm : (B, E) standard deviations along columns and along rows.

    Returns
    -------
    (B, 1, H, W) photons.
    """
    x_px, y_px, _ = (xyz_nm / pixel_size_nm).unbind(-1)
    # Shares are doubled: dividing the (B, E) photons by 4 costs less than halving (B, E, H) twice.
    rows = _doubled_shares(y_px, sigma_y_nm / pixel_size_nm, shape[0]) * (photons / 4)[..., None]
    columns = _doubled_shares(x_px, sigma_x_nm / pixel_size_nm, shape[1])
    # A sum over emitters of outer products is one matrix product: (H, E) x (E, W).
    return torch.bmm(rows.transpose(1, 2), columns)[:, None]


def _doubled_shares(centre_px: Tensor, sigma_px: Tensor, n_pixels: int) -> Tensor:
    """Twice the share of a 1-D Gaussian in each pixel: (B, E) centres -> (B, E, n_pixels)."""
    edges = torch.arange(n_pixels + 1, device=centre_px.device, dtype=centre_px.dtype)
    scale = 1 / (sigma_px * math.sqrt(2))
    scaled = torch.addcmul(-(centre_px * scale)[..., None], scale[..., None], edges)
    return torch.erf(scaled).diff(dim=-1)
