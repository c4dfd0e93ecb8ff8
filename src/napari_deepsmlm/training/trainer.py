"""Trainer: a plain loop as a generator of events, which can be stopped and resumed."""

from __future__ import annotations

import copy
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from pydantic import Field
from torch import nn

from napari_deepsmlm._base import FrozenModel
from napari_deepsmlm._devices import choose_compute
from napari_deepsmlm._files import folder_lock
from napari_deepsmlm.models import save_model
from napari_deepsmlm.models._blocks import channels_last
from napari_deepsmlm.training._state import History, load_state, save_state
from napari_deepsmlm.training.data import SimulatedBatches
from napari_deepsmlm.training.events import (
    Event,
    Finished,
    Saved,
    Skipped,
    Started,
    StepDone,
    Validated,
)
from napari_deepsmlm.training.validation import judge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_deepsmlm.localizations import Localizations
    from napari_deepsmlm.models import SMLMModel
    from napari_deepsmlm.simulation import Simulator
    from napari_deepsmlm.simulation.simulator import Batch

MOST_SKIPS_IN_A_ROW = 3


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
    seed: int = Field(0, ge=0, lt=1 << 20, description="Of weights and simulation.")
    precision: Literal["auto", "fp32", "bf16"] = "auto"


def fix_norm(model: nn.Module, average: nn.Module) -> None:
    """Let batch norm use fixed statistics, the averaged ones, as it will after training."""
    for layer, averaged in zip(model.modules(), average.modules(), strict=True):
        if isinstance(layer, nn.BatchNorm2d):
            layer.eval()
            layer.load_state_dict({**layer.state_dict(), **dict(averaged.named_buffers())})


class Trainer:
    """Trains a model on simulated frames.

    `run` is a generator of events. Each step simulates a batch, descends, and moves an average of
    the weights; the average is what is validated and saved: `best.safetensors` and
    `last.safetensors`, with `last.state.safetensors` to resume from and `history.csv`.

    Parameters
    ----------
    model : the network, untrained or to be trained further.
    simulator : makes the training frames.
    config : steps, rates, sizes.
    out : folder for the files.
    device : `auto` or a device's name.
    card : plain values for the saved models' headers.
    """

    def __init__(
        self,
        model: SMLMModel,
        simulator: Simulator,
        config: Training,
        *,
        out: str | Path,
        device: str = "auto",
        card: dict[str, Any] | None = None,
    ) -> None:
        self.config = config
        self.out = Path(out)
        self.compute = choose_compute(device, config.precision)
        self.card = card or {}
        self.model = channels_last(model.to(self.compute.device))
        self.average = copy.deepcopy(model).requires_grad_(False).eval()
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        self.data = SimulatedBatches(
            simulator,
            batch_size=config.batch_size,
            shape=(config.patch_px, config.patch_px),
            seed=config.seed,
            device=self.compute.device,
            context=model.context,
        )
        self.step = 0
        self.seconds = 0.0
        self.best_loss = math.inf
        self.scores: dict[str, float] = {}
        self._is_stopping = False

    def stop(self) -> None:
        """Ask the run to save and end after the step it is in; callable from any thread."""
        self._is_stopping = True

    def run(self, *, resume: bool = False) -> Iterator[Event]:
        """Train, and yield what happens.

        Parameters
        ----------
        resume : go on from the state in `out`, if there is one.

        Raises
        ------
        FileExistsError
            If `out` holds another run and `resume` is not set, or a run is going on in it.
        FloatingPointError
            If gradients stay infinite or undefined; the last saved model is kept.
        """
        with folder_lock(self.out):
            yield from self._run(resume=resume)

    def _run(self, *, resume: bool) -> Iterator[Event]:
        state = self.out / "last.state.safetensors"
        if state.exists() and not resume:
            raise FileExistsError(f"{self.out} holds a training run; resume it or choose another.")
        history = History(self.out / "history.csv")
        if state.exists():
            load_state(state, self)
            history.cut(self.step)
        else:
            self.model.fit_input(self.data.validation(64).frames)
            self._average(0.0)
        self._is_stopping = False
        yield Started(
            self.step,
            self.model.n_parameters,
            str(self.compute.device),
            self.compute.precision,
        )
        side = self.config.validation_px or 2 * self.config.patch_px
        validation = self.data.validation(self.config.validation_frames, (side, side))
        n_skipped = 0
        while self._progress() < 1 and not self._is_stopping:
            event = self._train_step()
            yield event
            n_skipped = n_skipped + 1 if isinstance(event, Skipped) else 0
            if n_skipped >= MOST_SKIPS_IN_A_ROW:
                raise FloatingPointError(
                    f"Gradients were not finite {n_skipped} times in a row at step {self.step}; "
                    "lower the learning rate. The last saved model is kept."
                )
            if self.step % self.config.validate_every == 0:
                yield self._validate(validation, history)
                yield self._save()
        if self.step % self.config.validate_every or not (self.out / "best.safetensors").exists():
            yield self._validate(validation, history)
            yield self._save()
        reason = "stopped" if self._is_stopping else "done"
        yield Finished(self.step, reason, self.out / "best.safetensors")

    def _progress(self) -> float:
        if self.config.minutes is None:
            return self.step / self.config.steps
        return self.seconds / (60 * self.config.minutes)

    def _learning_rate(self) -> float:
        """Linear rise, then half a cosine down to a hundredth."""
        progress, warmup = self._progress(), self.config.warmup
        if progress < warmup:
            return self.config.learning_rate * (0.01 + 0.99 * progress / warmup)
        angle = math.pi * min(1.0, (progress - warmup) / (1 - warmup))
        return self.config.learning_rate * (0.01 + 0.99 * (1 + math.cos(angle)) / 2)

    def _train_step(self) -> Event:
        started = time.perf_counter()
        frames, truth = self.data.at(self.step)
        simulated = time.perf_counter()
        rate = self._learning_rate()
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        loss = self._loss(frames, truth)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip_norm)
        self.step += 1
        is_finite = bool(torch.isfinite(norm))
        if is_finite:
            self.optimizer.step()
            self._average(min(self.config.averaging, (1 + self.step) / (10 + self.step)))
        now = time.perf_counter()
        self.seconds += now - started
        if not is_finite:
            return Skipped(self.step)
        seconds, simulating = now - started, simulated - started
        return StepDone(
            self.step, min(1.0, self._progress()), loss.item(), rate, seconds, simulating
        )

    def _loss(self, frames: torch.Tensor, truth: Localizations) -> torch.Tensor:
        self.model.train()
        if self._progress() >= self.config.fix_norm_after:
            fix_norm(self.model, self.average)
        # Networks may draw random numbers in training; a step's are its own, for exact resume.
        with torch.random.fork_rng(), self._autocast():
            torch.manual_seed(self.step)
            prediction = self.model(frames)
        return self.model.loss(prediction, truth)

    def _autocast(self) -> torch.autocast:
        is_half = self.compute.dtype == torch.bfloat16
        return torch.autocast(self.compute.device.type, torch.bfloat16, enabled=is_half)

    @torch.no_grad()
    def _average(self, memory: float) -> None:
        pairs = zip(
            self.average.state_dict().values(), self.model.state_dict().values(), strict=True
        )
        for average, current in pairs:
            if average.is_floating_point():
                average.lerp_(current, 1 - memory)
            else:
                average.copy_(current)

    def _validate(self, batch: Batch, history: History) -> Validated:
        started = time.perf_counter()
        judged = judge(self.average, batch, self.compute.dtype)
        self.scores = judged.scores
        is_best = judged.loss < self.best_loss
        self.best_loss = min(judged.loss, self.best_loss)
        self.seconds += time.perf_counter() - started
        history.append(
            step=self.step,
            minutes=self.seconds / 60,
            learning_rate=self._learning_rate(),
            validation_loss=judged.loss,
            **self.scores,
        )
        if is_best:
            self._save_model("best")
        return Validated(self.step, judged.loss, is_best, self.scores)

    def _save(self) -> Saved:
        self._save_model("last")
        save_state(self.out / "last.state.safetensors", self)
        return Saved(self.step, self.out / "last.safetensors")

    def _save_model(self, which: str) -> None:
        record = {
            "steps": self.step,
            "minutes": round(self.seconds / 60, 2),
            "device": str(self.compute.device),
            "precision": self.compute.precision,
            "validation_loss": self.best_loss,
            "validation": {k: round(v, 4) for k, v in self.scores.items() if math.isfinite(v)},
        }
        card = {**self.card, "training_record": record}
        save_model(self.out / f"{which}.safetensors", self.average, card)
