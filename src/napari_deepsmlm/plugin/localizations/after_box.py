"""Drift and linking in the panel: a button each, one to undo, and the curve with its error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from napari_deepsmlm._palette import IN_WINDOW
from napari_deepsmlm.plugin.widgets.notes import Note
from napari_deepsmlm.plugin.widgets.parts import button, let_shrink
from napari_deepsmlm.plugin.widgets.plots import Plot

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_deepsmlm.drift import DriftCurve
    from napari_deepsmlm.plugin.localizations.after_work import Done

MAX_POINTS = 2000
CURVE_PX = 150


class AfterBox(QWidget):
    """What is done with the molecules after they were found."""

    drift_asked, link_asked, undo_asked = Signal(), Signal(), Signal()

    def __init__(self) -> None:
        super().__init__()
        self.done: list[tuple[Layer, Layer | None]] = []
        """Layers that steps have made, and those that they were made of; the last comes last."""
        self._colors = ("#262930", "#f0f1f2")
        self.drift_button = button(
            "Drift",
            "Take off the drift of the sample, measured in two ways on the molecules kept, with "
            "its error. The result is a new layer.",
        )
        self.link_button = button(
            "Link",
            "Make one row of all rows of a molecule over frames; take off the drift first. The "
            "result is a new layer.",
        )
        self.undo_button = button("Undo", "Remove the layer that Drift or Link made last.")
        self.drift_button.clicked.connect(self.drift_asked)
        self.link_button.clicked.connect(self.link_asked)
        self.undo_button.clicked.connect(self.undo_asked)
        self.note = Note()
        self.plots = QVBoxLayout()
        row = QHBoxLayout()
        for each in (self.drift_button, self.link_button, self.undo_button):
            let_shrink(each)
            row.addWidget(each)
        row.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(row)
        column.addWidget(self.note)
        column.addLayout(self.plots)
        self._shown: list[QWidget] = []

    def allow(self, is_allowed: bool) -> None:
        """Let those buttons be clicked that make sense now."""
        self.drift_button.setEnabled(is_allowed)
        self.link_button.setEnabled(is_allowed)
        self.undo_button.setEnabled(bool(self.done))

    def show_done(self, done: Done, source: Layer | None) -> None:
        """Say what a step has done, and draw its curve."""
        self.done.append((done.layer, source))
        self.note.tell(" ".join([done.sentence, *done.remarks]))
        if done.curve is not None:
            self._draw(done.curve, done.other)

    def forget(self, layers: Any) -> None:
        """Leave out layers that are there no more."""
        self.done = [(made, of) for made, of in self.done if made in layers]

    def clear(self) -> None:
        """Show nothing more of what was undone."""
        self.note.clear()
        self._remove_plots()

    def set_colors(self, background: str, text: str) -> None:
        """Take the colours of a theme."""
        self._colors = (background, text)
        for shown in self._shown:
            if isinstance(shown, Plot):
                shown.set_colors(background, text)

    def _remove_plots(self) -> None:
        for shown in self._shown:
            self.plots.removeWidget(shown)
            shown.deleteLater()
        self._shown = []

    def _draw(self, curve: DriftCurve, other: DriftCurve | None) -> None:
        self._remove_plots()
        plot = Plot(
            "drift (nm)",
            "How far the sample moved since the first frame, with its standard error as a band. "
            "Dashed: by the other way of measuring.",
        )
        plot.use_room(CURVE_PX)
        plot.setLabel("bottom", "frame")
        step = max(1, curve.n_frames // MAX_POINTS)
        frame = np.arange(1, curve.n_frames + 1)[::step]
        for axis, (along, color) in enumerate(zip(curve.xyz_nm.T, IN_WINDOW, strict=False)):
            error = curve.error_nm
            if axis == 2 and curve.error_z_nm is not None:
                error = curve.error_z_nm
            _band(plot, frame, along[::step], error[::step], color)
            plot.add_line("xyz"[axis], color).setData(frame, along[::step])
            if other is not None:
                apart = other.xyz_nm[:, axis]
                apart = apart + (along - apart).mean()
                pen = pg.mkPen(color, width=1, style=pg.QtCore.Qt.PenStyle.DashLine)
                plot.plot(frame, apart[::step], pen=pen)
        plot.set_colors(*self._colors)
        self._shown = [plot, plot.key_label()]
        for shown in self._shown:
            self.plots.addWidget(shown)


def _band(plot: Plot, frame: Any, along: Any, error: Any, color: str) -> None:
    edges = [pg.PlotDataItem(frame, along + sign * error, pen=None) for sign in (-1, 1)]
    faint = pg.mkColor(color)
    faint.setAlpha(80)
    for edge in edges:
        plot.addItem(edge)
    plot.addItem(pg.FillBetweenItem(*edges, brush=faint))
