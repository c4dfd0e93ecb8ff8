"""Simulation: what blinks in front of the camera."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, field_validator, model_validator

from napari_deepsmlm._base import FrozenModel
from napari_deepsmlm.simulation.blinking import Blinking, Independent
from napari_deepsmlm.simulation.motion import Drift, plane_shifts_nm
from napari_deepsmlm.simulation.movement import Movement
from napari_deepsmlm.simulation.structures import Structure, Uniform

if TYPE_CHECKING:
    import torch

    from napari_deepsmlm.psf import PSF

# Most frames in a sum: float32 still counts single photons in their total.
MAX_SUMMED = 10_000


class Simulation(FrozenModel):
    """What blinks in front of the camera. A range is drawn anew for each frame."""

    structure: Structure = Field(Uniform(), description="Where the molecules sit.")
    blinking: Blinking = Field(Independent(), description="When the molecules emit.")
    density_per_um2: tuple[float, float] = Field(
        (0.5, 8.0), description="Emitting molecules per frame and square micrometre."
    )
    photons: tuple[float, float] = Field(
        (2000.0, 2500.0), description="Photons of a molecule in a frame, uniform."
    )
    photons_sd: float = Field(
        0.0, ge=0, description="Normal spread added to `photons`, kept at 1 photon or more."
    )
    brightness: tuple[float, float] = Field(
        (1.0, 1.0), description="Factor on all photons of a frame, log-uniform."
    )
    background: tuple[float, float] = Field(
        (20.0, 50.0), description="Background photons per pixel, uniform over a frame."
    )
    unevenness: float = Field(
        0.0, ge=0, le=1, description="Largest smooth deviation of the background, as a share of it."
    )
    unevenness_px: float = Field(
        24.0, ge=2, description="Size of the background's bright and dim parts, camera pixels."
    )
    sum_frames: tuple[int, int] = Field(
        (1, 1),
        description="Frames of one structure that are summed for a sample of a batch, log-uniform; "
        "movies are not summed.",
    )
    drift: Drift = Field(Drift(), description="Movement of the sample in a movie.")
    movement: Movement = Field(
        Movement(), description="Movement, bending or growth of the structure in a movie."
    )
    plane_shift_nm: float = Field(
        0.0, ge=0, le=10_000, description="Largest shift of a focal plane against the first, nm."
    )
    plane_shift_choices_nm: tuple[float, ...] = Field(
        (),
        max_length=64,
        description="Shifts along x and along y that a focal plane has one of, nm, instead of any "
        "up to the largest; none: any.",
    )
    margin_px: int | None = Field(
        None,
        ge=0,
        le=500,
        description="Molecules this far outside the frame still light its edge, camera pixels; "
        "as far as the PSF reaches if left out.",
    )

    def plane_shifts_nm(
        self, n: int, n_planes: int, generator: torch.Generator
    ) -> torch.Tensor | None:
        """Return (n, n_planes, 2) x and y shifts of focal planes against the first, or None."""
        return plane_shifts_nm(
            n, n_planes, self.plane_shift_nm, generator, self.plane_shift_choices_nm
        )

    def margin_nm(self, psf: PSF) -> float:
        """Return how far outside the frame molecules are drawn."""
        margin_px = psf.reach_px if self.margin_px is None else self.margin_px
        return margin_px * psf.pixel_size_nm

    @field_validator("density_per_um2", "photons", "brightness", "background")
    @classmethod
    def _ascending(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0 <= value[0] <= value[1]:
            raise ValueError("must be two numbers >= 0, the smaller first")
        return value

    @field_validator("brightness")
    @classmethod
    def _positive(cls, value: tuple[float, float]) -> tuple[float, float]:
        if value[0] == 0:
            raise ValueError("must be above 0")
        return value

    @field_validator("plane_shift_choices_nm")
    @classmethod
    def _near(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if any(abs(shift) > 10_000 for shift in value):
            raise ValueError("must be within 10,000 nm")
        return value

    @field_validator("sum_frames")
    @classmethod
    def _some_frames(cls, value: tuple[int, int]) -> tuple[int, int]:
        if not 1 <= value[0] <= value[1] <= MAX_SUMMED:
            raise ValueError(f"must be two numbers from 1 to {MAX_SUMMED}, the smaller first")
        return value

    @model_validator(mode="after")
    def _sums_are_independent(self) -> Simulation:
        if self.sum_frames[1] > 1 and not isinstance(self.blinking, Independent):
            raise ValueError("sum_frames: needs blinking that is independent from frame to frame")
        return self
