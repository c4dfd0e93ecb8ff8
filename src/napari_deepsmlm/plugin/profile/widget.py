"""Line profile: widths along lines across all visible images, while the lines are dragged."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QApplication, QFileDialog, QVBoxLayout, QWidget

from napari_deepsmlm.plugin.job_panel import JobPanel
from napari_deepsmlm.plugin.jobs import Job
from napari_deepsmlm.plugin.profile.form import ProfileForm
from napari_deepsmlm.plugin.profile.images import SeenImage, finest, seen_images
from napari_deepsmlm.plugin.profile.means import StackMeans
from napari_deepsmlm.plugin.profile.table import ResultTable
from napari_deepsmlm.plugin.profile.work import (
    Measured,
    Measurer,
    ProfileKit,
    Request,
    load_profiles,
    save_figure,
    save_results,
)
from napari_deepsmlm.plugin.widgets.notes import Note
from napari_deepsmlm.plugin.widgets.parts import VerticalScroll, button

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.layers import Layer
    from napari.viewer import Viewer

    from napari_deepsmlm.plugin.profile.plot import ProfilePlot
    from napari_deepsmlm.profiles.export import MeasuredLine

DELIVERY_MS = 8
FIGURE_FILTER = "PNG (*.png);;SVG (*.svg);;PDF (*.pdf)"
_IMAGE_EVENTS = (
    "set_data", "visible", "name", "scale", "translate", "rotate", "shear", "affine",
    "units",
)  # fmt: skip
NO_LINES = "Click New lines, then press, drag and let go across a structure."
NO_IMAGES = "No grey image is visible: open one, or show its layer."


class ProfileWidget(JobPanel):
    """The Line profile panel.

    Parameters
    ----------
    napari_viewer : whose images are measured.
    """

    kept_as = "Line profile"
    help_page = "measure-a-line"

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self.form = ProfileForm(napari_viewer)
        self.table, self.remark_note = ResultTable(), Note()
        self.plot: ProfilePlot | None = None
        self.measured: Measured | None = None
        """The latest results."""
        self.n_updates = 0
        """How often they were shown."""
        self._measurer = Measurer()
        self._means = StackMeans(self)
        self._means.changed.connect(self._on_images)
        self._live: Job | None = None
        self._is_due = False
        self._seen: tuple[list[SeenImage], list[str]] | None = None
        self._followed: list[Layer] = []
        self._line = ""  # the name of the one that is plotted
        self._build()
        self.load(load_profiles, what="the fits")

    def _build(self) -> None:
        self.copy_button = button("Copy", "Copy the table, for a spreadsheet.")
        self.save_button = button(
            "Save CSV…", "Save the table, and beside it all values along the lines (_curves.csv)."
        )
        self.figure_button = button("Save figure…", "Save the plot as PNG, SVG or PDF.")
        self.copy_button.clicked.connect(self.copy)
        self.save_button.clicked.connect(self._on_save)
        self.figure_button.clicked.connect(self._on_figure)
        scrolled = QWidget()
        self._column = QVBoxLayout(scrolled)
        for widget, stretch in ((self.form, 0), (self.table, 1), (self.remark_note, 0)):
            self._column.addWidget(widget, stretch)
        self.lay_out(
            VerticalScroll(scrolled), (self.copy_button, self.save_button, self.figure_button)
        )
        self.update_buttons()

    def fill(self, kit: ProfileKit) -> Iterator[None]:
        """Add the models and the plot, and begin to follow the viewer."""
        from napari_deepsmlm.plugin.profile.plot import ProfilePlot

        self._sizes = kit.sizes
        self.form.fill(kit)
        yield
        self.plot = ProfilePlot()
        self._column.insertWidget(1, self.plot, 1)
        yield
        self.form.changed.connect(self.ask)
        self.form.stacks_changed.connect(self._on_images)
        self.form.look_changed.connect(self._show)
        self.table.chosen.connect(self._on_chosen)
        events = self._viewer.layers.events
        for event in (events.inserted, events.removed, events.reordered):
            event.connect(self._on_layers)
        dims = self._viewer.dims.events
        for event in (dims.current_step, dims.ndisplay, dims.order):
            event.connect(self._on_images)
        self._on_layers()

    def kept_editors(self) -> dict[str, Any]:
        """Return the editors that come back as they were left."""
        return self.form.kept_editors()

    def on_restored(self) -> None:
        """Measure in the other way."""
        self._on_images()

    def update_buttons(self) -> None:
        """Let results be saved when there are any."""
        has_any = self.measured is not None and bool(self.measured.measurements)
        for each in (self.copy_button, self.save_button, self.figure_button):
            if each.isEnabled() != has_any:
                each.setEnabled(has_any)

    def set_colors(self, background: str, text: str) -> None:
        """Follow the theme of the window."""
        if self.plot is not None:
            self.plot.set_colors(background, text)

    def abandon(self) -> None:
        """Stop, and follow the viewer no more."""
        super().abandon()
        if self._live is not None:
            self._live.abandon()
        self._means.abandon()
        self.form.lines_box.abandon()
        events, dims = self._viewer.layers.events, self._viewer.dims.events
        for event in (events.inserted, events.removed, events.reordered):
            event.disconnect(self._on_layers)
        for event in (dims.current_step, dims.ndisplay, dims.order):
            event.disconnect(self._on_images)
        self._follow([])

    # -- following the viewer ----------------------------------------------------------------

    def _on_layers(self, *_: object) -> None:
        from napari.layers import Image

        self._follow([layer for layer in self._viewer.layers if isinstance(layer, Image)])
        self._on_images()

    def _follow(self, layers: list[Layer]) -> None:
        for layer in self._followed:
            for name in _IMAGE_EVENTS:
                layer.events[name].disconnect(self._on_images)
            layer.events.data.disconnect(self._on_data)
        for layer in layers:
            for name in _IMAGE_EVENTS:
                layer.events[name].connect(self._on_images)
            layer.events.data.connect(self._on_data)
        self._followed = layers
        self._means.keep(finest(layer) for layer in layers)

    def _on_data(self, event: Any) -> None:
        """Average a stack anew: it may be the same array with other values."""
        self._means.forget(finest(event.source))
        self._means.keep(finest(layer) for layer in self._followed)
        self._on_images()

    def _on_images(self, *_: object) -> None:
        """Measure everything anew: pixels, places or visibility have changed."""
        self._seen = None
        self._measurer.forget()
        self.ask()

    # -- measuring ---------------------------------------------------------------------------

    def ask(self, *_: object) -> None:
        """Measure, or remember to, as soon as what is being measured is done."""
        if self.plot is None:
            return
        if self._live is not None and self._live.is_running:
            self._is_due = True
            return
        self._is_due = False
        request = self._request()
        work = partial(self._measurer.measure, request)
        self._live = Job(work, title="measuring lines", parent=self, delivery_ms=DELIVERY_MS)
        self._live.arrived.connect(self._on_measured)
        self._live.failed.connect(self.fail)
        self._live.ended.connect(self._on_live_ended)
        self._live.start()

    def _request(self) -> Request:
        if self._seen is None:
            self._seen = seen_images(self._viewer, self._means, self.form.stacks)
        images, remarks = self._seen
        lines, others = self.form.lines_box.lines()
        if not images:
            remarks = remarks or [NO_IMAGES]
        elif not lines:
            remarks = [*remarks, NO_LINES]
        self._remarks = [*remarks, *others]
        self._follow_line([line.name for line in lines])
        return Request(tuple(lines), tuple(images), self.form.choices())

    def _on_live_ended(self) -> None:
        if self._live is not None:
            self._live.deleteLater()
            self._live = None
        if self._is_due:
            self.ask()

    def _on_measured(self, measured: Measured) -> None:
        self._find_moved(measured)
        self.measured = measured
        self.n_updates += 1
        self._show()
        self.update_buttons()

    def _find_moved(self, measured: Measured) -> None:
        """Plot the line that is being drawn or dragged."""
        if self.measured is None:
            return
        before = {line.name: line.ends.tobytes() for line in self.measured.request.lines}
        for line in measured.request.lines:
            if before.get(line.name) != line.ends.tobytes():
                self._line = line.name

    def _follow_line(self, names: list[str]) -> None:
        if self._line not in names:
            self._line = names[-1] if names else ""

    # -- showing -----------------------------------------------------------------------------

    def _show(self, *_: object) -> None:
        if self.measured is None or self.plot is None:
            return
        measurements, model = self.measured.measurements, self.measured.request.choices.model
        extra = "Distance" if model == "two-gauss" else self._sizes[model].capitalize()
        self.table.show_results(measurements, extra)
        self.plot.show_profiles(self.plotted(), is_normalised=self.form.normalised_box.value)
        problems = [
            f"Line {one.line}, {one.image}: {text}"
            for one in self.plotted()
            for text in ([one.problem] if one.problem else one.fit.remarks if one.fit else ())
        ]
        text = "\n".join([*self._remarks, *problems])
        if problems or (self._remarks and measurements):
            self.remark_note.warn(text)
        else:
            self.remark_note.tell(text)

    def plotted(self) -> list[MeasuredLine]:
        """Return the measurements of the line at hand, or of all lines."""
        if self.measured is None:
            return []
        is_all = self.form.all_box.value
        return [one for one in self.measured.measurements if is_all or one.line == self._line]

    def _on_chosen(self, line: str) -> None:
        self._line = line
        self._show()
        if self.measured is not None:
            for one in self.measured.request.lines:
                if one.name == line:
                    self.form.lines_box.select(one.shape)

    # -- saving ------------------------------------------------------------------------------

    def copy(self) -> None:
        """Put the table into the clipboard, with tabs between its columns."""
        from napari_deepsmlm.profiles.export import results_table

        clipboard = QApplication.clipboard()
        if self.measured is not None and clipboard is not None:
            clipboard.setText(
                results_table(self.measured.measurements).to_csv(sep="\t", index=False)
            )
            self.status_note.tell("Copied: paste it into a spreadsheet.")

    def save_table(self, path: Path) -> None:
        """Write the table, and beside it the values along the lines."""
        if self.measured is not None:
            work = partial(save_results, path, self.measured.measurements)
            self.begin(work, self.status_note.tell, title="saving profiles")

    def save_figure(self, path: Path) -> None:
        """Write what is plotted as a figure."""
        work = partial(save_figure, path, self.plotted(), self.form.normalised_box.value)
        self.begin(work, self.status_note.tell, title="saving a figure")

    def _on_save(self) -> None:
        chosen, _ = QFileDialog.getSaveFileName(self, "Save results", "profiles.csv", "CSV (*.csv)")
        if chosen:
            self.save_table(Path(chosen).with_suffix(".csv"))

    def _on_figure(self) -> None:
        chosen, kind = QFileDialog.getSaveFileName(
            self, "Save figure", "profiles.png", FIGURE_FILTER
        )
        if chosen:
            path = Path(chosen)
            self.save_figure(path if path.suffix else path.with_suffix(f".{kind[:3].lower()}"))
