"""Trainer: a plain loop as a generator of events, which can be stopped and resumed."""

from __future__ import annotations

import copy
import math
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_deepsmlm._files import folder_lock
from napari_deepsmlm.models import save_model
from napari_deepsmlm.training._state import load_state, save_state
from napari_deepsmlm.training.events import (
    Event,
    Finished,
    Previewed,
    RolledBack,
    Saved,
    Started,
    StepDone,
    Validated,
)
from napari_deepsmlm.training.history import HistoryTable, Means
from napari_deepsmlm.training.learner import Learner
from napari_deepsmlm.training.prefetch import Ahead
from napari_deepsmlm.training.preview import preview_images
from napari_deepsmlm.training.ranks import Ranks
from napari_deepsmlm.training.record import (
    HISTORY,
    REPORT,
    STATE,
    require_no_run,
    require_run,
    with_record,
)
from napari_deepsmlm.training.report import write_report
from napari_deepsmlm.training.validation import judge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from napari_deepsmlm._devices import Compute
    from napari_deepsmlm.models import SMLMModel
    from napari_deepsmlm.simulation.batch import Batch
    from napari_deepsmlm.training.prefetch import Batches
    from napari_deepsmlm.training.settings import Training

# Good weights are remembered this often, to go back to, and a run that goes back more often than
# that in between gives up.
STEPS_BETWEEN_SNAPSHOTS = 50
MAX_ROLL_BACKS = 3


class Trainer:
    """Trains a model on simulated or experimental frames.

    `run` is a generator of events. Each step descends on a fresh batch and moves an average of
    the weights; the average is what is validated and saved: `best.safetensors` and
    `last.safetensors`, with `last.state.safetensors` to resume from, `history.csv`, `run.json` and
    `experiment.yaml`, which say how far it came with what, and at the end `report.html`. On a CPU,
    a resumed run has the weights of one that was never stopped, bit by bit, if its length is given
    in steps.

    Under `torchrun` the processes share the work: see `training.ranks`.

    Parameters
    ----------
    model : the network, untrained or to be trained further.
    data : makes the training frames, on the model's device.
    config : steps, rates, sizes.
    out : folder for the files.
    compute : device, on which `data` makes its frames, and number format.
    card : what the cards of the saved models say besides: fields of a `ModelCard`.
    is_new : whether the model's input normalisation is still to be measured.
    preview : (B, C, H, W) photons, frames that are looked at after each validation.
    """

    def __init__(
        self,
        model: SMLMModel,
        data: Batches,
        config: Training,
        *,
        out: str | Path,
        compute: Compute,
        card: dict[str, Any] | None = None,
        is_new: bool = True,
        preview: Tensor | None = None,
    ) -> None:
        self.config = config
        self.out = Path(out)
        self.card = card or {}
        self.data = data
        self.preview = preview
        self.compute = compute
        self.ranks = Ranks(self.compute.device)
        self.learner = Learner(model, config, self.compute, self.ranks)
        self.history = HistoryTable(self.out / HISTORY)
        self.step = 0
        self.seconds = 0.0
        self.best_loss = math.inf
        self.best_step = 0
        self.validated_step = 0
        self.is_resumed = False
        self.rate_factor = 1.0
        self.scores: dict[str, float] = {}
        self._is_new = is_new
        self._is_stopping = False
        self._has_converged = False
        self._since_validation = Means()

    def stop(self) -> None:
        """Ask the run to save and end after the step it is in; callable from any thread."""
        self._is_stopping = True

    @property
    def can_resume(self) -> bool:
        """Whether `out` holds a run that was saved."""
        return self._state.exists()

    @property
    def progress(self) -> float:
        """0 to 1 of the planned steps or minutes."""
        done = self.step / self.config.steps
        if self.config.minutes is not None:
            done = self.seconds / (60 * self.config.minutes)
        return min(1.0, done)

    def run(self, *, resume: bool = False) -> Iterator[Event]:
        """Train, and yield what happens.

        Parameters
        ----------
        resume : go on from the state in `out`. A run that is over is not trained any more, and its
            `Finished` says so.

        Raises
        ------
        FileExistsError
            If `out` holds another run or a model and `resume` is not set, or a run is going on in
            it.
        FileNotFoundError
            If there is nothing to resume.
        ValueError
            If the run to be resumed is another one.
        FloatingPointError
            If gradients stay infinite or undefined; the last saved model is kept.
        """
        with ExitStack() as held:
            # Afterwards, not before: a stop may come while the state is still being read.
            held.callback(setattr, self, "_is_stopping", False)
            if self.ranks.is_first:
                held.enter_context(folder_lock(self.out))
            self._begin(resume=resume)
            ahead = Ahead(
                self.data,
                self.compute.device,
                stride=self.ranks.count,
                offset=self.ranks.index,
            )
            events = self._run(held.enter_context(ahead))
            yield from with_record(events, self) if self.ranks.is_first else events

    # -- the loop ----------------------------------------------------------------------------

    def _begin(self, *, resume: bool) -> None:
        if resume:
            require_run(self.out)
        elif self.ranks.is_first:
            require_no_run(self.out)
        self.is_resumed = resume
        self.history = HistoryTable(self.out / HISTORY)
        if resume:
            load_state(self._state, self)
        elif self._is_new:
            self.learner.fit_input(self.data.validation(64).frames)
        self.history.cut(self.step)
        self._has_converged = self._is_out_of_patience()
        self._good, self._n_roll_backs = self.learner.snapshot(), 0

    def _run(self, ahead: Ahead) -> Iterator[Event]:
        yield Started(
            self.step,
            self.learner.model.n_parameters,
            str(self.compute.device),
            self.compute.precision,
        )
        side = self.config.validation_px or 2 * self.config.patch_px
        validation = self.data.validation(self.config.validation_frames, (side, side))
        bounds = self.data.bounds(validation.truth)
        saved_at, first_step = time.monotonic(), self.step
        while self._goes_on():
            yield self._train_step(ahead)
            if self.step % self.config.validate_every == 0:
                yield from self._validate_and_save(validation, bounds)
            elif time.monotonic() - saved_at > 60 * self.config.autosave_minutes:
                yield self._save_state()
            else:
                continue
            saved_at = time.monotonic()
        if self.step != self.validated_step or not self._model("best").exists():
            yield from self._validate_and_save(validation, bounds)
        reason = self._reason()
        was_over = self.step == first_step and reason != "stopped"
        if self.ranks.is_first and not (was_over and (self.out / REPORT).exists()):
            write_report(self, validation)
        yield Finished(self.step, reason, self._model("best"), was_over=was_over)

    def _goes_on(self) -> bool:
        """Whether there is another step; all processes of a run say the same."""
        wants_end = self._is_stopping or self._has_converged
        self.seconds, is_ending = self.ranks.agree(self.seconds, wants_end)
        return self.progress < 1 and not is_ending

    def _reason(self) -> str:
        if self._has_converged:
            return "converged"
        return "done" if self.progress >= 1 else "stopped"

    def _is_out_of_patience(self) -> bool:
        patience = (self.config.patience or math.inf) * self.config.validate_every
        return self.validated_step - self.best_step >= patience

    def _rate(self) -> float:
        return self.rate_factor * self.config.rate_at(self.progress)

    def _train_step(self, ahead: Ahead) -> Event:
        started = time.perf_counter()
        batch = ahead.at(self.step)
        waited = time.perf_counter() - started
        rate = self._rate()
        is_norm_fixed = self.progress >= self.config.fix_norm_after
        loss = self.learner.descend(batch, step=self.step, rate=rate, is_norm_fixed=is_norm_fixed)
        self.step += 1
        seconds = time.perf_counter() - started
        self.seconds += seconds
        if math.isnan(loss):
            return self._roll_back()
        if self.step % STEPS_BETWEEN_SNAPSHOTS == 0:
            self._good, self._n_roll_backs = self.learner.snapshot(), 0
        self._since_validation.add(loss, seconds, waited)
        progress = self.progress
        left = self.seconds * (1 - progress) / progress
        return StepDone(self.step, progress, loss, rate, seconds, waited, left)

    def _roll_back(self) -> RolledBack:
        """Return to the last good weights; the steps go on, so that the batches are others."""
        self._n_roll_backs += 1
        if self._n_roll_backs > MAX_ROLL_BACKS:
            raise FloatingPointError(
                f"Gradients were not finite {self._n_roll_backs} times within "
                f"{STEPS_BETWEEN_SNAPSHOTS} steps of step {self.step}, each time at half the "
                f"learning rate; begin with a lower one than {self.config.learning_rate:g}. "
                "The last saved model is kept."
            )
        self.learner.restore(self._good)
        self.rate_factor /= 2
        return RolledBack(self.step, self.rate_factor * self.config.learning_rate)

    # -- judging and saving --------------------------------------------------------------------

    @property
    def _state(self) -> Path:
        return self.out / STATE

    def _model(self, which: str) -> Path:
        return self.out / f"{which}.safetensors"

    def _validate_and_save(self, validation: Batch, bounds: dict[str, float]) -> Iterator[Event]:
        if not self.ranks.is_first:
            return
        started = time.perf_counter()
        # A copy: what judging sets must not find its way into the weights of a resumed run.
        judged = copy.deepcopy(self.learner.average)
        loss, scores = judge(judged, validation, self.compute.dtype)
        self.scores = {**scores, **bounds}
        is_best = loss < self.best_loss
        if is_best:
            self.best_loss, self.best_step = loss, self.step
        self.seconds += time.perf_counter() - started
        self._write_row(loss)
        for which in ("best", "last") if is_best else ("last",):
            save_model(self._model(which), judged, {**self.card, "training_record": self._record()})
        self.validated_step = self.step
        self._has_converged = self._is_out_of_patience()
        yield Validated(self.step, loss, is_best, self.scores)
        if self.preview is not None:
            yield Previewed(self.step, preview_images(judged, self.preview))
        yield self._save_state()

    def _save_state(self) -> Saved:
        if self.ranks.is_first:
            save_state(self._state, self)
        return Saved(self.step, self._state)

    def _write_row(self, loss: float) -> None:
        self.history.append(
            step=self.step,
            minutes=self.seconds / 60,
            learning_rate=self._rate(),
            **self._since_validation.values(),
            validation_loss=loss,
            **self.scores,
        )
        self._since_validation = Means()

    def _record(self) -> dict[str, Any]:
        """What the header of a saved model says about its training."""
        return {
            "steps": self.step,
            "minutes": round(self.seconds / 60, 2),
            "device": str(self.compute.device),
            "precision": self.compute.precision,
            "validation_loss": self.best_loss,
            "validation": {k: round(v, 4) for k, v in self.scores.items() if math.isfinite(v)},
        }
