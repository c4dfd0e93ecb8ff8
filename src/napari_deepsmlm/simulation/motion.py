"""Motion: the stage that drifts during a movie, and focal planes that are not aligned."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from pydantic import Field, field_validator

from napari_deepsmlm._base import FrozenModel

if TYPE_CHECKING:
    from torch import Tensor

Vector = tuple[float, float, float]


class Drift(FrozenModel):
    """Movement of the whole sample in a movie: a steady one, and a random walk upon it."""

    per_frame_nm: Vector = Field((0.0, 0.0, 0.0), description="Steady drift in x, y and z, nm.")
    walk_nm: Vector = Field(
        (0.0, 0.0, 0.0), description="RMS step of a random walk in x, y and z, nm per frame."
    )

    @field_validator("per_frame_nm", "walk_nm")
    @classmethod
    def _is_slow(cls, value: Vector) -> Vector:
        if max(map(abs, value)) > 1000:
            raise ValueError("must be three numbers of at most 1000 nm per frame")
        return value

    @field_validator("walk_nm")
    @classmethod
    def _not_negative(cls, value: Vector) -> Vector:
        if min(value) < 0:
            raise ValueError("must be three numbers >= 0")
        return value

    @property
    def is_still(self) -> bool:
        """Whether nothing moves."""
        return not any(self.per_frame_nm) and not any(self.walk_nm)

    def reach_nm(self, n_frames: int) -> float:
        """Return how far x or y may go in a movie (the walk: 4 standard deviations)."""
        return max(
            abs(steady) * n_frames + 4 * walk * math.sqrt(n_frames)
            for steady, walk in zip(self.per_frame_nm[:2], self.walk_nm[:2], strict=True)
        )

    def path_nm(self, n: int, before: Tensor | None, generator: torch.Generator) -> Tensor:
        """Return (n, 3) nm of the next frames, from the (3,) of the frame before.

        The first frame of a movie, which has none before, is where drift is 0.
        """
        device = generator.device
        steps = torch.randn(n, 3, generator=generator, device=device)
        steps = steps * torch.tensor(self.walk_nm, device=device)
        steps = steps + torch.tensor(self.per_frame_nm, device=device)
        if before is None:
            steps[:1] = 0
            return steps.cumsum(0)
        return before + steps.cumsum(0)


def plane_shifts_nm(
    n: int,
    n_planes: int,
    largest_nm: float,
    generator: torch.Generator,
    choices_nm: tuple[float, ...] = (),
) -> Tensor | None:
    """Return (n, n_planes, 2) x and y shifts of focal planes against the first, or None.

    Each is uniform in ± `largest_nm`, or one of the choices, each as likely as another, if there
    are any. Nothing is drawn where there is nothing to shift.
    """
    if n_planes == 1 or (largest_nm == 0 and not choices_nm):
        return None
    shifts = torch.rand(n, n_planes, 2, generator=generator, device=generator.device)
    if choices_nm:
        shifts = shifts.new_tensor(choices_nm)[(shifts * len(choices_nm)).long()]
    else:
        shifts = largest_nm * (2 * shifts - 1)
    shifts[:, 0] = 0
    return shifts
