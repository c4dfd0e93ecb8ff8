"""Microtubules: 25 nm tubes along smooth curves in space."""

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
    whole,
)

if TYPE_CHECKING:
    from torch import Tensor

    from napari_deepsmlm.simulation.structures._base import Geometry

# A chord this long leaves a bend of 1 um radius by less than half a nm.
STEP_NM = 60.0
# Steepest climb of a filament, rise over run: microtubules lie nearly flat in a cell.
STEEPEST = 0.3


class Microtubules(StructureBase):
    """Tubes whose heading and height vary smoothly, as in the SMLM Challenge 2016.

    Molecules sit on the surface of the tube, evenly along its length (Sage et al. 2019,
    doi:10.1038/s41592-019-0364-4: outer diameter 25 nm). The heading swings as a sine of the
    path length, so that the bend has a smallest radius; the height likewise, within `z_nm`.
    """

    kind: Literal["microtubules"] = "microtubules"
    filaments: tuple[int, int] = Field((3, 8), description="Fewest and most in the field of view.")
    diameter_nm: float = Field(25.0, ge=0, le=1000, description="Diameter of a tube, nm.")
    z_nm: tuple[float, float] = Field(
        (-300.0, 300.0), description="Lowest and highest z of the centre line, nm."
    )
    bend_um: float = Field(3.0, ge=1, description="Smallest radius of a bend, um.")
    wavelength_um: tuple[float, float] = Field(
        (4.0, 12.0), description="Path from one swing to the next, um."
    )

    @model_validator(mode="after")
    def _ranges_ascend(self) -> Microtubules:
        ascending("filaments", self.filaments, 1)
        ascending("z_nm", self.z_nm)
        ascending("wavelength_um", self.wavelength_um, 1)
        return self

    def realise(
        self, n: int, extent_nm: tuple[float, float], generator: torch.Generator
    ) -> Geometry:
        """Draw the centre lines as chains of short segments.

        Returns
        -------
        start, along : (n, F · S, 3) nm, first end and direction of each segment.
        weight : (n, F · S) nm of tube that a segment has inside the field of view.
        """
        height, width = extent_nm
        most = self.filaments[1]
        one = (n, most, 1)
        reach = math.hypot(height, width)
        n_half = math.ceil(reach / STEP_NM)
        path = STEP_NM * torch.arange(-n_half, n_half + 1, device=generator.device)
        wavelength = 1e3 * uniform(one, *self.wavelength_um, generator)
        swing = wavelength / (2e3 * math.pi * self.bend_um) * uniform(one, 0.3, 1, generator)
        phase = uniform(one, 0, 2 * math.pi, generator)
        middle = (path[1:] + path[:-1]) / 2
        heading = uniform(one, 0, 2 * math.pi, generator) + swing * torch.sin(
            2 * math.pi * middle / wavelength + phase
        )
        steps = STEP_NM * torch.stack([heading.cos(), heading.sin()], dim=-1)
        ends = torch.cat([torch.zeros_like(steps[:, :, :1]), steps.cumsum(2)], dim=2)
        ends = ends - ends[:, :, n_half : n_half + 1]
        ends = ends + uniform((n, most, 1, 2), 0, 1, generator) * ends.new_tensor([width, height])
        nodes = torch.cat([ends, self._height(one, path, generator)[..., None]], dim=-1)
        start, along = nodes[:, :, :-1], nodes.diff(dim=2)
        x, y = (start + along / 2)[..., :2].unbind(-1)
        is_inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        is_used = torch.arange(most, device=x.device) < whole((n, 1), *self.filaments, generator)
        weight = along.norm(dim=-1) * is_inside * is_used[..., None]
        return {
            "start": start.flatten(1, 2),
            "along": along.flatten(1, 2),
            "weight": weight.flatten(1),
        }

    def place(
        self,
        geometry: Geometry,
        counts: Tensor,
        generator: torch.Generator,
        *,
        n_frames: float | Tensor = 1.0,
    ) -> tuple[Tensor, Tensor]:
        """Draw places on the tubes' surfaces, evenly along their length."""
        is_there = slots(counts)
        size = tuple(is_there.shape)
        which = pick(geometry["weight"].expand(len(counts), -1), size[1], generator)[..., None]

        def at(name: str) -> Tensor:
            values: Tensor = geometry[name]
            return values.expand(len(counts), -1, -1).gather(1, which.expand(-1, -1, 3))

        along = at("along")
        tangent = along / along.norm(dim=-1, keepdim=True)
        level = torch.stack(
            [-tangent[..., 1], tangent[..., 0], torch.zeros_like(tangent[..., 0])], dim=-1
        )
        level = level / level.norm(dim=-1, keepdim=True)
        upright = torch.linalg.cross(tangent, level)
        around = uniform((*size, 1), 0, 2 * math.pi, generator)
        offset = self.diameter_nm / 2 * (around.cos() * level + around.sin() * upright)
        xyz_nm = at("start") + uniform((*size, 1), 0, 1, generator) * along + offset
        return xyz_nm, is_there

    def _height(self, one: tuple[int, ...], path: Tensor, generator: torch.Generator) -> Tensor:
        """(S + 1,) path lengths -> (n, F, S + 1) z of the nodes."""
        low, high = self.z_nm
        wavelength = 1e3 * uniform(one, *self.wavelength_um, generator)
        swing = (high - low) / 2 * uniform(one, 0, 1, generator)
        swing = swing.minimum(STEEPEST / (2 * math.pi) * wavelength)
        level = (low + swing) + (high - low - 2 * swing) * uniform(one, 0, 1, generator)
        phase = uniform(one, 0, 2 * math.pi, generator)
        return level + swing * torch.sin(2 * math.pi * path / wavelength + phase)
