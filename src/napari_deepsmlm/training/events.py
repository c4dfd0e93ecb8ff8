"""What a training run reports while it goes on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np


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
    seconds_waiting: float
    """The part of it spent waiting for the batch to be made."""
    seconds_left: float
    """To the planned end, at the mean speed so far."""


@dataclass(frozen=True, slots=True)
class Validated:
    """The averaged weights were judged on the fixed validation set."""

    step: int
    loss: float
    is_best: bool
    scores: dict[str, float]
    """The threshold chosen, and what is reached with it; see `training.validation`. With
    `bound_lateral_nm` and `bound_axial_nm` where they are known: no method can be more precise."""


@dataclass(frozen=True, slots=True)
class Previewed:
    """What the averaged weights make of the frames to look at."""

    step: int
    images: tuple[np.ndarray[Any, Any], ...]
    """(r H, r W) molecules per super-resolution pixel, float32, one per frame."""


@dataclass(frozen=True, slots=True)
class RolledBack:
    """A gradient was not finite: the run went back to its last good weights, and on more slowly."""

    step: int
    learning_rate: float
    """The highest learning rate from now on."""


@dataclass(frozen=True, slots=True)
class Saved:
    """The run can be resumed from here."""

    step: int
    path: Path
    """The file to resume from."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The run is over."""

    step: int
    reason: str
    """`done`, `stopped`, or `converged` (see `Training.patience`)."""
    model_path: Path
    """The best model."""
    was_over: bool = False
    """Whether nothing was trained, as the resumed run had come to its end before."""


Event = Started | StepDone | Validated | Previewed | RolledBack | Saved | Finished
