"""Rings: circles of molecules, and nuclear pores with their eight corners."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import torch
from pydantic import Field, model_validator

from napari_deepsmlm.simulation.structures._base import (
    StructureBase,
    ascending,
    normal,
    slots,
    uniform,
    whole,
)

if TYPE_CHECKING:
    from torch import Tensor

    from napari_deepsmlm.simulation.structures._base import Geometry


class Rings(StructureBase):
    """Circles that lie flat and do not overlap as long as they have room."""

    kind: Literal["rings"] = "rings"
    per_um2: float = Field(1.0, gt=0, le=1000, description="Rings per square micrometre.")
    diameter_nm: tuple[float, float] = Field((200.0, 600.0), description="Of the rings, nm.")
    thickness_nm: float = Field(10.0, ge=0, description="Spread about the circle, nm RMS.")
    z_nm: tuple[float, float] = Field((0.0, 0.0), description="Lowest and highest centre, nm.")

    @model_validator(mode="after")
    def _ranges_ascend(self) -> Rings:
        ascending("diameter_nm", self.diameter_nm, 0)
        ascending("z_nm", self.z_nm)
        return self

    def realise(
        self, n: int, extent_nm: tuple[float, float], generator: torch.Generator
    ) -> Geometry:
        """Draw centres and diameters."""
        centres = _scatter(n, extent_nm, self.per_um2, self.diameter_nm[1], generator)
        size = (n, centres.shape[1])
        return {
            "centre": torch.cat([centres, uniform((*size, 1), *self.z_nm, generator)], dim=-1),
            "radius": uniform(size, *self.diameter_nm, generator) / 2,
        }

    def place(
        self,
        geometry: Geometry,
        counts: Tensor,
        generator: torch.Generator,
        *,
        n_frames: float | Tensor = 1.0,
    ) -> tuple[Tensor, Tensor]:
        """Draw places evenly around the circles, each ring as likely as another."""
        is_there = slots(counts)
        size = tuple(is_there.shape)
        which = whole(size, 0, geometry["centre"].shape[1] - 1, generator)
        angle = uniform(size, 0, 2 * math.pi, generator)
        radius = geometry["radius"].expand(len(counts), -1).gather(1, which)
        xyz_nm = _at(geometry["centre"], which) + _circle(radius, angle)
        return xyz_nm + self.thickness_nm * normal((*size, 3), generator), is_there


class NuclearPores(StructureBase):
    """Nuclear pores as seen by Nup96: eight corners on each of two rings.

    Diameter and distance of the rings after Thevathasan et al. 2019,
    doi:10.1038/s41592-019-0574-9.
    """

    kind: Literal["nuclear_pores"] = "nuclear_pores"
    per_um2: float = Field(8.0, gt=0, le=1000, description="Pores per square micrometre.")
    diameter_nm: float = Field(107.0, gt=0, description="Diameter of a ring of corners, nm.")
    n_corners: int = Field(8, ge=1, le=100, description="Corners of a ring.")
    ring_distance_nm: float = Field(50.0, ge=0, description="Distance of both rings in z, nm.")
    corner_nm: float = Field(5.0, ge=0, description="Size of a corner, nm RMS.")
    z_nm: tuple[float, float] = Field((0.0, 0.0), description="Lowest and highest centre, nm.")

    @model_validator(mode="after")
    def _ranges_ascend(self) -> NuclearPores:
        ascending("z_nm", self.z_nm)
        return self

    def realise(
        self, n: int, extent_nm: tuple[float, float], generator: torch.Generator
    ) -> Geometry:
        """Draw centres and directions."""
        centres = _scatter(n, extent_nm, self.per_um2, self.diameter_nm, generator)
        size = (n, centres.shape[1])
        return {
            "centre": torch.cat([centres, uniform((*size, 1), *self.z_nm, generator)], dim=-1),
            "angle": uniform(size, 0, 2 * math.pi / self.n_corners, generator),
        }

    def place(
        self,
        geometry: Geometry,
        counts: Tensor,
        generator: torch.Generator,
        *,
        n_frames: float | Tensor = 1.0,
    ) -> tuple[Tensor, Tensor]:
        """Draw corners, each as likely as another, and places about them."""
        is_there = slots(counts)
        size = tuple(is_there.shape)
        which = whole(size, 0, geometry["centre"].shape[1] - 1, generator)
        corner = whole(size, 0, self.n_corners - 1, generator)
        turned = geometry["angle"].expand(len(counts), -1).gather(1, which)
        angle = turned + 2 * math.pi * corner / self.n_corners
        xyz_nm = _at(geometry["centre"], which)
        xyz_nm = xyz_nm + _circle(torch.full_like(angle, self.diameter_nm / 2), angle)
        side = whole(size, 0, 1, generator) - 0.5
        xyz_nm[..., 2] += self.ring_distance_nm * side
        return xyz_nm + self.corner_nm * normal((*size, 3), generator), is_there


def _scatter(
    n: int,
    extent_nm: tuple[float, float],
    per_um2: float,
    diameter_nm: float,
    generator: torch.Generator,
) -> Tensor:
    """(n, P, 2) centres, one at a random place in each cell of a grid: they do not touch."""
    cell_nm = 1e3 / math.sqrt(per_um2)
    rows, columns = (max(1, round(side / cell_nm)) for side in extent_nm)
    cell = torch.tensor([extent_nm[1] / columns, extent_nm[0] / rows], device=generator.device)
    y, x = torch.meshgrid(
        torch.arange(rows, device=cell.device),
        torch.arange(columns, device=cell.device),
        indexing="ij",
    )
    corner = torch.stack([x, y], dim=-1).reshape(1, -1, 2) * cell
    room = (cell - diameter_nm).clamp(min=0)
    jitter = (uniform((n, rows * columns, 2), 0, 1, generator) - 0.5) * room
    return corner + cell / 2 + jitter


def _at(centre: Tensor, which: Tensor) -> Tensor:
    """(1 or B, P, 3) centres and (B, E) numbers -> (B, E, 3)."""
    return centre.expand(len(which), -1, -1).gather(1, which[..., None].expand(-1, -1, 3))


def _circle(radius: Tensor, angle: Tensor) -> Tensor:
    return torch.stack(
        [radius * angle.cos(), radius * angle.sin(), torch.zeros_like(radius)], dim=-1
    )
