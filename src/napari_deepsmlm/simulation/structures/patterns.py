"""Patterns: test targets of known geometry, lines at a distance and the Siemens star."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import torch
from pydantic import Field, model_validator

from napari_deepsmlm.simulation.structures._base import (
    StructureBase,
    ascending,
    pick,
    slots,
    uniform,
)

if TYPE_CHECKING:
    from torch import Tensor

    from napari_deepsmlm.simulation.structures._base import Geometry


class Lines(StructureBase):
    """Straight lines through the field of view, parallel or crossing in its middle.

    Neighbours are `distance_nm` apart in the middle and `crossing_degrees` apart in direction;
    a distance of 0 makes them cross there. What resolves them resolves that distance.
    """

    kind: Literal["lines"] = "lines"
    n_lines: int = Field(2, ge=1, le=1000, description="Number of lines.")
    distance_nm: float = Field(50.0, ge=0, description="Distance of neighbouring lines, nm.")
    crossing_degrees: float = Field(
        0.0, ge=0, le=180, description="Angle between neighbouring lines; 0 is parallel."
    )
    angle_degrees: float | None = Field(
        None, description="Direction of the middle of the fan, from +x to +y; random if none."
    )
    thickness_nm: float = Field(0.0, ge=0, description="Width across which molecules spread, nm.")
    z_nm: tuple[float, float] = Field((0.0, 0.0), description="Lowest and highest z, nm.")

    @model_validator(mode="after")
    def _ranges_ascend(self) -> Lines:
        ascending("z_nm", self.z_nm)
        return self

    def realise(
        self, n: int, extent_nm: tuple[float, float], generator: torch.Generator
    ) -> Geometry:
        """Find the chord of each line inside the field of view.

        Returns
        -------
        middle, direction : (n, L, 2) nm and unit vectors.
        low, high : (n, L) nm along the direction where the line enters and leaves.
        """
        height, width = extent_nm
        rank = torch.arange(self.n_lines, device=generator.device) - (self.n_lines - 1) / 2
        angle = _angle(self.angle_degrees, (n, 1), generator)
        across = torch.stack([-angle.sin(), angle.cos()], dim=-1)
        centre = across.new_tensor([width / 2, height / 2])
        middle = centre + across * (self.distance_nm * rank)[:, None]
        turned = angle + math.radians(self.crossing_degrees) * rank
        direction = torch.stack([turned.cos(), turned.sin()], dim=-1)
        low, high = _chord(middle, direction, centre)
        return {"middle": middle, "direction": direction, "low": low, "high": high}

    def place(
        self,
        geometry: Geometry,
        counts: Tensor,
        generator: torch.Generator,
        *,
        n_frames: float | Tensor = 1.0,
    ) -> tuple[Tensor, Tensor]:
        """Draw places evenly along the lines; a field that no line meets has no molecules."""
        length = (geometry["high"] - geometry["low"]).clamp(min=0).expand(len(counts), -1)
        is_there = slots(counts * (length.sum(1) > 0))
        size = tuple(is_there.shape)
        which = pick(length + 1e-9, size[1], generator)

        def at(name: str) -> Tensor:
            values: Tensor = geometry[name].expand(len(counts), *geometry[name].shape[1:])
            if values.ndim == 2:
                return values.gather(1, which)
            return values.gather(1, which[..., None].expand(-1, -1, 2))

        low, high, direction = at("low"), at("high"), at("direction")
        along = low + (high - low) * uniform(size, 0, 1, generator)
        half = self.thickness_nm / 2
        across = uniform(size, -half, half, generator)
        x = at("middle")[..., 0] + along * direction[..., 0] - across * direction[..., 1]
        y = at("middle")[..., 1] + along * direction[..., 1] + across * direction[..., 0]
        return torch.stack([x, y, uniform(size, *self.z_nm, generator)], dim=-1), is_there


class SiemensStar(StructureBase):
    """Spokes that narrow towards the middle: at radius r they are pi · r / n_spokes wide."""

    kind: Literal["siemens_star"] = "siemens_star"
    n_spokes: int = Field(16, ge=1, le=1000, description="Number of spokes; gaps are as wide.")
    radius_um: float | None = Field(
        None, gt=0, description="Outer radius, um; fills the field of view if none."
    )
    angle_degrees: float | None = Field(
        None, description="Direction of a spoke's edge, from +x to +y; random if none."
    )
    z_nm: tuple[float, float] = Field((0.0, 0.0), description="Lowest and highest z, nm.")

    @model_validator(mode="after")
    def _ranges_ascend(self) -> SiemensStar:
        ascending("z_nm", self.z_nm)
        return self

    def realise(
        self, n: int, extent_nm: tuple[float, float], generator: torch.Generator
    ) -> Geometry:
        """Draw the direction of each star."""
        fitting = 0.42 * min(extent_nm)
        return {
            "angle": _angle(self.angle_degrees, (n, 1), generator),
            "centre": (extent_nm[1] / 2, extent_nm[0] / 2),
            "radius_nm": fitting if self.radius_um is None else 1e3 * self.radius_um,
        }

    def place(
        self,
        geometry: Geometry,
        counts: Tensor,
        generator: torch.Generator,
        *,
        n_frames: float | Tensor = 1.0,
    ) -> tuple[Tensor, Tensor]:
        """Draw places evenly over the area of the spokes."""
        is_there = slots(counts)
        size = tuple(is_there.shape)
        radius = geometry["radius_nm"] * uniform(size, 0, 1, generator).sqrt()
        # Half a period is spoke: a random spoke plus a random place within its half.
        spoke = (uniform(size, 0, self.n_spokes, generator)).floor().clamp(max=self.n_spokes - 1)
        turns = (spoke + uniform(size, 0, 0.5, generator)) / self.n_spokes
        angle = geometry["angle"] + 2 * math.pi * turns
        x, y = geometry["centre"]
        flat = [x + radius * angle.cos(), y + radius * angle.sin()]
        return torch.stack([*flat, uniform(size, *self.z_nm, generator)], dim=-1), is_there


def _angle(degrees: float | None, size: tuple[int, ...], generator: torch.Generator) -> Tensor:
    if degrees is None:
        return uniform(size, 0, 2 * math.pi, generator)
    return torch.full(size, math.radians(degrees), device=generator.device)


def _chord(middle: Tensor, direction: Tensor, centre: Tensor) -> tuple[Tensor, Tensor]:
    """Where lines enter and leave the box of half-sides `centre` around it (slab method)."""
    slope = torch.where(direction.abs() < 1e-6, direction.new_tensor(1e-6), direction)
    ends = torch.stack([-centre, centre])[:, None, None] + centre - middle
    sides = ends / slope  # (2, n, L, 2): both sides of both axes
    low, high = sides.amin(0).amax(-1), sides.amax(0).amin(-1)
    return low, high.maximum(low)
