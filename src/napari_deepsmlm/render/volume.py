"""Volumes: molecules with depth as an image of voxels whose sums are numbers of molecules."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from pydantic import Field

from napari_deepsmlm.localizations import known_places
from napari_deepsmlm.render.options import RenderOptions, draw, field_shape
from napari_deepsmlm.render.points import column

if TYPE_CHECKING:
    from torch import Tensor

    from napari_deepsmlm.localizations import Localizations

VOXEL_NM, DEPTH_STEP_NM = 24.0, 50.0
"""Those of the voxel-wise network's paper."""
MAX_VOXELS = 250_000_000
OWN_SIGMA_Z = "uncertainty_z_nm"
_REACH = 4.0
MAX_SIGMA_Z_NM = 1000.0
"""Depths that are less certain do not make the volume deeper."""


class VolumeOptions(RenderOptions):
    """How a volume is drawn from a table."""

    sr_pixel_nm: float = Field(VOXEL_NM, ge=0.1, le=10_000, description="Side of a voxel in x, y.")
    z_step_nm: float = Field(DEPTH_STEP_NM, ge=0.1, le=10_000, description="Height of a voxel.")


class Volume(NamedTuple):
    """A volume and where it begins."""

    voxels: Tensor
    """(Z, Y, X) molecules per voxel."""
    z_nm: float
    """Lower face of its first plane; rows and columns begin at 0."""


def draw_volume(
    table: Localizations,
    shape: tuple[int, int] | None = None,
    *,
    options: VolumeOptions | None = None,
) -> Volume:
    """Return (Z, Y, X) molecules per voxel, as deep as the molecules reach.

    Each plane is drawn as an image is. Gaussians are as high as depths are uncertain; without
    `uncertainty_z_nm` a molecule is in one plane.

    Parameters
    ----------
    table : molecules with `z_nm`; all frames are summed, depths that are no numbers left out.
    shape : rows and columns; as far as the molecules reach if not given.

    Raises
    ------
    ValueError
        If the table has no depth, or the volume would be too large.

    Examples
    --------
    >>> from napari_deepsmlm.localizations import Localizations
    >>> table = Localizations(frame=[0, 1], x_nm=[5.0, 30.0], y_nm=[5.0, 5.0], z_nm=[-60.0, 10.0])
    >>> drawn = draw_volume(table)
    >>> drawn.voxels.shape, drawn.z_nm, int(drawn.voxels.sum())
    (torch.Size([3, 1, 2]), -100.0, 2)
    """
    options = options or VolumeOptions()
    if not table.is_3d:
        raise ValueError("The table has no z, so there is no volume; draw an image of it.")
    table = table.to_numpy()
    table = table[known_places(table)]
    step = options.z_step_nm
    z = np.asarray(table["z_nm"], float)
    reach = _reach_z(table, options.kind)
    low, high = (float((z - reach).min()), float((z + reach).max())) if len(z) else (0.0, 0.0)
    first = math.floor(low / step)
    n_planes = math.floor(high / step) - first + 1
    shape = shape or field_shape(table, options.sr_pixel_nm)
    if n_planes * shape[0] * shape[1] > MAX_VOXELS:
        raise ValueError(
            f"The volume would have {n_planes:,} x {shape[0]:,} x {shape[1]:,} voxels; choose "
            "larger ones, or filter out molecules that are far away."
        )
    edges = (first + np.arange(n_planes + 1)) * step
    voxels = torch.zeros(n_planes, *shape)
    flat = RenderOptions.model_validate(options.model_dump(exclude={"z_step_nm"}))
    for k in range(n_planes):
        part, weights = _in_plane(table, z, edges[k], edges[k + 1], options.kind)
        if len(part):
            voxels[k] = draw(part, shape, options=flat, weights=weights)
    return Volume(voxels, float(edges[0]))


def _reach_z(table: Localizations, kind: str) -> Any:
    """Return (N,) how far above and below its middle a molecule is drawn, nm."""
    if kind != "gaussian" or OWN_SIGMA_Z not in table:
        return np.zeros(len(table))
    sigma = np.nan_to_num(np.asarray(table[OWN_SIGMA_Z], float), posinf=0.0, neginf=0.0)
    return _REACH * np.minimum(sigma.clip(0), MAX_SIGMA_Z_NM)


def _in_plane(
    table: Localizations, z: Any, low: float, high: float, kind: str
) -> tuple[Localizations, Tensor | None]:
    """Return the molecules that a plane holds some of, and how much of each."""
    if kind != "gaussian" or OWN_SIGMA_Z not in table:
        return table[(z >= low) & (z < high)], None
    sigma = np.asarray(table[OWN_SIGMA_Z], float)
    sigma = np.where(np.isfinite(sigma) & (sigma > 0), sigma, 1e-3)
    part = table[(z > low - _REACH * sigma) & (z < high + _REACH * sigma)]
    centre, width = column(part, "z_nm").double(), column(part, OWN_SIGMA_Z).double()
    width = torch.where(torch.isfinite(width) & (width > 0), width, 1e-3)
    share = torch.special.ndtr((high - centre) / width) - torch.special.ndtr((low - centre) / width)
    return part, share.float()
