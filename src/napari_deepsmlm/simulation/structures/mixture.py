"""Mixture: one of several structures, and the list of all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import torch
from pydantic import Field, model_validator

from napari_deepsmlm.simulation.structures._base import StructureBase, keep_first
from napari_deepsmlm.simulation.structures.filaments import Filaments
from napari_deepsmlm.simulation.structures.microtubules import Microtubules
from napari_deepsmlm.simulation.structures.patterns import Lines, SiemensStar
from napari_deepsmlm.simulation.structures.rings import NuclearPores, Rings
from napari_deepsmlm.simulation.structures.table import FromTable
from napari_deepsmlm.simulation.structures.uniform import Uniform

if TYPE_CHECKING:
    from torch import Tensor

    from napari_deepsmlm.simulation.structures._base import Geometry

SingleStructure = Annotated[
    Uniform | Filaments | Microtubules | Lines | SiemensStar | Rings | NuclearPores | FromTable,
    Field(discriminator="kind"),
]


class Mixture(StructureBase):
    """One of several structures, drawn anew for each frame of a batch."""

    kind: Literal["mixture"] = "mixture"
    parts: tuple[SingleStructure, ...] = (Uniform(), Filaments())
    weights: tuple[float, ...] | None = Field(
        None, description="Shares of the parts; equal if none."
    )

    @model_validator(mode="after")
    def _weights_fit(self) -> Mixture:
        if not self.parts:
            raise ValueError("parts: at least one structure is needed")
        if self.weights is not None and (
            len(self.weights) != len(self.parts) or min(self.weights) < 0 or sum(self.weights) <= 0
        ):
            raise ValueError("weights: one number >= 0 for each part is needed, not all zero")
        return self

    def realise(
        self, n: int, extent_nm: tuple[float, float], generator: torch.Generator
    ) -> Geometry:
        """Draw every part for every frame, and which one counts."""
        weights = torch.tensor(self.weights or [1.0] * len(self.parts), device=generator.device)
        return {
            "choice": torch.multinomial(weights, n, replacement=True, generator=generator),
            "parts": [part.realise(n, extent_nm, generator) for part in self.parts],
        }

    def place(
        self,
        geometry: Geometry,
        counts: Tensor,
        generator: torch.Generator,
        *,
        n_frames: float | Tensor = 1.0,
    ) -> tuple[Tensor, Tensor]:
        """Place molecules on the chosen part of each frame."""
        choice = geometry["choice"].expand(len(counts))
        placed = [
            part.place(drawn, counts * (choice == index), generator, n_frames=n_frames)
            for index, (part, drawn) in enumerate(zip(self.parts, geometry["parts"], strict=True))
        ]
        xyz_nm = torch.cat([xyz for xyz, _ in placed], dim=1)
        is_there = torch.cat([there for _, there in placed], dim=1)
        return keep_first(xyz_nm, is_there, counts)


Structure = Annotated[
    Uniform
    | Filaments
    | Microtubules
    | Lines
    | SiemensStar
    | Rings
    | NuclearPores
    | FromTable
    | Mixture,
    Field(discriminator="kind"),
]
