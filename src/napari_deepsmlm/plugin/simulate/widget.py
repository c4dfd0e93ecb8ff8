"""Simulate: frames of a microscope and sample as a layer, with the molecules that are in them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import Field
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_deepsmlm._base import FrozenModel
from napari_deepsmlm._words import counted
from napari_deepsmlm.plugin.experiment.form import ExperimentForm, save_experiment
from napari_deepsmlm.plugin.experiment.kept import experiment_editor, prepare_experiment
from napari_deepsmlm.plugin.experiment.kits import ExperimentKit, load_experiment_kit
from napari_deepsmlm.plugin.forms.rows import Fields
from napari_deepsmlm.plugin.job_panel import JobPanel
from napari_deepsmlm.plugin.layers.world import KEY, PlaneSpan, frame_placement, points_of
from napari_deepsmlm.plugin.simulate.work import FramesDone, Simulated, simulate_live
from napari_deepsmlm.plugin.widgets.parts import VerticalScroll, button

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.viewer import Viewer

    from napari_deepsmlm.experiment import Experiment

MAX_POINTS = 50_000
NAME = "simulated"
TRUTH_NAME = "true positions"


class MovieLength(FrozenModel):
    """How much is simulated."""

    n_frames: int = Field(100, ge=1, le=1_000_000, description="Number of frames.")
    height_px: int = Field(64, ge=4, le=8192, description="Height of a frame, camera pixels.")
    width_px: int = Field(64, ge=4, le=8192, description="Width of a frame, camera pixels.")
    seed: int = Field(0, ge=0, lt=2**31 - 1, description="The same seed gives the same stack.")


class SimulateWidget(JobPanel):
    """The Simulate panel.

    Parameters
    ----------
    napari_viewer : gets the layers.
    """

    kept_as = "Simulate"
    help_page = "simulate"
    prepare_kept = staticmethod(prepare_experiment)

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self.form = ExperimentForm()
        self.form.failed.connect(self.fail)
        self.run_button = button("Run", "Simulate into a new layer.")
        self.run_button.clicked.connect(self.run)
        self.cancel_button = button("Cancel", "Stop and keep the frames that are there.")
        self.cancel_button.clicked.connect(self.cancel)
        self.bar.setFormat("%v of %m frames")
        scrolled = QWidget()
        column = QVBoxLayout(scrolled)
        column.addWidget(self.form)
        column.addStretch(1)
        self.lay_out(VerticalScroll(scrolled), (self.run_button, self.cancel_button))
        self.update_buttons()
        self.load(load_experiment_kit)

    def fill(self, kit: ExperimentKit) -> Iterator[None]:
        """Add what needs torch."""
        self.movie = Fields(MovieLength, MovieLength.model_fields, self.form.rows, self)
        self.form.loaded.connect(self._on_experiment)
        yield from self.form.fill(kit)
        self.form.save_button.clicked.connect(self._on_save)
        yield  # what was used last fills the form again

    def kept_editors(self) -> dict[str, Any]:
        """Return the editors that come back as they were left."""
        whole = experiment_editor(self.form, self.form.experiment, self.form.changed)
        return whole | self.movie.editors

    def update_buttons(self) -> None:
        """Let those buttons be clicked that make sense now."""
        self.run_button.setEnabled(self.is_ready and not self.is_busy)
        self.cancel_button.setEnabled(self.is_busy)

    # -- simulation ------------------------------------------------------------------------

    def experiment(self) -> Experiment:
        """Return what is simulated.

        Raises
        ------
        ValueError
            One sentence about what is out of range.
        """
        movie = self.movie.values()
        return self.form.experiment().replace(image_px=(movie["height_px"], movie["width_px"]))

    def run(self) -> None:
        """Simulate into new layers."""
        try:
            experiment = self.experiment()
        except ValueError as error:
            self.refuse(str(error))
            return
        movie = self.movie.values()
        self.status_note.tell("Simulating…")
        self.bar.setRange(0, 0)
        self.bar.show()
        work = partial(simulate_live, experiment, movie["n_frames"], movie["seed"])
        self.begin(work, self._on_event, title="simulating")

    def cancel(self) -> None:
        """Stop; the frames that are there become a layer."""
        if self._job is not None and self.is_busy:
            self._job.stop()
            self.cancel_button.setEnabled(False)

    def _on_event(self, event: FramesDone | Simulated) -> None:
        if isinstance(event, FramesDone):
            self.bar.setRange(0, event.n_frames)
            self.bar.setValue(event.frames_done)
        else:
            self._show(event)

    def _show(self, made: Simulated) -> None:
        """Add the layers, in nm, with how they were made."""
        pixel_nm = made.experiment.psf.pixel_size_nm
        stack = made.stack[:, 0] if made.stack.shape[1] == 1 else made.stack
        known = {
            "pixel_size_nm": pixel_nm,
            "pixel_size_origin": NAME,
            "n_molecules": len(made.truth),
            "seed": made.seed,
            "camera": made.experiment.camera.model_dump(mode="json"),
            "experiment": made.experiment.model_dump(mode="json"),
        }
        self._viewer.add_image(
            stack,
            name=NAME,
            rgb=False,
            colormap="gray",
            metadata={KEY: known},
            **frame_placement(stack.ndim, pixel_nm),
        )
        note = f"{counted(len(stack), 'frame')} with {counted(len(made.truth), 'molecule')}"
        if len(made.truth) > MAX_POINTS:
            note += ": too many to draw as points; `deepsmlm simulate` writes their table"
        elif len(made.truth):
            corner = (-pixel_nm / 2, -pixel_nm / 2)
            data, keywords, _ = points_of(made.truth, corner, stack.ndim, PlaneSpan.of(stack))
            keywords |= {"name": TRUTH_NAME, "border_color": "lime", "size": 1.5 * pixel_nm}
            self._viewer.add_points(data, metadata={KEY: known}, **keywords)
            note += ", drawn in their frames"
        self._viewer.reset_view()
        self._viewer.canvas.overlays.scale_bar.visible = True
        self.status_note.tell(f"{note}.")

    def _on_experiment(self, experiment: Experiment) -> None:
        height, width = experiment.image_px
        self.movie.fill({"height_px": height, "width_px": width})

    def _on_save(self) -> None:
        try:
            self.status_note.tell(save_experiment(self, self.experiment()))
        except (ValueError, OSError) as error:
            self.refuse(str(error))
