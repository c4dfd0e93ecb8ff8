"""Job: measure a stack, simulate its twin, train the model on it, and judge before and after."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from datetime import date
from typing import TYPE_CHECKING, Any, Protocol

import torch

from napari_deepsmlm._devices import choose_compute
from napari_deepsmlm.adaptation.agreement import count, finds_too_many
from napari_deepsmlm.adaptation.events import Adapted, Planned, Watched
from napari_deepsmlm.adaptation.judging import HeldOut, held_out, is_better, judge
from napari_deepsmlm.adaptation.pace import steps_between_validations
from napari_deepsmlm.adaptation.sentences import comparison, too_many
from napari_deepsmlm.adaptation.store import Adaptation, Sample, camera_kind, keep, own_folder
from napari_deepsmlm.adaptation.twin import Twin, make_twin
from napari_deepsmlm.adaptation.watching import frames_to_watch
from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.inference.stopping import Stopped, stoppable_layers
from napari_deepsmlm.io import open_frames
from napari_deepsmlm.models import load_model
from napari_deepsmlm.runs import TrainingThread, new_run_folder, unfinished_runs
from napari_deepsmlm.training.events import Finished
from napari_deepsmlm.training.preview import preview_images
from napari_deepsmlm.training.record import EXPERIMENT

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    from napari_deepsmlm._devices import Compute
    from napari_deepsmlm.adaptation.options import AdaptOptions
    from napari_deepsmlm.models import SMLMModel


class Run(Protocol):
    """`TrainingThread`, or `TrainingProcess` for a window that must stay smooth."""

    def events(self) -> Generator[Any, None, None]:
        """Train, and yield what happens."""

    def stop(self) -> None:
        """Ask it to save and end."""


class AdaptJob:
    """An adaptation as a generator of events, which can be stopped from any thread.

    The last event is `Adapted`: what to reconstruct with. The training run is kept until it is
    over: one that was stopped or killed goes on where it was when it is asked for again.

    Parameters
    ----------
    frames : what `open_frames` takes.
    options : what is adapted, and for how long.
    make_run : `TrainingThread`, or `TrainingProcess`.
    watch_frame : a frame of the stack, counted from 0, whose prediction is shown as it improves.
    stopping : a flag of the caller's that stops the job when set, as :meth:`stop` does.
    """

    def __init__(
        self,
        frames: Any,
        options: AdaptOptions,
        *,
        make_run: Callable[..., Run] = TrainingThread,
        watch_frame: int | None = None,
        stopping: threading.Event | None = None,
    ) -> None:
        is_part = options.frame_range != (0, None)
        source = open_frames(frames, allow_truncated=is_part, registration=options.registration)
        self.source = source
        self.options = options
        self._make_run = make_run
        self._watch_frame = watch_frame
        self._stopping = threading.Event() if stopping is None else stopping

    def stop(self) -> None:
        """Ask the job to save and end after the training step it is in."""
        self._stopping.set()

    def run(self) -> Iterator[Any]:
        """Adapt, and yield what happens: `Planned`, `Watched`, events of training, `Adapted`.

        Raises
        ------
        ValueError, OSError
            One sentence each: frames that tell too little, several planes, no pixel size, a folder
            that cannot be written.
        """
        started = time.monotonic()
        compute = choose_compute(self.options.device, "fp32")
        twin = make_twin(self._frames(), self.options)
        model = twin.found.load()
        frames = held_out(twin, self.options, model, compute)
        out, is_resumed = _folder(twin.experiment)
        experiment = twin.experiment
        try:
            with stoppable_layers(self._stopping):
                before = judge(model, frames)
                if not self.options.steps:
                    pace = steps_between_validations(experiment, compute)
                    training = experiment.training.replace(validate_every=pace)
                    experiment = experiment.replace(training=training)
        except Stopped:
            yield self._stopped(twin, {}, time.monotonic() - started)
            return
        yield Planned(
            twin.found.name, experiment, before, tuple(twin.estimate.sentences), out, is_resumed
        )
        finished = None
        for event in self._train(experiment, out, model, compute, is_resumed=is_resumed):
            yield event
            if isinstance(event, Finished):
                finished = event
        assert finished is not None  # noqa: S101 - the last event of every run
        seconds = time.monotonic() - started
        if finished.reason == "stopped" or self._stopping.is_set():
            yield self._stopped(twin, before, seconds)
        else:
            yield self._conclude(twin, before, frames, finished, seconds, compute)

    def _frames(self) -> Any:
        first, last = self.options.frame_range
        return self.source.slice(first, last)

    def _train(
        self,
        experiment: Experiment,
        out: Path,
        model: SMLMModel,
        compute: Compute,
        *,
        is_resumed: bool,
    ) -> Iterator[Any]:
        watched = None
        if self._watch_frame is not None:
            watched, origin_px = frames_to_watch(
                self.source, self._watch_frame, experiment, self.options.sum_frames, model
            )
            images = preview_images(model.float().cpu(), torch.from_numpy(watched))
            upsampling = images[0].shape[0] / watched.shape[-2]
            sr_pixel_nm = experiment.psf.pixel_size_nm / upsampling
            yield Watched(watched, images, sr_pixel_nm, origin_px)
        run = self._make_run(
            experiment,
            out,
            device=str(compute.device),  # where it is judged
            resume=is_resumed,
            preview_frames=watched,
        )
        with closing(run.events()) as events:
            for event in events:
                yield event
                if self._stopping.is_set():
                    run.stop()

    def _conclude(
        self,
        twin: Twin,
        before: dict[str, float],
        frames: HeldOut,
        finished: Finished,
        seconds: float,
        compute: Compute,
    ) -> Adapted:
        found = twin.found
        trained, card = load_model(finished.model_path)
        after = judge(trained, frames)
        is_kept, doubt = is_better(after, before), ""
        if is_kept:
            n, stack = self.options.sum_frames, self._frames()
            counts = [
                count(model, scores, stack, twin, compute, sum_frames=n)
                for model, scores in ((found.load(), before), (trained, after))
            ]
            is_kept = not finds_too_many(*counts)
            doubt = "" if is_kept else too_many(found.name, *counts)
        model = self._name(twin)
        if is_kept:
            minutes = card.training_record.get("minutes", 0.0)
            adaptation = self._adaptation(twin, before, after, minutes)
            model = keep(finished.model_path, found.card.network, adaptation)
        for weights in finished.model_path.parent.glob("*.safetensors"):
            weights.unlink()
        sentence = doubt or comparison(found.name, before, after, is_better=is_kept)
        return Adapted(
            model,
            found.name,
            before,
            after,
            is_better=is_kept,
            seconds=seconds,
            sentence=sentence,
        )

    def _stopped(self, twin: Twin, before: dict[str, float], seconds: float) -> Adapted:
        name = twin.found.name
        sentence = f"Adapting {name} was stopped and saved; the same call goes on with it."
        return Adapted(
            self._name(twin), name, before, {}, is_stopped=True, seconds=seconds, sentence=sentence
        )

    def _name(self, twin: Twin) -> str:
        """Return what the model that was begun with is asked for by."""
        is_file = self.options.model.endswith(".safetensors")
        return str(twin.found.path) if is_file else twin.found.name

    def _adaptation(
        self, twin: Twin, before: dict[str, float], after: dict[str, float], minutes: float
    ) -> Adaptation:
        measured = twin.estimate
        return Adaptation(
            started_from=twin.found.name,
            from_sha256=twin.found.card.sha256,
            made=date.today(),
            minutes=minutes,
            sample=Sample(
                camera_kind=camera_kind(self.source),
                adu_per_photon=measured.gain,
                pixel_size_nm=measured.pixel_size_nm,
                sum_frames=self.options.sum_frames,
                psf_sigma_px=measured.psf_sigma_px,
                background=measured.background,
                photons=measured.photons,
                density_per_um2=measured.density_per_um2,
            ),
            estimate=measured.to_json(),
            before=before,
            after=after,
        )


def _folder(experiment: Experiment) -> tuple[Path, bool]:
    """Return the folder of a training run, and whether it goes on with one that was stopped.

    Raises
    ------
    OSError
        If there is no place to write.
    """
    parent = own_folder("runs")
    for folder in unfinished_runs(parent):
        try:
            before = Experiment.from_file(folder / EXPERIMENT)
        except (ValueError, OSError):  # of another version
            continue
        if _same_but_length(before, experiment):
            return folder, True
    return new_run_folder(parent, experiment.network), False


def _same_but_length(a: Experiment, b: Experiment) -> bool:
    """Whether two trainings differ in nothing but how long they take."""
    length = {"minutes": None, "steps": 1, "validate_every": 1}
    a, b = (each.replace(training=each.training.replace(**length)) for each in (a, b))
    return a == b
