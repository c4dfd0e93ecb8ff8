"""Reconstruct: choose a stack and a model, and watch the super-resolved image grow."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from napari.utils.notifications import show_error
from qtpy.QtCore import QEvent, QSize, QTimer
from qtpy.QtWidgets import (
    QHBoxLayout,
    QProgressBar,
    QVBoxLayout,
    QWidget,
)

from napari_deepsmlm.plugin.jobs import Job
from napari_deepsmlm.plugin.layers import frame_under_slider, frames_of, n_frames_of
from napari_deepsmlm.plugin.library import load_library
from napari_deepsmlm.plugin.live import ImageSoFar, reconstruct_live
from napari_deepsmlm.plugin.notes import Note
from napari_deepsmlm.plugin.overlay import Overlay
from napari_deepsmlm.plugin.panels import VerticalScroll, button, duration
from napari_deepsmlm.plugin.reconstruct_form import ReconstructForm
from napari_deepsmlm.plugin.results import NAMES, ask_for_folder, write_results

if TYPE_CHECKING:
    from pathlib import Path

    from napari.layers import Layer
    from napari.viewer import Viewer

    from napari_deepsmlm.plugin.jobs import Events
    from napari_deepsmlm.reconstruction import Progress, Reconstruction, ReconstructOptions

MOST_POINTS = 10_000
PREVIEW_DELAY_MS = 250

Kind = Literal["run", "preview", "save"]


class ReconstructWidget(QWidget):
    """The Reconstruct panel.

    Parameters
    ----------
    napari_viewer : whose layers are offered, and which gets the results.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._job: Job | None = None
        self._kind: Kind = "run"
        self._overlay: Overlay | None = None
        self._preview: Overlay | None = None
        self._result: Reconstruction | None = None
        self._build()
        self._viewer.layers.events.removed.connect(self._on_removed)
        self._viewer.dims.events.current_step.connect(self._ask_for_preview)
        self._loading = Job(load_library, title="loading PyTorch", parent=self)
        self._loading.arrived.connect(self.form.fill)
        self._loading.failed.connect(self._fail)
        self._loading.ended.connect(self.form.set_loading_failed)
        self._loading.start()

    def sizeHint(self) -> QSize:
        """Wide enough for the form, as high as napari allows."""
        return QSize(350, 600)

    def _build(self) -> None:
        self.form = ReconstructForm(self._viewer)
        self.form.changed.connect(self._update_buttons)
        self.form.changed.connect(self._ask_for_preview)
        self.form.model_box.failed.connect(self._fail)
        self.preview_button = button("Preview", "Predict the frame under the slider; follows it.")
        self.preview_button.setCheckable(True)
        self.preview_button.toggled.connect(self._on_preview_toggled)
        self.run_button = button("Run", "Reconstruct the chosen frames into a new layer.")
        self.run_button.clicked.connect(self._on_run)
        self.cancel_button = button("Cancel", "Stop after the batch at hand and keep the image.")
        self.cancel_button.clicked.connect(self.cancel)
        self.save_button = button("Save results…", f"Write {', '.join(NAMES)}.")
        self.save_button.clicked.connect(self._on_save)
        self.progress = QProgressBar()
        self.progress.setFormat("%v of %m frames")
        self.progress.hide()
        self.status_note, self.message_note = Note(), Note()
        self._preview_delay = QTimer(self)
        self._preview_delay.setSingleShot(True)
        self._preview_delay.setInterval(PREVIEW_DELAY_MS)
        self._preview_delay.timeout.connect(self._show_preview)
        self._lay_out()
        self._update_buttons()

    def _lay_out(self) -> None:
        """Put what is to be seen at all times below what scrolls."""
        buttons = QHBoxLayout()
        for each in (self.preview_button, self.run_button, self.cancel_button):
            buttons.addWidget(each)
        footer = QVBoxLayout()
        footer.setContentsMargins(9, 0, 9, 9)
        footer.addLayout(buttons)
        for widget in (self.progress, self.status_note, self.message_note, self.save_button):
            footer.addWidget(widget)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(VerticalScroll(self.form), 1)
        whole.addLayout(footer)

    # -- jobs ------------------------------------------------------------------------------

    @property
    def is_busy(self) -> bool:
        """Whether a reconstruction, a preview or saving is under way."""
        return self._job is not None and self._job.is_running

    def abandon(self) -> None:
        """Stop whatever runs, without waiting for it."""
        for job in (self._loading, self._job):
            if job is not None:
                job.abandon()
        self._update_buttons()

    def event(self, event: QEvent | None) -> bool:
        """Stop the job when napari takes the panel out of its dock."""
        is_move = event is not None and event.type() == QEvent.Type.ParentChange
        if is_move and self.parentWidget() is None:
            self.abandon()
        return super().event(event)

    def _start(self, kind: Kind, events: Events, on_event: Any, *, title: str) -> None:
        if self._job is not None:
            self._job.abandon()  # a preview that nobody waits for any more
        self.status_note.clear()
        self.message_note.clear()
        self._kind = kind
        self._job = Job(events, title=title, parent=self)
        self._job.arrived.connect(on_event)
        self._job.failed.connect(self._fail)
        self._job.ended.connect(self._on_ended)
        self._job.start()
        self._update_buttons()

    def _on_ended(self) -> None:
        if self._kind == "run" and self._result is None and self._overlay is not None:
            self._overlay.describe({"warnings": [f"Incomplete: {self.message_note.text()}"]})
        self.progress.hide()
        self._update_buttons()

    def _fail(self, sentence: str) -> None:
        """Say what went wrong, here and as a notification."""
        self.status_note.clear()
        self.message_note.fail(sentence)
        show_error(sentence)

    def _update_buttons(self, *_: object) -> None:
        is_free = not self.is_busy or self._kind == "preview"
        self.run_button.setEnabled(self.form.is_complete and is_free)
        self.preview_button.setEnabled(self.form.is_complete)
        self.cancel_button.setEnabled(self.is_busy and self._kind == "run")
        self.save_button.setEnabled(self._result is not None and is_free)

    def _options(self) -> ReconstructOptions | None:
        """Return the form's choices, None after saying what is wrong with them."""
        try:
            return self.form.options()
        except ValueError as error:
            self._fail(str(error))
            return None

    def use_model(self, path: Path) -> None:
        """Choose a model file, at once or when the panel has loaded."""
        if self.form.is_filled:
            self.form.model_box.load_file(path)
        else:
            self._loading.ended.connect(partial(self.form.model_box.load_file, path))

    # -- run -------------------------------------------------------------------------------

    def cancel(self) -> None:
        """Ask the reconstruction to stop; what is done so far is kept."""
        if self._job is not None and self.is_busy and self._kind == "run":
            self._job.stop()
            self.cancel_button.setEnabled(False)
            self.status_note.tell("Stopping after the batch at hand…")

    def _on_run(self) -> None:
        stack, options = self.form.stack, self._options()
        if stack is None or options is None:
            return
        self.preview_button.setChecked(False)
        self._result = None
        self._overlay = self._overlay_on(stack, options, f"{stack.name} SR")
        self._start(
            "run",
            partial(reconstruct_live, frames_of(stack), options),
            self._on_event,
            title=f"reconstructing {stack.name}",
        )
        self.progress.setRange(0, 0)
        self.progress.show()
        self.status_note.tell("Opening the frames and the model…")

    def _overlay_on(self, stack: Layer, options: ReconstructOptions, name: str) -> Overlay:
        assert options.pixel_size_nm is not None  # noqa: S101 - the buttons wait for it
        return Overlay(self._viewer, stack, options.pixel_size_nm, name)

    def _on_event(self, event: object) -> None:
        from napari_deepsmlm.reconstruction import Finished, Prepared, Progress

        if self._overlay is None:
            return
        if isinstance(event, Prepared):
            self.progress.setRange(0, event.n_frames)
            self.message_note.warn(" ".join(event.warnings))
        elif isinstance(event, Progress):
            self._show_progress(event)
        elif isinstance(event, ImageSoFar):
            self._overlay.show(event.image, event.limits, event.sr_pixel_nm)
        elif isinstance(event, Finished):
            self._finish(event.result, self._overlay)

    def _show_progress(self, progress: Progress) -> None:
        self.progress.setValue(progress.frames_done)
        if self.cancel_button.isEnabled():
            self.status_note.tell(
                f"{progress.frames_per_second:.3g} frames/s, "
                f"{duration(progress.seconds_left)} left, "
                f"{progress.n_localizations:,} localizations"
            )

    def _finish(self, result: Reconstruction, overlay: Overlay) -> None:
        self._result = result
        report, n_molecules = result.report, len(result.localizations)
        overlay.describe(report)
        note = (
            f"{report['frames']} frames in {duration(report['seconds'])}, "
            f"{n_molecules:,} localizations"
        )
        if n_molecules > MOST_POINTS:
            note += ": too many to draw as points; Save results… writes the table"
        elif n_molecules and overlay.stack in self._viewer.layers:
            overlay.show_points(result.localizations)
            note += ", drawn in their frames"
        self.status_note.tell(f"{note}.")
        self.message_note.warn(" ".join(report["warnings"]))

    def _on_removed(self, event: Any) -> None:
        """Stop the run or preview of a layer that is gone."""
        if self._overlay is not None and event.value == self._overlay.stack:
            self.cancel()
        if self._preview is not None and event.value in (self._preview.stack, self._preview.layer):
            self.preview_button.setChecked(False)

    # -- preview ---------------------------------------------------------------------------

    def _on_preview_toggled(self, is_on: bool) -> None:
        if is_on:
            self._show_preview()
        elif self._preview is not None:
            self._preview.remove()
            self._preview = None

    def _ask_for_preview(self, *_: object) -> None:
        if self.preview_button.isChecked():
            self._preview_delay.start()

    def _show_preview(self) -> None:
        """Predict the frame under the slider, or try again when the job at hand is done."""
        stack = self.form.stack
        if stack is None or not self.preview_button.isChecked() or not self.form.is_complete:
            return
        if self.is_busy:
            self._preview_delay.start()
            return
        options = self._options()
        if options is None:
            return
        first = frame_under_slider(self._viewer, stack)
        last = min(first + options.sum_frames, n_frames_of(stack))
        options = options.replace(frame_range=(first, last))
        if self._preview is None or not self._preview.is_of(stack, options.pixel_size_nm):
            if self._preview is not None:
                self._preview.remove()
            self._preview = self._overlay_on(stack, options, f"{stack.name} SR preview")
        self._start(
            "preview",
            partial(reconstruct_live, frames_of(stack), options),
            partial(self._on_preview_event, first),
            title=f"previewing {stack.name}",
        )

    def _on_preview_event(self, frame: int, event: object) -> None:
        if isinstance(event, ImageSoFar) and self._preview is not None:
            self._preview.show(event.image, event.limits, event.sr_pixel_nm)
            self.status_note.tell(f"Preview of frame {frame}.")

    # -- results ---------------------------------------------------------------------------

    def _on_save(self) -> None:
        folder = ask_for_folder(self)
        if folder is not None:
            self.save_results(folder)

    def save_results(self, folder: Path) -> None:
        """Write image, table and report of the last run, in another thread."""
        if self._result is not None:
            self._start(
                "save",
                partial(write_results, self._result, folder),
                self.status_note.tell,
                title=f"saving to {folder}",
            )
