"""A training run seen from the window: its events, its curves so far, its commands."""

from __future__ import annotations

import csv
import math
import threading
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from napari_deepsmlm.plugin.train.look import frames_to_watch
from napari_deepsmlm.training.record import HISTORY

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    import numpy as np

    from napari_deepsmlm.experiment import Experiment
    from napari_deepsmlm.plugin.train.look import Frames

MAX_POINTS = 1000
SCORES = ("validation_loss", "rmse_lateral_nm", "bound_lateral_nm", "jaccard")


class Run(Protocol):
    """`TrainingProcess` or `TrainingThread`."""

    def events(self) -> Generator[object, None, None]:
        """Train, and yield what happens."""

    def stop(self) -> None:
        """Ask it to save and end."""

    def pause(self) -> None:
        """Let it wait."""

    def go_on(self) -> None:
        """End a pause."""


@dataclass(frozen=True, slots=True)
class Watching:
    """The frames that are predicted during the run."""

    frames: np.ndarray[Any, Any]
    """(B, C, H, W) photons: simulated, and real if there is one."""


class LossCurve:
    """Losses against steps, at most a thousand points: means of ever more steps.

    Examples
    --------
    >>> curve = LossCurve(most_points=4)
    >>> for step in range(1, 9):
    ...     curve.add(step, float(step))
    >>> curve.points()
    ([1.5, 3.5, 5.5, 7.5], [1.5, 3.5, 5.5, 7.5])
    """

    def __init__(self, most_points: int = MAX_POINTS) -> None:
        self._most = most_points
        self._steps: list[float] = []
        self._losses: list[float] = []
        self._per_point = 1
        self._sums, self._n = [0.0, 0.0], 0
        self._lock = threading.Lock()

    def add(self, step: int, loss: float) -> None:
        """Append one step."""
        with self._lock:
            self._sums = [self._sums[0] + step, self._sums[1] + loss]
            self._n += 1
            if self._n < self._per_point:
                return
            self._steps.append(self._sums[0] / self._n)
            self._losses.append(self._sums[1] / self._n)
            self._sums, self._n = [0.0, 0.0], 0
            if len(self._steps) > self._most:
                self._merge()

    def points(self) -> tuple[list[float], list[float]]:
        """Return steps and losses, copies."""
        with self._lock:
            return list(self._steps), list(self._losses)

    def _merge(self) -> None:
        """Let a point stand for twice as many steps; an odd last one waits for its partner."""
        n = len(self._steps) // 2 * 2
        if len(self._steps) > n:
            self._sums = [values[-1] * self._per_point for values in (self._steps, self._losses)]
            self._n = self._per_point
        self._steps, self._losses = (
            [(a + b) / 2 for a, b in zip(values[:n:2], values[1:n:2], strict=True)]
            for values in (self._steps, self._losses)
        )
        self._per_point *= 2


class TrainingSession:
    """One run; a job consumes `events`, the window reads the curves.

    Parameters
    ----------
    make_run : `TrainingProcess` or a class like it.
    real : gives frames of the user's own to be predicted during the run.
    """

    def __init__(
        self,
        make_run: Callable[..., Run],
        experiment: Experiment,
        out: Path,
        *,
        device: str,
        resume: bool,
        real: Frames | None,
    ) -> None:
        self.experiment, self.out = experiment, out
        self.loss = LossCurve()
        self.scores: dict[str, list[float]] = {name: [] for name in ("step", *SCORES)}
        self.is_paused = False
        self._make_run = partial(make_run, experiment, out, device=device, resume=resume)
        self._is_resumed = resume
        self._real = real
        self._run: Run | None = None

    def events(self, stopping: threading.Event) -> Generator[object, None, None]:
        """Train until the end or until `stopping` is set, which saves; yield what happens."""
        from napari_deepsmlm.training.events import StepDone, Validated

        if self._is_resumed:
            self._read_history()
        frames = frames_to_watch(self.experiment, self._real)
        yield Watching(frames)
        run = self._run = self._make_run(preview_frames=frames)
        over = threading.Event()
        watcher = threading.Thread(target=self._obey, args=(run, stopping, over), daemon=True)
        watcher.start()
        if self.is_paused:
            run.pause()
        try:
            with closing(run.events()) as events:
                for event in events:
                    if isinstance(event, StepDone):
                        self.loss.add(event.step, event.loss)
                    elif isinstance(event, Validated):
                        row = {"step": event.step, "validation_loss": event.loss, **event.scores}
                        self._keep_scores(row)
                    yield event
        finally:
            over.set()
            watcher.join()

    def pause(self) -> None:
        """Let the run wait after the step it is in."""
        self.is_paused = True
        if self._run is not None:
            self._run.pause()

    def go_on(self) -> None:
        """End a pause."""
        self.is_paused = False
        if self._run is not None:
            self._run.go_on()

    @staticmethod
    def _obey(run: Run, stopping: threading.Event, over: threading.Event) -> None:
        """Hand on the wish to stop, also while the run is paused and yields nothing."""
        while not over.wait(0.05):
            if stopping.is_set():
                run.stop()
                return

    def _keep_scores(self, row: dict[str, Any]) -> None:
        for name, values in self.scores.items():
            value = row.get(name)
            values.append(math.nan if value in (None, "") else float(value))

    def _read_history(self) -> None:
        """Take the curves of a resumed run from its table."""
        path = self.out / HISTORY
        if not path.exists():
            return
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                self._keep_scores(row)
                if row.get("training_loss"):
                    self.loss.add(int(row["step"]), float(row["training_loss"]))
