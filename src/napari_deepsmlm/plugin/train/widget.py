"""Train: a network for one's own microscope, watched while it learns."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QTabWidget, QVBoxLayout, QWidget

from napari_deepsmlm.plugin.experiment.kept import experiment_editor, prepare_experiment
from napari_deepsmlm.plugin.experiment.kits import load_training_kit
from napari_deepsmlm.plugin.job_panel import JobPanel
from napari_deepsmlm.plugin.memory.settings import runs_folder
from napari_deepsmlm.plugin.train.estimate_box import EstimateBox
from napari_deepsmlm.plugin.train.form import TrainForm
from napari_deepsmlm.plugin.train.look_box import LookBox
from napari_deepsmlm.plugin.train.resume_box import ResumeBox
from napari_deepsmlm.plugin.train.run import TrainingSession, Watching
from napari_deepsmlm.plugin.widgets.parts import VerticalScroll, button, duration
from napari_deepsmlm.runs import (
    Resources,
    TrainingProcess,
    experiment_of_run,
    new_run_folder,
    read_record,
    unfinished_runs,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari.viewer import Viewer

    from napari_deepsmlm.experiment import Experiment
    from napari_deepsmlm.plugin.experiment.kits import TrainingKit
    from napari_deepsmlm.training.events import Finished, StepDone

REDRAW_S = 0.5


class TrainWidget(JobPanel):
    """The Train panel.

    Parameters
    ----------
    napari_viewer : whose layers are compared with, and whose Reconstruct panel gets the model.
    """

    kept_as = "Train"
    help_page = "train"
    prepare_kept = staticmethod(prepare_experiment)

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self._session: TrainingSession | None = None
        self._model_path: Path | None = None
        self._wanted_psf: Path | None = None
        self._build()
        self._lay_out()
        self.update_buttons()
        self.load(partial(load_training_kit, self.form.runs), what="PyTorch and the models")

    def _build(self) -> None:
        self.form = TrainForm(runs_folder())
        self.form.failed.connect(self.fail)
        self.resume_box = ResumeBox()
        self.resume_box.chosen.connect(self.resume)
        self.resume_box.failed.connect(self.fail)
        self.look_box = LookBox(self._viewer, self.form.experiment)
        self.form.changed.connect(self.look_box.ask)
        self.form.changed.connect(self.on_choice)
        self.estimate_box = EstimateBox(self.look_box.stack_box, self.form)
        self.estimate_box.failed.connect(self.fail)
        self.start_button = button("Start", "Train in a process of its own, saved as it goes on.")
        self.start_button.clicked.connect(self.start)
        self.pause_button = button("Pause", "Wait after the step at hand, until clicked again.")
        self.pause_button.setCheckable(True)
        self.pause_button.toggled.connect(self._on_pause)
        self.stop_button = button("Stop", "Save and end; the run can be resumed later.")
        self.stop_button.clicked.connect(self.stop)
        self.use_button = button("Use in Reconstruct", "Choose the trained model there.")
        self.use_button.clicked.connect(self.use_in_reconstruct)
        self.bar.setRange(0, 1000)
        self.form.done.connect(self.status_note.tell)
        self.form.out_line.changed.connect(self._on_folder)

    def _lay_out(self) -> None:
        """Give the form and the progress a page each."""
        setup = QWidget()
        column = QVBoxLayout(setup)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.look_box)
        column.addWidget(self.estimate_box)
        column.addWidget(VerticalScroll(self.form), 1)
        self.tabs = QTabWidget()
        self.tabs.addTab(setup, "Set up")
        buttons = (self.start_button, self.pause_button, self.stop_button)
        whole = self.lay_out(self.tabs, buttons, after=(self.use_button,))
        whole.insertWidget(0, self.resume_box)

    def fill(self, kit: TrainingKit) -> Iterator[None]:
        """Add what needs torch and pyqtgraph."""
        from napari_deepsmlm.plugin.train.progress import TrainProgress

        self.progress = TrainProgress()
        yield
        self.tabs.addTab(VerticalScroll(self.progress), "Progress")
        yield from self.form.fill(kit)
        self.look_box.fill()
        yield
        self.resume_box.offer(kit.unfinished)
        self.look_box.ask()
        self.estimate_box.update_button()
        yield  # what was used last fills the form again

    def kept_editors(self) -> dict[str, Any]:
        """Return the editors that come back as they were left."""
        form = self.form
        return experiment_editor(form.experiment_form, form.experiment, form.changed)

    def on_restored(self) -> None:
        """Take the PSF that another panel sent here before this one was filled."""
        path, self._wanted_psf = self._wanted_psf, None
        if path is not None:
            self.form.experiment_form.psf_form.load(path)
            self.form.suit_depth()

    def abandon(self) -> None:
        """Let a run save and end by itself, and stop the rest."""
        self.look_box.abandon()
        self.estimate_box.abandon()
        super().abandon()

    def update_buttons(self) -> None:
        """Let those buttons be clicked that make sense now."""
        self.start_button.setEnabled(self.is_ready and not self.is_busy)
        self.pause_button.setEnabled(self.is_busy)
        self.stop_button.setEnabled(self.is_busy)
        self.use_button.setVisible(self._model_path is not None)
        self.resume_box.setEnabled(not self.is_busy)

    def set_colors(self, background: str, text: str) -> None:
        """Give the plots the colours of the window."""
        self.progress.curves.set_colors(background, text)
        self.look_box.set_colors(background, text)

    def use_psf(self, path: Path) -> None:
        """Train for the PSF of a file, at once or when the panel has loaded."""
        self._wanted_psf = path
        if self.is_ready:
            self.on_restored()

    # -- the run -------------------------------------------------------------------------------

    def start(self) -> None:
        """Train what the form says, in a new folder."""
        try:
            experiment = self.form.experiment()
        except ValueError as error:
            self.refuse(str(error))
            return
        out = new_run_folder(self.form.runs, experiment.network)
        self._run(experiment, out, is_resumed=False)

    def resume(self, folder: Path) -> None:
        """Go on with the run in a folder."""
        try:
            experiment = experiment_of_run(folder)
        except (ValueError, OSError) as error:
            self.fail(str(error))
            return
        self.form.experiment_form.show_experiment(experiment, folder.name)
        self._run(experiment, folder, is_resumed=True)

    def _run(self, experiment: Experiment, out: Path, *, is_resumed: bool) -> None:
        self._session = TrainingSession(
            TrainingProcess,
            experiment,
            out,
            device=self.form.device,
            resume=is_resumed,
            real=self.look_box.real_frames(),
        )
        self._started_at = self._drawn_at = time.monotonic()
        self._model_path = None
        self.status_note.tell("Starting the training process…")
        self.progress.begin(self._session)
        self.tabs.setCurrentIndex(1)
        self.bar.setValue(0)
        self.bar.show()
        title = f"training {experiment.network} (it will be saved)"
        self.begin(self._session.events, self._on_event, title=title)

    def stop(self) -> None:
        """Ask the run to save and end."""
        if self._job is not None and self.is_busy:
            self._job.stop()
            self.stop_button.setEnabled(False)
            self.pause_button.setEnabled(False)
            self.status_note.tell("Stopping: saving after the step at hand…")

    def _on_pause(self, is_paused: bool) -> None:
        self.pause_button.setText("Go on" if is_paused else "Pause")
        if self._session is None or not self.is_busy:
            return
        if is_paused:
            self._session.pause()
            self.status_note.tell("Paused after the step at hand.")
        else:
            self._session.go_on()

    def _on_event(self, event: Any) -> None:
        from napari_deepsmlm.training import events

        match event:
            case Watching():
                self.progress.preview.show_frames(event.frames)
                self._show_past()
            case Resources():
                self.progress.tell_resources(event)
            case events.Started():
                self.progress.tell_start(event)
            case events.StepDone():
                self._show_step(event)
            case events.Validated():
                self.progress.tell_scores(event)
            case events.Previewed():
                self.progress.preview.show_predictions(event.images)
            case events.RolledBack():
                self.progress.tell_roll_back(event)
            case events.Finished():
                self._finish(event)

    def _show_past(self) -> None:
        """Show what a resumed run did before."""
        assert self._session is not None  # noqa: S101 - it sent the event
        self.progress.curves.show_run(self._session)
        record = read_record(self._session.out)
        if record is not None:
            self.bar.setValue(round(1000 * record.progress))

    def _show_step(self, event: StepDone) -> None:
        assert self._session is not None  # noqa: S101 - it sent the event
        self.bar.setValue(round(1000 * event.progress))
        if time.monotonic() - self._drawn_at > REDRAW_S:
            self._drawn_at = time.monotonic()
            self.progress.curves.show_run(self._session)
        if self.stop_button.isEnabled() and not self.pause_button.isChecked():
            self.status_note.tell(
                f"Step {event.step:,}, {duration(event.seconds_left)} left, "
                f"{1 / max(event.seconds, 1e-6):.3g} steps/s, loss {event.loss:.3g}"
            )

    def _finish(self, event: Finished) -> None:
        from napari_deepsmlm.plugin.train.progress import end_in_words

        assert self._session is not None  # noqa: S101 - it sent the event
        self.progress.curves.show_run(self._session)
        self._model_path = event.model_path
        self.form.add_model(event.model_path)
        self.status_note.tell(end_in_words(event, time.monotonic() - self._started_at))

    def on_ended(self) -> None:
        """Tidy up after a run, and offer it if it can go on."""
        self.pause_button.setChecked(False)
        super().on_ended()
        self.offer_runs()

    def _on_folder(self, folder: object) -> None:
        self.offer_runs()

    def offer_runs(self) -> None:
        """Ask about the runs that can go on now."""
        if self.is_ready and not self.is_busy:
            self.resume_box.offer(unfinished_runs(self.form.runs))

    def event(self, event: QEvent | None) -> bool:
        """Look again when the panel is come back to: the command line trains there too."""
        if event is not None and event.type() in (QEvent.Type.Show, QEvent.Type.WindowActivate):
            self.offer_runs()
        return super().event(event)

    # -- afterwards ----------------------------------------------------------------------------

    def use_in_reconstruct(self) -> None:
        """Open the Reconstruct panel, if it is not, and choose the model there."""
        if self._model_path is not None:
            self.open_beside("Reconstruct").use_model(self._model_path)
