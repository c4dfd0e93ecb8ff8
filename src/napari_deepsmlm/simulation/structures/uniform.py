"""Uniform: molecules anywhere in the field of view."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from pydantic import Field, field_validator

from napari_deepsmlm.simulation.structures._base import StructureBase, ascending, slots, uniform

if TYPE_CHECKING:
    from torch import Tensor

    from napari_deepsmlm.simulation.structures._base import Geometry


class Uniform(StructureBase):
    """Molecules anywhere in the field of view, or in a volume."""

    kind: Literal["uniform"] = "uniform"
    z_nm: tuple[float, float] = Field((0.0, 0.0), description="Lowest and highest z, nm.")

    @field_validator("z_nm")
    @classmethod
    def _z_ascends(cls, value: tuple[float, float]) -> tuple[float, float]:
        ascending("z_nm", value)
        return value

    def realise(
        self, n: int, extent_nm: tuple[float, float], generator: torch.Generator
    ) -> Geometry:
        """Remember the extent: there is nothing else to draw."""
        return {"extent_nm": extent_nm}

    def place(
        self,
        geometry: Geometry,
        counts: Tensor,
        generator: torch.Generator,
        *,
        n_frames: float | Tensor = 1.0,
    ) -> tuple[Tensor, Tensor]:
        """Draw x, y and z uniformly."""
        is_there = slots(counts)
        size = tuple(is_there.shape)
        height, width = geometry["extent_nm"]
        x = uniform(size, 0, width, generator)
        y = uniform(size, 0, height, generator)
        low, high = self.z_nm
        z = torch.full_like(x, low) if low == high else uniform(size, low, high, generator)
        return torch.stack([x, y, z], dim=-1), is_there
