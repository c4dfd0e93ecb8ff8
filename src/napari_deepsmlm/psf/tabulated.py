"""Tabulated PSF: a costly PSF sampled once on a fine grid and interpolated on the device."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field, field_validator, model_validator

from napari_deepsmlm.psf.astigmatic import AstigmaticPSF  # noqa: TC001 - pydantic evaluates it
from napari_deepsmlm.psf.base import PSF, odd, share_pixel_size
from napari_deepsmlm.psf.patches import sum_of_patches
from napari_deepsmlm.psf.pupil import PupilPSF
from napari_deepsmlm.psf.splines import SplineTable, half_pixel, spline_coefficients

if TYPE_CHECKING:
    from torch import Tensor

# Depths beyond the range that are sampled too: the end conditions of a spline disturb only those.
_EXTRA_DEPTHS = 3


class TabulatedPSF(PSF):
    """A PSF from a table of cubic B-splines in x, y and z: the fast path for training.

    The table is made at first use, on the CPU, in seconds, and kept for the process.
    `worst_error` measures what the interpolation costs; the defaults keep it below 1 % of the
    peak for the pupil presets.

    Examples
    --------
    >>> psf = TabulatedPSF(psf=PupilPSF(z_range_nm=(-100, 100)), patch_px=15)
    >>> worst_error(psf, n=20) < 0.01
    True
    """

    kind: Literal["tabulated"] = "tabulated"
    psf: Annotated[PupilPSF | AstigmaticPSF, Field(discriminator="kind")] = Field(
        PupilPSF(), description="The exact PSF; its range of depths is tabulated."
    )
    patch_px: int = Field(51, ge=5, le=201, description="Side of an emitter's image, odd.")
    subpixels: int = Field(2, ge=1, le=8, description="Samples per camera pixel along x and y.")
    z_step_nm: float = Field(100.0, gt=0, le=1000, description="Distance of sampled depths, nm.")

    _odd = field_validator("patch_px")(odd)

    @model_validator(mode="before")
    @classmethod
    def _one_pixel_size(cls, values: Any) -> Any:
        return share_pixel_size(values)

    @property
    def depth_range_nm(self) -> tuple[float, float]:
        """That of the exact PSF."""
        return self.psf.depth_range_nm

    @property
    def reach_px(self) -> int:
        """Half of the patch."""
        return self.patch_px // 2 + 1

    def render(
        self,
        xyz_nm: Tensor,
        photons: Tensor,
        shape: tuple[int, int],
        *,
        sigma_nm: Tensor | None = None,
    ) -> Tensor:
        """Return (B, 1, H, W) photons; see :meth:`PSF.render`."""
        self._refuse_sigma(sigma_nm)
        self._check_depth(xyz_nm, photons)
        return sum_of_patches(
            xyz_nm,
            photons,
            shape,
            pixel_size_nm=self.pixel_size_nm,
            patch_px=self.patch_px,
            image=_table_on(self, xyz_nm.dtype, xyz_nm.device).images,
        )


def worst_error(psf: TabulatedPSF, n: int = 200, seed: int = 0) -> float:
    """Return the largest difference between table and exact PSF at random places.

    Parameters
    ----------
    psf : the table to be judged.
    n : positions, uniform over a pixel and over the range of depths.

    Returns
    -------
    The largest difference over all pixels, as a share of the peak of the exact image it is in.
    """
    generator = torch.Generator().manual_seed(seed)
    low, high = psf.depth_range_nm
    side = psf.patch_px
    xyz = torch.rand(n, 1, 3, generator=generator)
    xyz[..., :2] = (side // 2 + xyz[..., :2]) * psf.pixel_size_nm
    xyz[..., 2] = low + (high - low) * xyz[..., 2]
    # Four pixels more, because the blur of the exact PSF loses light at the rim of its patch.
    exact = _with_patch(psf.psf, side + 4).render(xyz, torch.ones(n, 1), (side, side))
    table = psf.render(xyz, torch.ones(n, 1), (side, side))
    error = (table - exact).abs().amax((1, 2, 3)) / exact.amax((1, 2, 3))
    return float(error.max())


@lru_cache(maxsize=4)
def _table(psf: TabulatedPSF) -> SplineTable:
    low, high = psf.depth_range_nm
    n = int(np.ceil((high - low) / psf.z_step_nm)) + 1 + 2 * _EXTRA_DEPTHS
    first = low - _EXTRA_DEPTHS * psf.z_step_nm
    z_nm = first + psf.z_step_nm * torch.arange(n)
    samples = np.concatenate([_fine_samples(psf, part) for part in z_nm.split(8)])
    return SplineTable.build(
        spline_coefficients(samples),
        subpixels=psf.subpixels,
        z_first_nm=first,
        z_step_nm=psf.z_step_nm,
    )


@lru_cache(maxsize=8)
def _table_on(psf: TabulatedPSF, dtype: torch.dtype, device: torch.device) -> SplineTable:
    return _table(psf).to(dtype, device)


def _fine_samples(psf: TabulatedPSF, z_nm: Tensor) -> np.ndarray[Any, Any]:
    """Exact pixel values around an emitter at every sub-pixel shift: (Z, S, S).

    Sample k along an axis is the value of a pixel whose centre is k / s pixels from the emitter.
    """
    s, side = psf.subpixels, psf.patch_px + 2
    shift = torch.arange(s) / s
    y, x = torch.meshgrid(side / 2 - shift, side / 2 - shift, indexing="ij")
    xy_nm = torch.stack([x, y], -1).reshape(1, s * s, 2) * psf.pixel_size_nm
    depth = z_nm[:, None, None].expand(-1, s * s, 1)
    xyz = torch.cat([xy_nm.expand(len(z_nm), -1, -1), depth], -1).reshape(-1, 1, 3)
    wide = _with_patch(psf.psf, side + 2, (float(z_nm[0]) - 1, float(z_nm[-1]) + 1))
    light = wide.render(xyz.double(), torch.ones(len(xyz), 1).double(), (side, side))
    # (Z * sy * sx, 1, y, x) -> (Z, y, sy, x, sx) -> (Z, y * s, x * s)
    fine = light.view(len(z_nm), s, s, side, side).permute(0, 3, 1, 4, 2)
    fine = fine.reshape(len(z_nm), side * s, side * s)
    half = half_pixel(s)
    inner = slice(s - half, s - half + s * (psf.patch_px - 1) + 2 * half + 1)
    return fine[:, inner, inner].numpy()


def _with_patch(psf: PSF, patch_px: int, z_range_nm: tuple[float, float] | None = None) -> PSF:
    """The exact PSF with a larger patch, and with more depths where it has too few."""
    changes: dict[str, Any] = {} if z_range_nm is None else {"z_range_nm": z_range_nm}
    if isinstance(psf, PupilPSF):
        changes["patch_px"] = patch_px
    return psf.replace(**changes)
