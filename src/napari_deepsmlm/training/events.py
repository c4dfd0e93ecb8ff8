"""What a training run reports while it goes on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Started:
    """The run begins, or goes on after a resume."""

    step: int
    n_parameters: int
    device: str
    precision: str


@dataclass(frozen=True, slots=True)
class StepDone:
    """One optimiser step."""

    step: int
    progress: float
    """0 to 1 of the planned steps or minutes."""
    loss: float
    learning_rate: float
    seconds: float
    """Duration of the step."""
    seconds_simulating: float
    """The part of it spent making the batch."""


@dataclass(frozen=True, slots=True)
class Validated:
    """The averaged weights were judged on the fixed validation set."""

    step: int
    loss: float
    is_best: bool
    scores: dict[str, float]
    """The threshold chosen, and what is reached with it; see `training.validation`."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A step whose gradient was not finite was left out."""

    step: int


@dataclass(frozen=True, slots=True)
class Saved:
    """Model and resume state are on disk."""

    step: int
    path: Path


@dataclass(frozen=True, slots=True)
class Finished:
    """The run is over."""

    step: int
    reason: str
    """`done` or `stopped`."""
    model_path: Path
    """The best model."""


Event = Started | StepDone | Validated | Skipped | Saved | Finished
