"""Bench: how large a figure is made, where its trained networks lie, and whom to tell."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeVar

from napari_deepsmlm.models import find_model, load_model
from napari_deepsmlm.training.events import StepDone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from napari_deepsmlm.experiment import Experiment
    from napari_deepsmlm.models import SMLMModel

Scale = Literal["tiny", "small", "full"]
"""As in a test, in minutes on two cores, or as in the paper."""

T = TypeVar("T")


class Stopped(Exception):
    """A figure was asked to stop; what was trained is kept."""


class Used(NamedTuple):
    """A network, and in words where it came from."""

    model: SMLMModel
    path: Path
    words: str


@dataclass
class Bench:
    """What every figure is made with.

    Attributes
    ----------
    models : folder for the networks that are trained for figures; those that lie there are used
        again, and what was stopped goes on.
    tell : called with steps done, their number, and what is going on.
    """

    models: Path
    scale: Scale = "small"
    device: str = "auto"
    tell: Callable[[float, float, str], None] = lambda done, total, what: None
    is_stopped: bool = field(default=False)
    networks: dict[str, str] = field(default_factory=dict)
    """Those that were asked for since `begin`, and how those trained for a figure were."""
    training_cpu_seconds: float = field(default=0.0)
    """Of training since `begin`, none where all was trained before."""

    def begin(self) -> None:
        """Forget what earlier figures were made with."""
        self.networks, self.training_cpu_seconds = {}, 0.0

    def pick(self, *, tiny: T, small: T, full: T) -> T:
        """Return the value of the scale."""
        return {"tiny": tiny, "small": small, "full": full}[self.scale]

    def says(self, what: str, done: float = 0, total: float = 1) -> None:
        """Tell what is going on, and stop here if that was asked for."""
        if self.is_stopped:
            raise Stopped
        self.tell(done, total, what)

    def stop(self) -> None:
        """Ask the figure at work to stop."""
        self.is_stopped = True

    def built_in(self, name: str) -> Used:
        """Return a model of the package."""
        found = find_model(name)
        assert found.path is not None  # noqa: S101 - networks have files
        self.networks[found.name] = ""
        return Used(found.load(), found.path, f"built-in {found.name}")

    def trained(self, key: str, experiment: Experiment, steps: int) -> Used:
        """Return the network of an experiment after so many steps.

        Parameters
        ----------
        key : its folder; with another experiment, or other steps, it is another one.
        """
        if self.scale == "tiny":
            experiment = _tiny(experiment)
        every = max(1, min(experiment.training.validate_every, steps))
        training = experiment.training.replace(steps=steps, minutes=None, validate_every=every)
        experiment = experiment.replace(training=training)
        out = self.models / f"{key}-{steps}-steps"
        trainer = experiment.trainer(out, device=self.device)
        with self._training_time():
            for event in trainer.run(resume=trainer.can_resume):
                if isinstance(event, StepDone):
                    self.tell(event.step, steps, f"training {key}")
                    if self.is_stopped:
                        trainer.stop()
        if self.is_stopped:
            raise Stopped
        path = out / "best.safetensors"
        model, card = load_model(path)
        batch = experiment.training.batch_size
        start = experiment.start_from or "random weights"
        words = f"{experiment.network} trained from {start}, {steps:,} steps of {batch}"
        minutes = card.training_record["minutes"]
        self.networks[key] = (
            f"{steps:,} steps of {batch} x {experiment.training.patch_px}² from {start}, "
            f"{minutes:.1f} minutes"
        )
        return Used(model, path, words)

    @contextmanager
    def _training_time(self) -> Iterator[None]:
        began = time.process_time()
        yield
        self.training_cpu_seconds += time.process_time() - began


def _tiny(experiment: Experiment) -> Experiment:
    """Return the experiment with batches that cost next to nothing."""
    small = experiment.training.replace(
        batch_size=1, patch_px=16, validation_frames=1, validation_px=16, precision="fp32"
    )
    return experiment.replace(training=small)
