"""Training settings: how long, how fast, on how much."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field

from napari_deepsmlm._base import FrozenModel


class Training(FrozenModel):
    """How a network is trained."""

    steps: int = Field(20_000, ge=1, description="Optimiser steps.")
    minutes: float | None = Field(
        None, gt=0, description="If given, the time that replaces the number of steps."
    )
    batch_size: int = Field(8, ge=1, description="Patches per step.")
    patch_px: int = Field(32, ge=8, description="Side of a patch, camera pixels.")
    learning_rate: float = Field(2e-3, gt=0, description="Highest learning rate.")
    warmup: float = Field(0.02, ge=0, lt=1, description="Share of the run with a rising rate.")
    weight_decay: float = Field(1e-4, ge=0, description="Of AdamW.")
    clip_norm: float = Field(10.0, gt=0, description="Largest norm of the gradient.")
    averaging: float = Field(
        0.999, ge=0, lt=1, description="Memory of the moving average of the weights."
    )
    fix_norm_after: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Share of the run after which batch norm keeps its statistics, as in use; "
        "those of a small batch differ.",
    )
    validate_every: int = Field(500, ge=1, description="Steps between validations.")
    validation_frames: int = Field(24, ge=1, description="Frames in the validation set.")
    validation_px: int | None = Field(
        None,
        ge=8,
        description="Side of these frames, camera pixels; twice that of a patch if none. A network "
        "that sees further than its patches may fail in the middle of larger frames.",
    )
    patience: int | None = Field(
        None,
        ge=1,
        description="Validations in a row without a better loss that end the run; none: it goes on "
        "to its end. Every step has new frames, so that more steps rarely do harm.",
    )
    autosave_minutes: float = Field(
        2.0, gt=0, description="Most that a crash may cost; a run is saved at validations too."
    )
    seed: int = Field(0, ge=0, lt=1 << 20, description="Of weights and simulation.")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="Number format of the layers; auto: bf16 where it is faster."
    )

    def rate_at(self, progress: float) -> float:
        """Return the learning rate: a linear rise, then half a cosine down to a hundredth.

        Parameters
        ----------
        progress : 0 to 1 of the run.

        Examples
        --------
        >>> training = Training(learning_rate=1.0, warmup=0.1)
        >>> [round(training.rate_at(x), 3) for x in (0.0, 0.1, 0.55, 1.0)]
        [0.01, 1.0, 0.505, 0.01]
        """
        if progress < self.warmup:
            return self.learning_rate * (0.01 + 0.99 * progress / self.warmup)
        angle = math.pi * min(1.0, (progress - self.warmup) / (1 - self.warmup))
        return self.learning_rate * (0.01 + 0.99 * (1 + math.cos(angle)) / 2)
