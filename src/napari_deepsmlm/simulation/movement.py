"""Movement: a structure that moves, bends or grows during a movie, as in a living cell."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from pydantic import Field, field_validator

from napari_deepsmlm._base import FrozenModel

if TYPE_CHECKING:
    from torch import Tensor

    from napari_deepsmlm.localizations import Localizations

Vector = tuple[float, float, float]


class Movement(FrozenModel):
    """How places at frame 0 move: a bend about the middle of the frame, then a shift.

    A point that is u along the direction from the middle moves aside by `bend_nm` per frame times
    (u / 1 um)^2, and all points by `per_frame_nm`. What grows has molecules only up to a tip that
    advances along the direction. Each molecule is told in the truth where it is in its frame, and
    :meth:`at_time` brings the truth of a movie to one moment.

    Examples
    --------
    >>> from napari_deepsmlm.localizations import Localizations
    >>> movement = Movement(per_frame_nm=(5, 0, 0))
    >>> seen = Localizations(frame=[0, 10], x_nm=[100.0, 150.0], y_nm=[0.0, 0.0])
    >>> movement.at_time(seen, 20, middle_nm=(0, 0)).x_nm.tolist()
    [200.0, 200.0]
    """

    per_frame_nm: Vector = Field((0.0, 0.0, 0.0), description="Shift in x, y and z, nm per frame.")
    bend_nm: float = Field(
        0.0,
        ge=-1000,
        le=1000,
        description="Movement aside of points 1 um along the direction from the middle, nm per "
        "frame.",
    )
    grow_nm: float = Field(
        0.0, ge=-10_000, le=10_000, description="Advance of the tip, nm per frame; 0: no tip."
    )
    tip_nm: float = Field(
        0.0, ge=-1e6, le=1e6, description="Where the tip is at frame 0, nm from the middle."
    )
    direction_degrees: float = Field(
        0.0, ge=-360, le=360, description="Of growth and of what bends: 0 along x, 90 along y."
    )
    turn_frames: float | None = Field(
        None, gt=0, description="The movement turns back each time after so many; none: never."
    )

    @field_validator("per_frame_nm")
    @classmethod
    def _is_slow(cls, value: Vector) -> Vector:
        if max(map(abs, value)) > 10_000:
            raise ValueError("must be three numbers of at most 10,000 nm per frame")
        return value

    @property
    def is_still(self) -> bool:
        """Whether nothing moves."""
        return not any(self.per_frame_nm) and not self.bend_nm and not self.grow_nm

    def reach_nm(self, n_frames: int, sides_nm: tuple[float, float]) -> float:
        """Return how far x or y may go in a movie of frames of these sides."""
        longest = n_frames if self.turn_frames is None else min(n_frames, self.turn_frames)
        aside = abs(self.bend_nm) * (math.hypot(*sides_nm) / 2e3) ** 2
        return longest * (max(map(abs, self.per_frame_nm[:2])) + aside)

    def moved(self, xyz_nm: Tensor, frame: Tensor, middle_nm: tuple[float, float]) -> Tensor:
        """Return (..., 3) where places of frame 0 are at (...) frames; `middle_nm` is x, y."""
        passed = self._passed(frame)
        bent = xyz_nm + self._aside(xyz_nm, passed, middle_nm)
        return bent + passed[..., None] * xyz_nm.new_tensor(self.per_frame_nm)

    def is_grown(self, xyz_nm: Tensor, frame: Tensor, middle_nm: tuple[float, float]) -> Tensor:
        """Return (...) whether the growing tip has passed places of frame 0 at (...) frames."""
        along = self._along(xyz_nm, middle_nm)
        if not self.grow_nm:
            return torch.ones_like(along + frame, dtype=torch.bool)
        return along <= self.tip_nm + self.grow_nm * self._passed(frame)

    def at_time(
        self, truth: Localizations, frame: float, middle_nm: tuple[float, float]
    ) -> Localizations:
        """Return the molecules of a movie where they are at one frame, without what is not grown.

        Parameters
        ----------
        truth : of a movie without drift: each molecule where it was in its frame.
        frame : the moment; need not be whole.
        middle_nm : (x, y) of the middle of the frames.
        """
        table = truth.to_numpy()
        columns = [torch.as_tensor(table[name]).double() for name in ("x_nm", "y_nm")]
        has_z = "z_nm" in table
        columns.append(torch.as_tensor(table["z_nm"]).double() if has_z else columns[0] * 0)
        seen = torch.stack(columns, -1)
        passed = self._passed(torch.as_tensor(table.frame).double())
        bent = seen - passed[..., None] * seen.new_tensor(self.per_frame_nm)
        rest = bent - self._aside(bent, passed, middle_nm)  # a bend leaves `along` as it is
        now = torch.full((len(seen),), float(frame), dtype=torch.float64)
        there = self.moved(rest, now, middle_nm)
        names = ("x_nm", "y_nm", "z_nm") if has_z else ("x_nm", "y_nm")
        moved = {name: there[:, k].numpy() for k, name in enumerate(names)}
        is_grown = self.is_grown(rest, now, middle_nm).numpy()
        return table.with_columns(**moved)[is_grown]

    def _passed(self, frame: Tensor) -> Tensor:
        """Return frames of movement since frame 0, less those that it went back."""
        if self.turn_frames is None:
            return frame
        phase = frame % (2 * self.turn_frames)
        return torch.minimum(phase, 2 * self.turn_frames - phase)

    def _along(self, xyz_nm: Tensor, middle_nm: tuple[float, float]) -> Tensor:
        angle = math.radians(self.direction_degrees)
        x, y = xyz_nm[..., 0] - middle_nm[0], xyz_nm[..., 1] - middle_nm[1]
        return x * math.cos(angle) + y * math.sin(angle)

    def _aside(self, xyz_nm: Tensor, passed: Tensor, middle_nm: tuple[float, float]) -> Tensor:
        """(..., 3) nm of the bend, across the direction."""
        angle = math.radians(self.direction_degrees)
        across = xyz_nm.new_tensor([-math.sin(angle), math.cos(angle), 0.0])
        along_um = self._along(xyz_nm, middle_nm) / 1e3
        return (self.bend_nm * passed * along_um.square())[..., None] * across
