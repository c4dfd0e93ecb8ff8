"""Quality: the resolution of a result, and how near it is to the truth and to the frames."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image
from qtpy.QtWidgets import (
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from napari_deepsmlm.plugin.forms.rows import Fields, FoldedForm
from napari_deepsmlm.plugin.job_panel import JobPanel
from napari_deepsmlm.plugin.layers.chooser import LayerBox
from napari_deepsmlm.plugin.layers.world import (
    KEY,
    can_hold_frames,
    frame_placement,
    frames_of,
    pixel_size_of,
    why_no_frames,
)
from napari_deepsmlm.plugin.quality.layers import (
    can_be_image,
    common_origin,
    coverage_of_layer,
    has_table,
    is_reconstruction,
    pixel_of_image,
    placed_coverage,
    placed_table,
    shared_region,
)
from napari_deepsmlm.plugin.quality.limits_tab import LimitsTab
from napari_deepsmlm.plugin.quality.results import ResultList
from napari_deepsmlm.plugin.quality.training_rows import TrainingRows
from napari_deepsmlm.plugin.quality.work import (
    Comparison,
    Measured,
    QualityKit,
    Question,
    Step,
    load_quality_kit,
    measure_live,
)
from napari_deepsmlm.plugin.widgets.parts import VerticalScroll, button

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.viewer import Viewer

    from napari_deepsmlm.evaluation import QualityOptions
    from napari_deepsmlm.metrics import ErrorMap

TABLES = "Localizations (*.csv *.txt *.hdf5 *.h5);;All files (*)"
TRUTH_NAME = "true positions"
"""What layers of simulated molecules are called."""


class QualityWidget(JobPanel):
    """The Quality panel.

    Parameters
    ----------
    napari_viewer : whose layers are measured, and which gets the error map.
    """

    kept_as = "Quality"
    help_page = "quality"

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self._options: type[QualityOptions] | None = None
        self._mapped: ErrorMap | None = None
        self._box_beside: dict[Any, LayerBox] = {}
        self._region: tuple[slice, slice] | None = None
        self._build()
        self._lay_out()
        self.update_buttons()
        self.load(load_quality_kit, what="the measures")

    def _build(self) -> None:
        viewer = self._viewer
        self.image_box = LayerBox(
            viewer,
            can_be_image,
            "The super-resolved image, or a time-lapse or pair of images: decorrelation, error map "
            "and, of several images, ring correlation.",
            prefers=is_reconstruction,
        )
        self.table_box = LayerBox(
            viewer,
            has_table,
            "The localizations of the result: ring correlation, and the comparison with true "
            "molecules.",
            prefers=is_reconstruction,
        )
        self.frames_box = LayerBox(
            viewer,
            can_hold_frames,
            "The camera frames that the result was made from: the error map shows where it does "
            "not explain them, and they are held against what the model was trained on.",
            prefers=lambda layer: layer.ndim > 2,
            why_not=why_no_frames,
        )
        self.truth_image_box = LayerBox(
            viewer, can_be_image, "The true image, of the same pixels: NMSE, SSIM, PSNR."
        )
        self.truth_table_box = LayerBox(
            viewer,
            has_table,
            "The true molecules: Jaccard index, RMSE and efficiency of the localizations; drawn as "
            "an image, also NMSE and SSIM of the image.",
            prefers=lambda layer: layer.name == TRUTH_NAME,
        )
        self.boxes = (
            self.image_box,
            self.table_box,
            self.frames_box,
            self.truth_image_box,
            self.truth_table_box,
        )
        for box in self.boxes:
            box.changed.connect(self.update_buttons)
        results = (self.image_box, self.table_box)
        self.training_rows = TrainingRows(results, self.frames_box, self)
        self.training_rows.changed.connect(self.update_buttons)
        self.training_rows.failed.connect(self.fail)
        self.limits_tab = LimitsTab(self, self.training_rows)
        self.results = ResultList()
        self.results.told.connect(self.status_note.tell)
        self.results.failed.connect(self.fail)
        self.run_button = button("Measure", "Measure all that the chosen layers allow.")
        self.run_button.clicked.connect(self.run)
        self.cancel_button = button("Cancel", "Stop after what is at hand; keep what is measured.")
        self.cancel_button.clicked.connect(self.cancel)

    def _lay_out(self) -> None:
        self.rows = QFormLayout()
        self.rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self._add_heading("Result")
        self.rows.addRow("Image", self.image_box.native)
        self.rows.addRow("Localizations", self._with_file(self.table_box))
        self._add_heading("Compared with")
        self.rows.addRow("Camera frames", self.frames_box.native)
        self.rows.addRow("True image", self.truth_image_box.native)
        self.rows.addRow("True molecules", self._with_file(self.truth_table_box))
        self.more = FoldedForm("More about the measures", "Pixels, blocks, blur, tolerances.")
        chosen, found = QWidget(), QWidget()
        column = QVBoxLayout(chosen)
        column.addLayout(self.rows)
        column.addWidget(self.more)
        column.addStretch(1)
        self.result_column = QVBoxLayout(found)
        self.result_column.addWidget(self.results)
        self.result_column.addStretch(1)
        self.tabs = QTabWidget()
        self.tabs.addTab(VerticalScroll(chosen), "Set up")
        self.tabs.addTab(VerticalScroll(found), "Results")
        self.tabs.addTab(VerticalScroll(self.limits_tab), "Limits")
        self.lay_out(self.tabs, (self.run_button, self.cancel_button))

    def fill(self, kit: QualityKit) -> Iterator[None]:
        """Add what needs pyqtgraph and the library's options."""
        from napari_deepsmlm.plugin.quality.plot import RingPlot

        options = self._options = kit.options
        self._add_heading("Camera frames like those of the training?")
        self.training_rows.add_to(self.rows, kit.models, kit.cameras)
        yield
        self.option_fields = Fields(options, options.model_fields, self.more.rows, self)
        yield
        self.comparison_fields = Fields(Comparison, Comparison.model_fields, self.more.rows, self)
        yield
        self.plot = RingPlot()
        self.plot.hide()
        self.result_column.insertWidget(0, self.plot)
        yield
        self.limits_tab.fill()

    def kept_editors(self) -> dict[str, Any]:
        """Return the editors that come back as they were left."""
        kept = {**self.option_fields.editors, **self.comparison_fields.editors}
        kept |= self.limits_tab.editors()
        del kept["all_frames"]  # right for one result, wrong for the next
        return kept

    def update_buttons(self) -> None:
        """Let those buttons be clicked that make sense now."""
        has_result = self.image_box.value is not None or self.table_box.value is not None
        has_result = has_result or self._can_hold_against_training
        self.run_button.setEnabled(self.is_ready and has_result and not self.is_busy)
        self.cancel_button.setEnabled(self.is_busy)
        self.limits_tab.refresh()

    @property
    def _can_hold_against_training(self) -> bool:
        return self.frames_box.value is not None and self.training_rows.settings() is not None

    def set_colors(self, background: str, text: str) -> None:
        """Give the plot and the verdicts the colours of the window."""
        self.plot.set_colors(background, text)
        self.results.mismatch.set_colors(background)
        self.limits_tab.set_colors(background, text)

    def abandon(self) -> None:
        """Stop, and follow the layers no more."""
        for box in self.boxes:
            box.abandon()
        super().abandon()

    # -- measuring -----------------------------------------------------------------------------

    def run(self) -> None:
        """Measure what is chosen, in another thread."""
        assert self._options is not None  # noqa: S101 - filled
        try:
            options = self._options.from_dict(self.option_fields.values(), source="Measures")
            how = Comparison.from_dict(self.comparison_fields.values(), source="Comparison")
            question = self._question()
        except ValueError as error:
            self.refuse(str(error))
            return
        self._mapped = None
        self._frames_layer = self.frames_box.layer
        self._settings = {
            **{name: box.current_choice for name, box in self._named_boxes().items()},
            **options.model_dump(),
            **how.model_dump(),
        }
        self.plot.hide()
        self.results.hide()
        self.tabs.setCurrentIndex(1)
        self.bar.setRange(0, 0)
        self.bar.setFormat("%v of %m measures")
        self.bar.show()
        work = partial(measure_live, question, options, how)
        self.begin(work, self._on_event, title="measuring quality")

    def cancel(self) -> None:
        """Stop; what is measured stays in the list."""
        if self._job is not None and self.is_busy:
            self._job.stop()
            self.cancel_button.setEnabled(False)
            self.status_note.tell("Stopping after what is at hand…")

    def _question(self) -> Question:
        image, frames, truth = (
            box.layer for box in (self.image_box, self.frames_box, self.truth_image_box)
        )
        layers = (self.image_box.layer, self.frames_box.layer)
        tables = (self.table_box.layer, self.truth_table_box.layer)
        origin = common_origin(layers, tables)
        self._region = None if image is None or frames is None else shared_region(image, frames)
        return Question(
            image=None if image is None else image.data,
            pixel_nm=None if image is None else pixel_of_image(image),
            table=placed_table(self.table_box, origin),
            frames=None if frames is None else frames_of(frames),
            camera_pixel_nm=None if frames is None else pixel_size_of(frames).nm,
            region=self._region,
            truth_image=None if truth is None else truth.data,
            truth_table=placed_table(self.truth_table_box, origin),
            image_coverage=coverage_of_layer(image),
            table_coverage=placed_coverage(self.table_box, origin),
            settings=self.training_rows.settings(),
        )

    def _on_event(self, event: Step | Measured) -> None:
        if isinstance(event, Step):
            self.status_note.tell(f"{event.words}…")
            self.bar.setRange(0, event.n_steps)
            self.bar.setValue(event.n_done)
            return
        if event.quality.frc is not None:
            self.plot.show_pair(event.quality.frc)
        self.results.show_results(event, self._settings)
        if event.remarks:
            self.message_note.warn("\n".join(event.remarks))
        if event.quality.squirrel is not None and self._mapped is None:
            self._mapped = event.quality.squirrel
            self._show_errors(event.quality.squirrel)

    def on_ended(self) -> None:
        """Say that it is over."""
        self.status_note.clear()
        super().on_ended()

    def _show_errors(self, found: ErrorMap) -> None:
        """Add the error map where the camera frames lie."""
        frames = self._frames_layer
        if not isinstance(frames, Image) or frames not in self._viewer.layers:
            return
        first = (0, 0) if self._region is None else [part.start for part in self._region]
        placement = frame_placement(2, None)
        placement |= {"scale": frames.scale[-2:], "units": frames.units[-2:]}
        known = {"kind": "error map", "of": frames.name, "rse": found.rse, "rsp": found.rsp}
        known |= {"sigma_px": found.sigma_px, "alpha": found.alpha, "beta": found.beta}
        known["pixel_size_nm"] = pixel_size_of(frames).nm
        self._viewer.add_image(
            found.error,
            name=f"{frames.name} error map",
            colormap="inferno",
            blending="additive",  # dark where there is no error: what is below stays to be seen
            # A few pixels at the edges, lit from beyond, would hide all others.
            contrast_limits=(0.0, max(float(np.percentile(found.error, 99.5)), 1e-9)),
            rgb=False,
            translate=frames.translate[-2:] + np.asarray(first) * frames.scale[-2:],
            metadata={KEY: known},
            **placement,
        )

    # -- rows ----------------------------------------------------------------------------------

    def _named_boxes(self) -> dict[str, LayerBox]:
        names = ("image", "localizations", "camera_frames", "true_image", "true_molecules")
        return dict(zip(names, self.boxes, strict=True))

    def _add_heading(self, text: str) -> None:
        label = QLabel(f"<b>{text}</b>")
        self.rows.addRow(label)

    def _with_file(self, box: LayerBox) -> QHBoxLayout:
        browse = button("…", "Take a table from a file.")
        browse.setMaximumWidth(30)
        browse.clicked.connect(self._on_browse)  # PySide6 would keep the panel for a partial
        self._box_beside[browse] = box
        row = QHBoxLayout()
        row.addWidget(box.native, 1)
        row.addWidget(browse)
        return row

    def _on_browse(self) -> None:
        chosen, _filter = QFileDialog.getOpenFileName(self, "Localizations", filter=TABLES)
        if chosen:
            self._box_beside[self.sender()].add_file(Path(chosen))
