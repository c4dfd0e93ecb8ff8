"""Train: a network for one's own microscope, watched while it learns."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_error
from napari.utils.theme import get_theme
from qtpy.QtCore import QEvent, QSize, QStandardPaths
from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QTabWidget, QVBoxLayout, QWidget

from napari_deepsmlm.plugin.estimate_box import EstimateBox
from napari_deepsmlm.plugin.jobs import Job
from napari_deepsmlm.plugin.kits import load_training_kit
from napari_deepsmlm.plugin.look_box import LookBox
from napari_deepsmlm.plugin.notes import Note
from napari_deepsmlm.plugin.panels import VerticalScroll, button, duration, in_turns
from napari_deepsmlm.plugin.resume_box import ResumeBox
from napari_deepsmlm.plugin.train_form import TrainForm
from napari_deepsmlm.plugin.train_run import TrainingSession, Watching
from napari_deepsmlm.runs import EXPERIMENT, new_run_folder, read_record, unfinished_runs
from napari_deepsmlm.training_process import Resources, TrainingProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.viewer import Viewer

    from napari_deepsmlm.experiment import Experiment
    from napari_deepsmlm.plugin.kits import TrainingKit
    from napari_deepsmlm.training.events import Finished, StepDone

PLUGIN = "napari-deepsmlm"
REDRAW_S = 0.5


def runs_folder() -> Path:
    """Return where runs are kept: in the folder of the user's data."""
    place = QStandardPaths.StandardLocation.GenericDataLocation
    return Path(QStandardPaths.writableLocation(place)) / PLUGIN / "runs"


class TrainWidget(QWidget):
    """The Train panel.

    Parameters
    ----------
    napari_viewer : whose layers are compared with, and whose Reconstruct panel gets the model.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._session: TrainingSession | None = None
        self._job: Job | None = None
        self._model_path: Path | None = None
        self._is_ready = False
        self._build()
        self._lay_out()
        self._update_buttons()
        loader = partial(load_training_kit, self.form.runs)
        self._loading = Job(loader, title="loading PyTorch", parent=self)
        self._loading.arrived.connect(lambda kit: in_turns(self._fill(kit), self))
        self._loading.failed.connect(self._fail_to_load)
        self._loading.start()

    def sizeHint(self) -> QSize:
        """Wide enough for the form, as high as napari allows."""
        return QSize(370, 640)

    def _build(self) -> None:
        self.status_note, self.message_note = Note(), Note()
        self.form = TrainForm(runs_folder())
        self.form.failed.connect(self._fail)
        self.form.changed.connect(lambda: self.look_box.ask())
        self.resume_box = ResumeBox()
        self.resume_box.chosen.connect(self.resume)
        self.resume_box.failed.connect(self._fail)
        self.look_box = LookBox(self._viewer, self.form.experiment)
        self.estimate_box = EstimateBox(self.look_box.stack_box, self.form)
        self.estimate_box.failed.connect(self._fail)
        self.start_button = button("Start", "Train in a process of its own, saved as it goes on.")
        self.start_button.clicked.connect(self.start)
        self.pause_button = button("Pause", "Wait after the step at hand, until clicked again.")
        self.pause_button.setCheckable(True)
        self.pause_button.toggled.connect(self._on_pause)
        self.stop_button = button("Stop", "Save and end; the run can be resumed later.")
        self.stop_button.clicked.connect(self.stop)
        self.use_button = button("Use in Reconstruct", "Choose the trained model there.")
        self.use_button.clicked.connect(self.use_in_reconstruct)
        self.bar = QProgressBar()
        self.bar.setRange(0, 1000)
        self.bar.hide()
        self._loading_bar = QProgressBar()
        self._loading_bar.setRange(0, 0)  # runs to and fro
        self.form.done.connect(self.status_note.tell)
        self.status_note.tell("Loading PyTorch and the models…")
        self._viewer.events.theme.connect(self._follow_theme)

    def _lay_out(self) -> None:
        """Put what is to be seen at all times below what scrolls."""
        setup = QWidget()
        column = QVBoxLayout(setup)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.look_box)
        column.addWidget(self.estimate_box)
        column.addWidget(VerticalScroll(self.form), 1)
        self.tabs = QTabWidget()
        self.tabs.addTab(setup, "Set up")
        footer = QVBoxLayout()
        footer.setContentsMargins(9, 0, 9, 9)
        buttons = QHBoxLayout()
        for each in (self.start_button, self.pause_button, self.stop_button):
            buttons.addWidget(each)
        footer.addLayout(buttons)
        for widget in (
            self.bar,
            self._loading_bar,
            self.status_note,
            self.message_note,
            self.use_button,
        ):
            footer.addWidget(widget)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(self.resume_box)
        whole.addWidget(self.tabs, 1)
        whole.addLayout(footer)

    def _fill(self, kit: TrainingKit) -> Iterator[None]:
        """Add what needs torch and pyqtgraph, which are loaded now, in short steps."""
        from napari_deepsmlm.plugin.train_progress import TrainProgress

        self.progress = TrainProgress()
        yield
        self.tabs.addTab(VerticalScroll(self.progress), "Progress")
        yield from self.form.fill(kit)
        self.look_box.fill()
        yield
        self.resume_box.offer(kit.unfinished)
        self._loading_bar.hide()
        self.status_note.clear()
        self._is_ready = True
        self._follow_theme()
        self.look_box.ask()
        self.estimate_box.update_button()
        self._update_buttons()

    # -- jobs ------------------------------------------------------------------------------

    @property
    def is_ready(self) -> bool:
        """Whether everything is loaded."""
        return self._is_ready

    @property
    def is_busy(self) -> bool:
        """Whether a run is under way."""
        return self._job is not None and self._job.is_running

    def abandon(self) -> None:
        """Let a run save and end by itself, and stop the rest."""
        self.look_box.abandon()
        self.estimate_box.abandon()
        for job in (self._loading, self._job):
            if job is not None:
                job.abandon()

    def event(self, event: QEvent | None) -> bool:
        """Stop when napari takes the panel out of its dock."""
        is_move = event is not None and event.type() == QEvent.Type.ParentChange
        if is_move and self.parentWidget() is None:
            self.abandon()
        return super().event(event)

    def _fail(self, sentence: str) -> None:
        """Say what went wrong, here and as a notification."""
        self.message_note.fail(sentence)
        show_error(sentence)

    def _fail_to_load(self, sentence: str) -> None:
        self._loading_bar.hide()
        self.status_note.clear()
        self._fail(sentence)

    def _update_buttons(self) -> None:
        self.start_button.setEnabled(self.is_ready and not self.is_busy)
        self.pause_button.setEnabled(self.is_busy)
        self.stop_button.setEnabled(self.is_busy)
        self.use_button.setVisible(self._model_path is not None)
        self.resume_box.setEnabled(not self.is_busy)

    def _follow_theme(self, *_: object) -> None:
        if self.is_ready:
            theme = get_theme(self._viewer.theme)
            colors = theme.background.as_hex(), theme.text.as_hex()
            self.progress.curves.set_colors(*colors)
            self.look_box.set_colors(*colors)

    # -- the run -------------------------------------------------------------------------------

    def start(self) -> None:
        """Train what the form says, in a new folder."""
        try:
            experiment = self.form.experiment()
        except ValueError as error:
            self._fail(str(error))
            return
        out = new_run_folder(self.form.runs, experiment.network)
        self._run(experiment, out, is_resumed=False)

    def resume(self, folder: Path) -> None:
        """Go on with the run in a folder."""
        from napari_deepsmlm.experiment import Experiment

        try:
            experiment = Experiment.from_file(folder / EXPERIMENT)
        except (ValueError, OSError) as error:
            self._fail(str(error))
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
        self.message_note.clear()
        self.status_note.tell("Starting the training process…")
        self.progress.begin(self._session)
        self.tabs.setCurrentIndex(1)
        self.bar.setValue(0)
        self.bar.show()
        title = f"training {experiment.network} (it will be saved)"
        self._job = Job(self._session.events, title=title, parent=self)
        self._job.arrived.connect(self._on_event)
        self._job.failed.connect(self._fail)
        self._job.ended.connect(self._on_ended)
        self._job.start()
        self._update_buttons()

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
        from napari_deepsmlm.plugin.train_progress import end_in_words

        assert self._session is not None  # noqa: S101 - it sent the event
        self.progress.curves.show_run(self._session)
        self._model_path = event.model_path
        self.form.add_model(event.model_path)
        self.status_note.tell(end_in_words(event, time.monotonic() - self._started_at))

    def _on_ended(self) -> None:
        self.bar.hide()
        self.pause_button.setChecked(False)
        if self.message_note.text():
            self.status_note.clear()
        self._update_buttons()
        self.resume_box.offer(unfinished_runs(self.form.runs))

    # -- afterwards ----------------------------------------------------------------------------

    def use_in_reconstruct(self) -> None:
        """Open the Reconstruct panel, if it is not, and choose the model there."""
        if self._model_path is not None:
            dock, panel = self._viewer.window.add_plugin_dock_widget(PLUGIN, "Reconstruct")
            panel.use_model(self._model_path)
            dock.show()
            dock.raise_()
