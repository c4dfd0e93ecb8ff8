"""Filaments: bundles of wavy filaments in a plane that run beside each other and cross."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import torch
from pydantic import Field, model_validator

from napari_deepsmlm.simulation.structures._base import (
    StructureBase,
    ascending,
    keep_first,
    normal,
    slots,
    uniform,
    whole,
)

if TYPE_CHECKING:
    from torch import Tensor

    from napari_deepsmlm.simulation.structures._base import Geometry


class Filaments(StructureBase):
    """Bundles of wavy filaments that run beside each other, spread and cross.

    Each bundle has a centre, a direction and a bend; its filaments lie side by side, each with
    its own small tilt and wave. Molecules sit on the surface of a tube (microtubule: 25 nm).
    """

    kind: Literal["filaments"] = "filaments"
    bundles: tuple[int, int] = Field((1, 3), description="Fewest and most bundles.")
    filaments_per_bundle: tuple[int, int] = Field((1, 8), description="Fewest and most in one.")
    spacing_nm: tuple[float, float] = Field((60.0, 500.0), description="Distance of neighbours.")
    tilt_degrees: float = Field(5.0, ge=0, le=90, description="Tilt of a filament, RMS degrees.")
    bend_um: float = Field(6.0, gt=0, description="Smallest radius of a bundle's bend, um.")
    wave_nm: tuple[float, float] = Field((0.0, 60.0), description="Amplitude of the waves, nm.")
    wavelength_nm: tuple[float, float] = Field((700.0, 3000.0), description="Their length, nm.")
    tube_diameter_nm: float = Field(25.0, ge=0, description="Diameter of a filament, nm.")
    centred: float = Field(
        0.0, ge=0, le=1, description="How far bundles keep to the middle: 0 anywhere, 1 through it."
    )
    most_per_um: float = Field(
        15.0, gt=0, description="Most emitting molecules per frame and um of filament."
    )

    @model_validator(mode="after")
    def _ranges_ascend(self) -> Filaments:
        for name in ("bundles", "filaments_per_bundle", "spacing_nm", "wave_nm", "wavelength_nm"):
            smallest = 0 if name in ("spacing_nm", "wave_nm") else 1
            ascending(name, getattr(self, name), smallest)
        return self

    def realise(
        self, n: int, extent_nm: tuple[float, float], generator: torch.Generator
    ) -> Geometry:
        """Draw centres, directions, bends and waves of n sets of bundles."""
        height, width = extent_nm
        n_bundles, n_each = self.bundles[1], self.filaments_per_bundle[1]
        bundle, filament = (n, n_bundles, 1), (n, n_bundles, n_each)
        spacing = uniform(filament, *self.spacing_nm, generator)
        bundles = whole((n, 1, 1), *self.bundles, generator)
        each = whole(bundle, *self.filaments_per_bundle, generator)
        device = generator.device
        is_used = (torch.arange(n_bundles, device=device)[:, None] < bundles) & (
            torch.arange(n_each, device=device) < each
        )
        offset = spacing.cumsum(-1)
        middle = (offset * is_used).amax(-1, keepdim=True) / 2
        spread = (1 - self.centred) / 2
        geometry = {
            "centre_x": width * uniform(bundle, 0.5 - spread, 0.5 + spread, generator),
            "centre_y": height * uniform(bundle, 0.5 - spread, 0.5 + spread, generator),
            "angle": uniform(bundle, 0, math.pi, generator)
            + math.radians(self.tilt_degrees) * normal(filament, generator),
            "offset": offset - middle,
            "bend": uniform(bundle, -1, 1, generator) / (1e3 * self.bend_um),
            "wave": uniform(filament, *self.wave_nm, generator),
            "wavenumber": 2 * math.pi / uniform(filament, *self.wavelength_nm, generator),
            "phase": uniform(filament, 0, 2 * math.pi, generator),
        }
        flat = {name: v.expand(filament).flatten(1) for name, v in geometry.items()}
        return {**flat, "is_used": is_used.flatten(1), "extent_nm": extent_nm}

    def place(
        self,
        geometry: Geometry,
        counts: Tensor,
        generator: torch.Generator,
        *,
        n_frames: float | Tensor = 1.0,
    ) -> tuple[Tensor, Tensor]:
        """Draw places along the curves and keep those inside the field of view."""
        n, n_candidates = len(counts), 4 * max(int(counts.max()), 1)
        weights = geometry["is_used"].float().expand(n, -1)
        which = torch.multinomial(weights, n_candidates, replacement=True, generator=generator)
        reach = math.hypot(*geometry["extent_nm"])
        along = uniform((n, n_candidates), -reach, reach, generator)
        around = uniform((n, n_candidates), 0, 2 * math.pi, generator)
        # In a mixture most frames may show something else: no curves are worked out for them.
        rows = counts.nonzero()[:, 0]
        if len(rows) == 0:
            return around.new_zeros(n, 0, 3), slots(counts)
        shown = {
            name: values.expand(n, -1)[rows] if torch.is_tensor(values) else values
            for name, values in geometry.items()
        }
        xyz_nm, is_inside = self._on_curves(shown, which[rows], along[rows], around[rows])
        # Candidates are spread over 2 * reach of each filament: the share that lies inside the
        # field is its visible length over 2 * reach.
        length_um = is_inside.float().mean(1) * weights[rows].sum(1) * 2 * reach / 1e3
        per_um = self.most_per_um * torch.as_tensor(n_frames, device=rows.device).expand(n)[rows]
        most = (per_um * length_um).long()
        xyz_nm, is_there = keep_first(xyz_nm, is_inside, counts[rows].minimum(most))
        everywhere = xyz_nm.new_zeros(n, *xyz_nm.shape[1:])
        placed = is_there.new_zeros(n, is_there.shape[1])
        everywhere[rows], placed[rows] = xyz_nm, is_there
        return everywhere, placed

    def _on_curves(
        self, geometry: Geometry, which: Tensor, along: Tensor, around: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Place candidates (B, N) on filaments `which`, and tell who is in the field of view."""

        def pick(name: str) -> Tensor:
            values: Tensor = geometry[name]
            return values.gather(1, which)

        height, width = geometry["extent_nm"]
        wave = pick("wave") * torch.sin(pick("wavenumber") * along + pick("phase"))
        across = pick("offset") + wave + pick("bend") * along.square() / 2
        across = across + self.tube_diameter_nm / 2 * around.cos()
        angle = pick("angle")
        cosine, sine = angle.cos(), angle.sin()
        x = pick("centre_x") + along * cosine - across * sine
        y = pick("centre_y") + along * sine + across * cosine
        xyz_nm = torch.stack([x, y, self.tube_diameter_nm / 2 * around.sin()], dim=-1)
        return xyz_nm, (x >= 0) & (x < width) & (y >= 0) & (y < height)
