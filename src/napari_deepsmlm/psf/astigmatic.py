"""Astigmatic Gaussian PSF: widths follow a defocus curve along each axis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from pydantic import Field, field_validator

from napari_deepsmlm.psf.base import PSF, ascending
from napari_deepsmlm.psf.defocus import DefocusCurve
from napari_deepsmlm.psf.gaussian import gaussian_frames, gaussian_reach_px

if TYPE_CHECKING:
    from torch import Tensor


class AstigmaticPSF(PSF):
    """A Gaussian whose two widths tell the depth: a cylindrical lens parts their foci.

    Huang et al. 2008, doi:10.1126/science.1153529. With both curves equal it is a defocused
    Gaussian without astigmatism.

    Examples
    --------
    >>> import torch
    >>> psf = AstigmaticPSF()
    >>> image = psf.render(torch.tensor([[[1250.0, 1250.0, 250.0]]]), torch.ones(1, 1), (25, 25))
    >>> bool(image[0, 0, 12, 8] < image[0, 0, 8, 12])  # in focus along x: narrow columns
    True
    """

    kind: Literal["astigmatic"] = "astigmatic"
    x: DefocusCurve = Field(DefocusCurve(focus_nm=250.0), description="Width along columns.")
    y: DefocusCurve = Field(DefocusCurve(focus_nm=-250.0), description="Width along rows.")
    z_range_nm: tuple[float, float] = Field(
        (-750.0, 750.0), description="Depths over which the curves hold, nm."
    )

    _range = field_validator("z_range_nm")(ascending)

    @property
    def depth_range_nm(self) -> tuple[float, float]:
        """`z_range_nm`."""
        return self.z_range_nm

    @property
    def reach_px(self) -> int:
        """Three of the largest widths in the range of depths, and 5 pixels or more."""
        depths = torch.linspace(*self.z_range_nm, 101, dtype=torch.float64)
        widest = max(curve.sigma_at(depths).max().item() for curve in (self.x, self.y))
        return gaussian_reach_px(widest, self.pixel_size_nm)

    def render(
        self,
        xyz_nm: Tensor,
        photons: Tensor,
        shape: tuple[int, int],
        *,
        sigma_nm: Tensor | None = None,
    ) -> Tensor:
        """Return (B, 1, H, W) photons; `sigma_nm` replaces both widths in focus."""
        self._check_depth(xyz_nm, photons)
        z = xyz_nm[..., 2]
        sigma_x, sigma_y = self.x.sigma_at(z, sigma_nm), self.y.sigma_at(z, sigma_nm)
        return gaussian_frames(xyz_nm, photons, shape, self.pixel_size_nm, sigma_x, sigma_y)
