"""Events: what an adaptation tells while it runs; between these come those of training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from napari_deepsmlm.experiment import Experiment


@dataclass(frozen=True, slots=True)
class Planned:
    """The frames are measured, and the model is judged as it is."""

    model: str
    """Name of the model that it begins with."""
    experiment: Experiment
    """What is simulated and trained."""
    before: dict[str, float]
    """Scores on the held-out frames, see `adaptation.judging`."""
    sentences: tuple[str, ...]
    """What the frames told."""
    out: Path
    """Folder of the training run."""
    is_resumed: bool


@dataclass(frozen=True, slots=True)
class Watched:
    """The frames that are predicted at every validation, and what the model makes of them first."""

    frames: np.ndarray[Any, Any]
    """(B, C, H, W) photons."""
    images: tuple[np.ndarray[Any, Any], ...]
    """(r H, r W) molecules per super-resolution pixel, one per frame."""
    sr_pixel_nm: float
    origin_px: tuple[int, int]
    """Row and column of the stack's frames where they begin."""


@dataclass(frozen=True, slots=True)
class Adapted:
    """It is over: what to reconstruct with."""

    model: str
    """Name or file of the better of the two."""
    started_from: str
    before: dict[str, float]
    after: dict[str, float]
    seconds: float
    sentence: str
    is_better: bool = False
    """Whether the adapted model is; else `model` is the one it began with."""
    is_stopped: bool = False
    """It was stopped and saved; the same call goes on with it."""
