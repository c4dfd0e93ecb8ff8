"""Training run: what is trained where, and how it is paused and stopped."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Generator

    import numpy as np

    from napari_deepsmlm.experiment import Experiment
    from napari_deepsmlm.training import Trainer
    from napari_deepsmlm.training.events import Event


@dataclass(frozen=True)
class TrainingRun:
    """What is trained, and where its files go.

    Attributes
    ----------
    preview_frames : (B, C, H, W) photons, predicted at every validation.
    """

    experiment: Experiment
    out: Path
    device: str = "auto"
    resume: bool = False
    preview_frames: np.ndarray[Any, Any] | None = None

    def trainer(self) -> Trainer:
        """Return what trains."""
        import torch

        preview = None
        if self.preview_frames is not None:
            preview = torch.from_numpy(self.preview_frames)
        return self.experiment.trainer(self.out, device=self.device, preview=preview)


class TrainingThread:
    """A run in the thread that iterates its events.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from napari_deepsmlm.experiment import Experiment
    >>> short = {"steps": 2, "batch_size": 1, "patch_px": 8, "validation_frames": 1}
    >>> with TemporaryDirectory() as folder:
    ...     run = TrainingThread(Experiment(training=short), Path(folder) / "run")
    ...     [type(event).__name__ for event in run.events()]
    ['Started', 'StepDone', 'StepDone', 'Validated', 'Saved', 'Finished']
    """

    def __init__(self, experiment: Experiment, out: str | Path, **choices: Any) -> None:
        self.run = TrainingRun(experiment, Path(out), **choices)
        self._is_stopping = threading.Event()
        self._is_going = threading.Event()
        self._is_going.set()

    def events(self) -> Generator[Event, None, None]:
        """Train, and yield what happens."""
        trainer = self.run.trainer()
        stream = trainer.run(resume=self.run.resume)
        try:
            for event in stream:
                yield event
                self._is_going.wait()
                if self._is_stopping.is_set():
                    trainer.stop()
        finally:  # nobody listens any more, or it is over
            trainer.stop()
            for _ in stream:
                pass

    def stop(self) -> None:
        """Ask the run to save and end after the step it is in."""
        self._is_stopping.set()
        self._is_going.set()

    def pause(self) -> None:
        """Let the run wait after the step it is in."""
        self._is_going.clear()

    def go_on(self) -> None:
        """End a pause."""
        self._is_going.set()

    def abandon(self) -> None:
        """Stop without anybody listening."""
        self.stop()
