"""The report of a run in a few lines, to unfold under the panel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QPlainTextEdit

from napari_deepsmlm._words import counted
from napari_deepsmlm.plugin.forms.rows import FoldedForm
from napari_deepsmlm.plugin.widgets.frame_numbers import COUNTED, frames_in_words
from napari_deepsmlm.plugin.widgets.parts import duration

if TYPE_CHECKING:
    from napari_deepsmlm.reconstruction import Report

HEIGHT_PX = 150


class ReportBox(FoldedForm):
    """A folded text that can be selected and copied; hidden until there is a report."""

    def __init__(self) -> None:
        super().__init__(
            "Report", "What was done, by which model, how fast, and what to beware of."
        )
        self.page = QPlainTextEdit()
        self.page.setReadOnly(True)
        self.page.setAccessibleName("Report")
        self.page.setFixedHeight(HEIGHT_PX)
        self.rows.addRow(self.page)
        self.hide()

    def show_report(self, report: Report, name: str) -> None:
        """Show the report on a layer of that name; the fold stays as it is."""
        self.page.setPlainText(in_words(report, name))
        self.show()


def in_words(report: Report, name: str = "") -> str:
    """Return a report as lines for a person; `report.json` has all of it.

    `name` is that of frames that have no file.
    """
    inputs, model, quality = report.inputs, report.model, report.quality
    options = inputs.options
    n_summed = options.sum_frames
    first, last = options.frame_range
    which = (
        ""
        if (first, last) == (0, None)
        else f", {frames_in_words(first, None if last is None else last - 1)}, {COUNTED}"
    )
    lines = {
        "Frames": f"{report.frames:,} of {inputs.path or name or inputs.name}{which}",
        "Region": _region(options.region),
        "Summed": f"{n_summed} frames per input" if n_summed > 1 else "",
        "Model": f"{model.name} ({model.reason}), {model.parameters:,} parameters",
        "Camera": report.camera.in_words().removeprefix("Camera: "),
        "Pixels": f"{report.pixel_size_nm:g} nm, in the image {report.sr_pixel_nm:g} nm",
        "Image": f"{report.image}; {quality.molecules:,.0f} molecules",
        "Time-lapse": _time_lapse(report.time_lapse),
        "Localizations": f"{report.localizations:,}, {quality.localizations_per_frame:g} per frame",
        "Time": f"{duration(report.seconds)}, {report.frames_per_second:g} frames/s",
        "Computed on": report.device,
        "Memory": f"{report.peak_memory_mb:,.0f} MB at most, all of napari",
    }
    told = [f"{what}: {text}" for what, text in lines.items() if text]
    return "\n".join([*told, *(f"Beware: {warning}" for warning in report.warnings)])


def _time_lapse(images: tuple[tuple[int, int], ...] | None) -> str:
    """Return how many images there are of how many frames."""
    if images is None:
        return ""
    first, stop = images[0]
    said = f"{counted(len(images), 'image')} of {counted(stop - first, 'frame')}"
    if len(images) > 1 and images[1][0] < stop:
        said += f", one every {images[1][0] - first}"
    return said


def _region(region: tuple[int, int, int, int] | None) -> str:
    if region is None:
        return ""
    y, x, y_end, x_end = region
    return f"rows {y} to {y_end - 1}, columns {x} to {x_end - 1}"
