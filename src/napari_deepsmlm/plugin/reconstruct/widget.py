"""Reconstruct: choose a stack and a model, and watch the super-resolved image grow."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from napari_deepsmlm.io.result_files import RESULT_NAMES
from napari_deepsmlm.plugin.forms.recipe_button import RecipeButton, write_recipe
from napari_deepsmlm.plugin.job_panel import JobPanel
from napari_deepsmlm.plugin.layers.hues import PAUSE_MS, show_legend
from napari_deepsmlm.plugin.layers.world import frames_of
from napari_deepsmlm.plugin.library.loading import load_library
from napari_deepsmlm.plugin.reconstruct.adapting import Adapting
from napari_deepsmlm.plugin.reconstruct.brake_box import BrakeBox
from napari_deepsmlm.plugin.reconstruct.depth import DepthImage
from napari_deepsmlm.plugin.reconstruct.folder_box import FolderBox
from napari_deepsmlm.plugin.reconstruct.form import ReconstructForm
from napari_deepsmlm.plugin.reconstruct.naming import name_of_run
from napari_deepsmlm.plugin.reconstruct.overlay import Overlay
from napari_deepsmlm.plugin.reconstruct.preview import FramePreview
from napari_deepsmlm.plugin.reconstruct.report_box import ReportBox
from napari_deepsmlm.plugin.reconstruct.results import ask_for_folder, write_results
from napari_deepsmlm.plugin.reconstruct.telling import (
    draw_points,
    progress_in_words,
    result_in_words,
)
from napari_deepsmlm.plugin.reconstruct.trusting import TrustSummary, judge_result, open_page
from napari_deepsmlm.plugin.reconstruct.work import Braked, ImageSoFar, reconstruct_live
from napari_deepsmlm.plugin.widgets.notes import Note
from napari_deepsmlm.plugin.widgets.parts import (
    VerticalScroll,
    button,
    in_turns,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari.viewer import Viewer

    from napari_deepsmlm.adaptation import Adapted
    from napari_deepsmlm.plugin.library.loading import Library
    from napari_deepsmlm.reconstruction import Progress, Reconstruction, ReconstructOptions


JUDGING = "Judging the result…"
MAX_TOLD = 3
"""Sentences about stacks that failed; the table has all."""


class ReconstructWidget(JobPanel):
    """The Reconstruct panel.

    Parameters
    ----------
    napari_viewer : whose layers are offered, and which gets the results.
    """

    kept_as = "Reconstruct"
    help_page = "reconstruct"

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self._is_running = self._is_adapting = self._is_batch = False
        self._overlay: Overlay | None = None
        self._result: Reconstruction | None = None
        self._wanted_model: Path | None = None
        self._build()
        after = (self.trust_button, self.save_button, self.recipe_button, self.folder_button)
        footer = (
            *(self.adapting.note, self.brake_box, self.report_box),
            *(self.trust_note, self.folder_box),
        )
        buttons = (
            self.preview.button,
            self.adapting.button,
            self.run_button,
            self.cancel_button,
        )
        self.lay_out(VerticalScroll(self.form), buttons, footer, after=after)
        self.update_buttons()
        self._viewer.layers.events.removed.connect(self._on_removed)
        self.load(load_library, what="PyTorch and the models")

    def _build(self) -> None:
        self.form = ReconstructForm(self._viewer)
        self.form.changed.connect(self.on_choice)
        self.form.model_box.failed.connect(self.fail)
        self.preview = FramePreview(self._viewer, self.form, self)
        self.preview.told.connect(self.status_note.tell)
        self.preview.failed.connect(self.fail)
        self.run_button = button("Run", "Reconstruct the chosen frames into a new layer.")
        self.run_button.clicked.connect(lambda: self.run())
        self.cancel_button = button("Cancel", "Stop at once and keep what is done.")
        self.cancel_button.clicked.connect(self.cancel)
        self.save_button = button("Save…", f"Write {', '.join(RESULT_NAMES)}.")
        self.save_button.clicked.connect(self._on_save)
        self.trust_button = button(
            "Trust…", "Judge the last run against its frames, and open the page that says why."
        )
        self.trust_button.clicked.connect(self.judge)
        self.trust_note = Note()
        self.report_box = ReportBox()
        self._build_ways_out()
        self._build_batch()

    def _build_ways_out(self) -> None:
        self.adapting = Adapting(self._viewer, self.bar, self)
        self.adapting.told.connect(self.status_note.tell)
        self.adapting.button.clicked.connect(self.adapt)
        self.form.add_minutes(self.adapting.minutes_box)
        self.brake_box = BrakeBox()
        self.brake_box.adapt_asked.connect(self.adapt)
        self.brake_box.force_asked.connect(partial(self.run, force=True))

    def _build_batch(self) -> None:
        self.recipe_button = RecipeButton("the choices")
        self.recipe_button.chosen.connect(self.save_recipe)
        self.folder_button = button(
            "Folder…", "Reconstruct all stacks of a folder by these choices, into files."
        )
        self.folder_button.clicked.connect(self._on_folder)
        self.folder_box = FolderBox(self.bar)
        self.folder_box.told.connect(self.status_note.tell)
        self.folder_box.run_button.clicked.connect(self.run_folder)
        self.folder_box.closed.connect(self.update_buttons)

    def fill(self, kit: Library) -> Iterator[None]:
        """Add what needs torch."""
        self.form.fill(kit)
        yield
        if self._wanted_model is not None:
            self.form.model_box.load_file(self._wanted_model)

    def kept_editors(self) -> dict[str, Any]:
        """Return the editors that come back as they were left."""
        return self.form.kept_editors()

    def update_buttons(self) -> None:
        """Let those buttons be clicked that make sense now."""
        is_free = self.is_ready and not self.is_busy
        is_complete = is_free and self.form.is_complete
        for each in (self.run_button, self.preview.button):
            each.setEnabled(is_complete)
        model = self.form.model_box.choice
        self.adapting.button.setEnabled(is_complete and model is not None and model.is_trained)
        self.cancel_button.setEnabled(self._can_cancel)
        is_for_files = is_free and self.form.is_complete_for_files
        self.folder_button.setEnabled(is_free)
        self.recipe_button.setEnabled(is_for_files)
        self.folder_box.set_busy(self.is_busy, can_run=is_for_files)
        for each in (self.save_button, self.trust_button):
            each.setEnabled(is_free and self._result is not None)

    def set_colors(self, background: str, text: str) -> None:
        """Let what failed in a folder be read on the theme."""
        self.folder_box.table.set_colors(background)

    def abandon(self) -> None:
        """Stop whatever runs, without waiting for it."""
        self._viewer.layers.events.removed.disconnect(self._on_removed)
        self.preview.abandon()
        self.form.abandon()
        super().abandon()

    def use_model(self, path: Path) -> None:
        """Choose a model file, at once or when the panel has loaded."""
        self._wanted_model = path
        if self.is_ready:
            self.form.model_box.load_file(path)

    # -- run -------------------------------------------------------------------------------

    def run(self, *, force: bool = False) -> None:
        """Reconstruct into new layers; `force` goes on where the result cannot be right."""
        stack = self.form.stack
        try:
            options = self.form.options().replace(force=force)
        except ValueError as error:
            self.refuse(str(error))
            return
        assert stack is not None  # noqa: S101 - the button waits for it
        self._make_room()
        self.bar.setFormat("%v of %m frames")
        self._overlay = self._overlay_on(stack, options)
        self._is_running = True
        self.status_note.tell("Opening the frames and the model…")
        self.bar.setRange(0, 0)
        self.bar.show()
        work = partial(
            reconstruct_live, frames_of(stack), options, camera=self.form.camera_finder.known
        )
        self.begin(work, self._on_event, title=f"reconstructing {stack.name}")

    def adapt(self) -> None:
        """Train the model on simulated frames like these, then reconstruct with the better one."""
        stack = self.form.stack
        assert stack is not None  # noqa: S101 - the button waits for it
        try:
            work = self.adapting.begin(stack, self.form.options())
        except ValueError as error:
            self.refuse(str(error))
            return
        self._make_room()
        self._is_adapting = True
        self.begin(work, self._on_adapting, title=f"adapting to {stack.name} (it will be saved)")

    def cancel(self) -> None:
        """Ask the job to stop: what is reconstructed is kept, an adaptation can go on later."""
        if self._job is not None and self._can_cancel:
            self._job.stop()
            self.cancel_button.setEnabled(False)
            self.status_note.tell("Stopping…")

    @property
    def _can_cancel(self) -> bool:
        return self.is_busy and (self._is_running or self._is_adapting or self._is_batch)

    def _make_room(self) -> None:
        """Forget what the job before has told."""
        self.preview.stop()
        self._result = None
        self.report_box.hide()
        self.trust_note.clear()
        self.brake_box.clear()

    def on_ended(self) -> None:
        """Mark a layer that an error left incomplete."""
        if self._is_running and self._result is None and self._overlay is not None:
            self._overlay.describe({"warnings": [f"Incomplete: {self.message_note.text()}"]})
        if self.trust_note.text() == JUDGING:
            self.trust_note.clear()
        was_adapting, self._is_running, self._is_adapting = self._is_adapting, False, False
        self._is_batch = False
        self.adapting.end()
        super().on_ended()
        if was_adapting and self.adapting.done is not None:
            self._take_adapted(self.adapting.done)

    def _on_adapting(self, event: object) -> None:
        self.adapting.show(event)

    def _take_adapted(self, done: Adapted) -> None:
        """Choose the better model and run, or say that the adaptation can go on."""
        from napari_deepsmlm.models import adapted_models
        from napari_deepsmlm.plugin.library.choices import ModelChoice

        if done.is_stopped:
            self.status_note.tell("Stopped and saved: Adapt goes on where it was.")
            return
        if done.is_better:
            choice = ModelChoice.from_file(adapted_models()[done.model], done.model)
            self.form.model_box.add(choice)
            self.form.model_box.choose(choice)
        self.run()

    def _overlay_on(self, stack: Any, options: ReconstructOptions) -> Overlay:
        model = self.form.model_box.choice
        assert options.pixel_size_nm is not None and model is not None  # noqa: S101, PT018 - is_complete
        self.form.region_box.move_into_nm(options.pixel_size_nm)
        return Overlay(
            self._viewer,
            stack,
            options.pixel_size_nm,
            name_of_run(stack.name, model, options),
            first_frame=options.frame_range[0],
            window=options.window,
            step=options.window_step,
            channel=self.form.channel_box.channel,
        )

    def _on_event(self, event: object) -> None:
        from napari_deepsmlm.reconstruction import Finished, Prepared, Progress

        if self._overlay is None:
            return
        if isinstance(event, Prepared):
            self.bar.setRange(0, event.n_frames)
            self.message_note.warn(" ".join(event.warnings))
        elif isinstance(event, Progress):
            self._show_progress(event)
        elif isinstance(event, ImageSoFar):
            self._overlay.show(event)
        elif isinstance(event, DepthImage):
            depth = self._overlay.show_depth(event)
            in_turns(show_legend(depth), self, pause_ms=PAUSE_MS)
        elif isinstance(event, Finished):
            self._finish(event.result, self._overlay)
        elif isinstance(event, Braked):
            self._overlay.remove()
            self._overlay = None
            self.status_note.clear()
            self.brake_box.ask(event.reason)

    def _show_progress(self, progress: Progress) -> None:
        self.bar.setValue(progress.frames_done)
        if self.cancel_button.isEnabled():
            self.status_note.tell(progress_in_words(progress))

    def _finish(self, result: Reconstruction, overlay: Overlay) -> None:
        self._result = result
        overlay.describe(result.report.to_json())
        overlay.keep_table(result.localizations)
        self.report_box.show_report(result.report, overlay.stack.name)
        drawn = draw_points(result, overlay, self.form.most_points)
        self.status_note.tell(result_in_words(result, drawn))
        self.message_note.warn(" ".join(result.report.warnings))

    def _on_removed(self, event: Any) -> None:
        """Stop the run on a layer that is gone."""
        if self._overlay is not None and event.value == self._overlay.stack:
            self.cancel()

    # -- many stacks -----------------------------------------------------------------------

    def _on_folder(self) -> None:
        folder = self.folder_box.choose()
        if folder is not None:
            self.open_folder(folder)

    def open_folder(self, folder: Path) -> None:
        """Look for the stacks in a folder, and offer to reconstruct all of them."""
        work = self.folder_box.open_folder(folder)
        self.begin(work, self.folder_box.show_found, title=f"looking into {folder}")

    def run_folder(self) -> None:
        """Reconstruct all stacks of the folder into files."""
        try:
            recipe = self.form.recipe([str(self.folder_box.folder)])
        except ValueError as error:
            self.refuse(str(error))
            return
        self._make_room()
        self._is_batch = True
        work = self.folder_box.begin(recipe)
        self.begin(work, self._on_batch, title=f"reconstructing {self.folder_box.folder}")

    def _on_batch(self, event: object) -> None:
        self.folder_box.show_event(event)
        finished = self.folder_box.finished
        if finished is not None and finished.failed:
            self.message_note.warn(" ".join(row.error for row in finished.failed[:MAX_TOLD]))

    def save_recipe(self, path: Path) -> None:
        """Write what `deepsmlm batch` takes: the choices, for the folder or the chosen stack.

        If the last run was judged, so is each stack.
        """
        folder, is_judged = self.folder_box.folder, bool(self.trust_note.text())
        steps = [{"kind": "trust"}] if is_judged else []
        try:
            recipe = self.form.recipe(None if folder is None else [str(folder)], steps)
            told = write_recipe(recipe, path)
        except (ValueError, OSError) as error:
            self.refuse(str(error))
        else:
            self.status_note.tell(told)

    # -- results ---------------------------------------------------------------------------

    def _on_save(self) -> None:
        folder = ask_for_folder(self)
        if folder is not None:
            self.save_results(folder)

    def judge(self) -> None:
        """Judge the last run in another thread; the page opens when it is written."""
        if self._result is None or self._overlay is None:
            return
        self.trust_note.tell(JUDGING)
        work = partial(judge_result, self._result, frames_of(self._overlay.stack))
        self.begin(work, self._on_judged, title="judging a result")

    def _on_judged(self, judged: TrustSummary) -> None:
        show = self.trust_note.warn if judged.has_doubts else self.trust_note.praise
        show(f"{judged.sentence} {judged.page}")
        open_page(judged.page)

    def save_results(self, folder: Path) -> None:
        """Write image, table and report of the last run, in another thread."""
        if self._result is not None:
            work = partial(write_results, self._result, folder)
            self.begin(work, self.status_note.tell, title=f"saving to {folder}")
