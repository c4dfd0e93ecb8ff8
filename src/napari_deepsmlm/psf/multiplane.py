"""Multi-plane PSF: one emitter seen by several cameras focused at different depths."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from napari_deepsmlm.psf.astigmatic import AstigmaticPSF
from napari_deepsmlm.psf.base import PSF, share_pixel_size
from napari_deepsmlm.psf.calibrated import CalibratedPSF
from napari_deepsmlm.psf.defocus import DefocusCurve
from napari_deepsmlm.psf.gaussian import GaussianPSF
from napari_deepsmlm.psf.pupil import PupilPSF
from napari_deepsmlm.psf.tabulated import TabulatedPSF

if TYPE_CHECKING:
    import torch
    from torch import Tensor

SinglePlanePSF = Annotated[
    GaussianPSF | AstigmaticPSF | PupilPSF | TabulatedPSF | CalibratedPSF,
    Field(discriminator="kind"),
]

# Aritake et al. 2020, "Single-molecule localization by voxel-wise regression using convolutional
# neural network", Results in Optics 1, doi:10.1016/j.rio.2020.100019: width of the quad-plane
# PSF. Its quartic term B contradicts itself, and both values are in use:
VOXELWISE_QUARTIC = {
    "voxelwise-paper": 6.27e-3,  # the paper's table
    "voxelwise-code": 0.122484,  # the authors' published code
}


class MultiplanePSF(PSF):
    """Planes that share an emitter's light, each with its own focus, shift and share.

    Plane c shows the PSF inside at z - plane_z_nm[c], moved by shift_nm[c], with share split[c]
    of the photons.

    Examples
    --------
    >>> MultiplanePSF(plane_z_nm=(-200, 200)).n_planes
    2
    """

    kind: Literal["multiplane"] = "multiplane"
    psf: SinglePlanePSF = Field(
        AstigmaticPSF(x=DefocusCurve(), y=DefocusCurve(), z_range_nm=(-2000.0, 2000.0)),
        description="PSF of one plane, z from its focus.",
    )
    plane_z_nm: tuple[float, ...] = Field(
        (-600.0, -200.0, 200.0, 600.0),
        min_length=1,
        max_length=64,
        description="Depth of the focus of each plane, nm.",
    )
    split: tuple[Annotated[float, Field(ge=0)], ...] = Field(
        (), description="Share of the photons that each plane gets; equal if left empty."
    )
    shift_nm: tuple[tuple[float, float], ...] = Field(
        (), description="Lateral drift (x, y) of each plane, nm; none if left empty."
    )

    @model_validator(mode="before")
    @classmethod
    def _one_pixel_size(cls, values: Any) -> Any:
        return share_pixel_size(values)

    @model_validator(mode="after")
    def _one_value_per_plane(self) -> Self:
        for name in ("split", "shift_nm"):
            given = len(getattr(self, name))
            if given not in (0, self.n_planes):
                raise ValueError(f"{name} has {given} values for {self.n_planes} planes")
        if self.psf.n_planes != 1:
            raise ValueError("the psf inside must show one plane; this one has its own planes")
        if self.split and not 0 < sum(self.split) <= 1 + 1e-6:
            raise ValueError(f"split must sum to at most 1, got {sum(self.split):g}")
        if self.depth_range_nm is not None and self.depth_range_nm[0] >= self.depth_range_nm[1]:
            raise ValueError("the planes lie further apart than the range of the psf inside")
        return self

    @classmethod
    def voxelwise(cls, preset: str = "voxelwise-paper") -> Self:
        """Return the quad-plane PSF of the voxel-wise regression paper (see the constants above).

        Parameters
        ----------
        preset : "voxelwise-paper" or "voxelwise-code", which differ in the quartic term.
        """
        if preset not in VOXELWISE_QUARTIC:
            raise ValueError(f"Unknown preset '{preset}'. Available: {list(VOXELWISE_QUARTIC)}.")
        curve = DefocusCurve(
            sigma_nm=133, depth_nm=302, cubic=7.37e-4, quartic=VOXELWISE_QUARTIC[preset]
        )
        plane = AstigmaticPSF(pixel_size_nm=192, x=curve, y=curve, z_range_nm=(-1600.0, 1600.0))
        return cls(psf=plane)

    @property
    def n_planes(self) -> int:
        """The number of focal planes."""
        return len(self.plane_z_nm)

    @property
    def depth_range_nm(self) -> tuple[float, float] | None:
        """Depths that every plane can show."""
        limits = self.psf.depth_range_nm
        if limits is None:
            return None
        return limits[0] + max(self.plane_z_nm), limits[1] + min(self.plane_z_nm)

    @property
    def reach_px(self) -> int:
        """That of the PSF inside and the largest shift of a plane."""
        shift_nm = max((abs(value) for shift in self.shift_nm for value in shift), default=0.0)
        return self.psf.reach_px + math.ceil(shift_nm / self.pixel_size_nm)

    def render(
        self,
        xyz_nm: Tensor,
        photons: Tensor,
        shape: tuple[int, int],
        *,
        sigma_nm: Tensor | None = None,
    ) -> Tensor:
        """Return (B, C, H, W) photons; see :meth:`PSF.render`."""
        self._check_depth(xyz_nm, photons)
        B, E, _ = xyz_nm.shape
        C = self.n_planes
        # Planes become frames of one call: (B, E, 3) -> (B*C, E, 3).
        moved = (xyz_nm[:, None] + xyz_nm.new_tensor(self._moves())[:, None]).reshape(B * C, E, 3)
        shares = xyz_nm.new_tensor(self.split or [1 / C] * C)
        shared = (photons[:, None] * shares[:, None]).reshape(B * C, E)
        if sigma_nm is not None:
            sigma_nm = sigma_nm[:, None].expand(B, C, E).reshape(B * C, E)
        psf: PSF = self.psf
        return psf.render(moved, shared, shape, sigma_nm=sigma_nm).reshape(B, C, *shape)

    def draw_sigma_nm(self, size: tuple[int, ...], generator: torch.Generator) -> Tensor | None:
        """Return widths of the PSF inside, one per emitter for all planes."""
        psf: PSF = self.psf
        return psf.draw_sigma_nm(size, generator)

    def _moves(self) -> list[tuple[float, float, float]]:
        shifts = self.shift_nm or ((0.0, 0.0),) * self.n_planes
        return [(x, y, -z) for (x, y), z in zip(shifts, self.plane_z_nm, strict=True)]
