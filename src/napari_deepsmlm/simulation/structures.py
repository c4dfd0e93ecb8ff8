"""Structures: where molecules sit, drawn for a whole batch at once."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch
from pydantic import Field, model_validator

from napari_deepsmlm._base import FrozenModel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    Geometry = Mapping[str, Any]


class _Structure(FrozenModel, ABC):
    @abstractmethod
    def realise(
        self, n: int, extent_nm: tuple[float, float], generator: torch.Generator
    ) -> Geometry:
        """Draw n structures that fill a field of view of (height, width) nm."""

    @abstractmethod
    def place(
        self, geometry: Geometry, counts: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Put molecules on structures.

        Parameters
        ----------
        geometry : what :meth:`realise` returned, of as many structures as `counts` has entries,
            or of one that serves all.
        counts : (B,) molecules wanted in each frame.

        Returns
        -------
        xyz_nm : (B, E, 3) nm from the corner of the field of view, E >= counts.max().
        is_there : (B, E) which of them exist; the others are padding.
        """


class Uniform(_Structure):
    """Molecules anywhere in the field of view."""

    kind: Literal["uniform"] = "uniform"

    def realise(
        self, n: int, extent_nm: tuple[float, float], generator: torch.Generator
    ) -> Geometry:
        """Remember the extent: there is nothing else to draw."""
        return {"extent_nm": extent_nm}

    def place(
        self, geometry: Geometry, counts: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Draw x and y uniformly, z = 0."""
        is_there = _first(counts, int(counts.max()))
        height, width = geometry["extent_nm"]
        x = _uniform(is_there.shape, 0, width, generator)
        y = _uniform(is_there.shape, 0, height, generator)
        return torch.stack([x, y, torch.zeros_like(x)], dim=-1), is_there


class Filaments(_Structure):
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
            low, high = getattr(self, name)
            smallest = 0 if name in ("spacing_nm", "wave_nm") else 1
            if not smallest <= low <= high:
                raise ValueError(f"{name}: must be two numbers >= {smallest}, the smaller first")
        return self

    def realise(
        self, n: int, extent_nm: tuple[float, float], generator: torch.Generator
    ) -> Geometry:
        """Draw centres, directions, bends and waves of n sets of bundles."""
        height, width = extent_nm
        n_bundles, n_each = self.bundles[1], self.filaments_per_bundle[1]
        bundle, filament = (n, n_bundles, 1), (n, n_bundles, n_each)
        spacing = _uniform(filament, *self.spacing_nm, generator)
        bundles = _whole((n, 1, 1), *self.bundles, generator)
        each = _whole(bundle, *self.filaments_per_bundle, generator)
        device = generator.device
        is_used = (torch.arange(n_bundles, device=device)[:, None] < bundles) & (
            torch.arange(n_each, device=device) < each
        )
        offset = spacing.cumsum(-1)
        middle = (offset * is_used).amax(-1, keepdim=True) / 2
        spread = (1 - self.centred) / 2
        geometry = {
            "centre_x": width * _uniform(bundle, 0.5 - spread, 0.5 + spread, generator),
            "centre_y": height * _uniform(bundle, 0.5 - spread, 0.5 + spread, generator),
            "angle": _uniform(bundle, 0, math.pi, generator)
            + math.radians(self.tilt_degrees) * _normal(filament, generator),
            "offset": offset - middle,
            "bend": _uniform(bundle, -1, 1, generator) / (1e3 * self.bend_um),
            "wave": _uniform(filament, *self.wave_nm, generator),
            "wavenumber": 2 * math.pi / _uniform(filament, *self.wavelength_nm, generator),
            "phase": _uniform(filament, 0, 2 * math.pi, generator),
        }
        flat = {name: v.expand(filament).flatten(1) for name, v in geometry.items()}
        return {**flat, "is_used": is_used.flatten(1), "extent_nm": extent_nm}

    def place(
        self, geometry: Geometry, counts: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Draw places along the curves and keep those inside the field of view."""
        height, width = geometry["extent_nm"]
        n_candidates = 4 * max(int(counts.max()), 1)
        size = (len(counts), n_candidates)
        weights = geometry["is_used"].float().expand(len(counts), -1)
        which = torch.multinomial(weights, n_candidates, replacement=True, generator=generator)

        def pick(name: str) -> Tensor:
            values: Tensor = geometry[name]
            return values.expand(len(counts), -1).gather(1, which)

        reach = math.hypot(height, width)
        along = _uniform(size, -reach, reach, generator)
        wave = pick("wave") * torch.sin(pick("wavenumber") * along + pick("phase"))
        across = pick("offset") + wave + pick("bend") * along.square() / 2
        around = _uniform(size, 0, 2 * math.pi, generator)
        across = across + self.tube_diameter_nm / 2 * around.cos()
        angle = pick("angle")
        xyz_nm = torch.stack(
            [
                pick("centre_x") + along * angle.cos() - across * angle.sin(),
                pick("centre_y") + along * angle.sin() + across * angle.cos(),
                self.tube_diameter_nm / 2 * around.sin(),
            ],
            dim=-1,
        )
        x, y = xyz_nm[..., 0], xyz_nm[..., 1]
        is_inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        # Candidates cover 2 * reach of each filament, so the share inside measures its length.
        length_um = is_inside.float().mean(1) * weights.sum(1) * 2 * reach / 1e3
        return _keep_first(xyz_nm, is_inside, counts.minimum((self.most_per_um * length_um).long()))


class Mixture(_Structure):
    """One of several structures, drawn anew for each frame of a batch."""

    kind: Literal["mixture"] = "mixture"
    parts: tuple[Uniform | Filaments, ...] = (Uniform(), Filaments())
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
        self, geometry: Geometry, counts: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Place molecules on the chosen part of each frame."""
        choice = geometry["choice"].expand(len(counts))
        placed = [
            part.place(drawn, counts * (choice == index), generator)
            for index, (part, drawn) in enumerate(zip(self.parts, geometry["parts"], strict=True))
        ]
        xyz_nm = torch.cat([xyz for xyz, _ in placed], dim=1)
        is_there = torch.cat([there for _, there in placed], dim=1)
        return _keep_first(xyz_nm, is_there, counts)


Structure = Annotated[Uniform | Filaments | Mixture, Field(discriminator="kind")]


def _keep_first(xyz_nm: Tensor, is_good: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Move the good candidates of each frame to the front and keep `counts` of them."""
    n_kept = min(max(int(counts.max()), 0), is_good.shape[1])
    order = torch.sort(is_good.byte(), dim=1, descending=True, stable=True).indices[:, :n_kept]
    found = torch.minimum(counts, is_good.sum(1))
    return xyz_nm.gather(1, order[..., None].expand(-1, -1, 3)), _first(found, n_kept)


def _first(counts: Tensor, n: int) -> Tensor:
    return torch.arange(n, device=counts.device) < counts[:, None]


def _uniform(size: tuple[int, ...], low: float, high: float, generator: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(size, generator=generator, device=generator.device)


def _normal(size: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randn(size, generator=generator, device=generator.device)


def _whole(size: tuple[int, ...], low: int, high: int, generator: torch.Generator) -> Tensor:
    return torch.randint(low, high + 1, size, generator=generator, device=generator.device)
