"""Drift and linking in the panel: a button each, one to undo, and the curve with its error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from napari_deepsmlm.plugin.widgets.notes import Note
from napari_deepsmlm.plugin.widgets.parts import button, let_shrink

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_deepsmlm.drift import DriftCurve
    from napari_deepsmlm.plugin.localizations.after_work import Done
    from napari_deepsmlm.plugin.widgets.plots import Plot


class AfterBox(QWidget):
    """What is done with the molecules after they were found."""

    drift_asked, link_asked, undo_asked = Signal(), Signal(), Signal()
    resolution_asked, depth_asked = Signal(), Signal()

    def __init__(self) -> None:
        super().__init__()
        self.done: list[tuple[Layer, Layer | None]] = []
        """Layers that steps have made, and those that they were made of; the last comes last."""
        self._told: list[Done] = []
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
        self.resolution_button = button(
            "FRC", "Measure the resolution of the molecules kept, by Fourier ring correlation."
        )
        self.depth_button = button(
            "3-D",
            "Show the molecules kept in napari's 3-D view: as points coloured by depth, and as a "
            "volume. For tables with z.",
        )
        self.depth_button.clicked.connect(self.depth_asked)
        self.resolution_button.clicked.connect(self.resolution_asked)
        self.note = Note()
        self.plots = QVBoxLayout()
        row = QHBoxLayout()
        for each in (
            self.drift_button,
            self.link_button,
            self.resolution_button,
            self.depth_button,
            self.undo_button,
        ):
            let_shrink(each)
            row.addWidget(each)
        row.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(row)
        column.addWidget(self.note)
        column.addLayout(self.plots)
        self._shown: list[QWidget] = []
        self._plot: Plot | None = None

    def allow(self, is_allowed: bool, *, is_3d: bool = False) -> None:
        """Let those buttons be clicked that make sense now."""
        self.drift_button.setEnabled(is_allowed)
        self.link_button.setEnabled(is_allowed)
        self.resolution_button.setEnabled(is_allowed)
        self.depth_button.setEnabled(is_allowed and is_3d)
        self.undo_button.setEnabled(bool(self.done))

    def show_done(self, done: Done, source: Layer | None) -> None:
        """Say what a step has done, and draw its curve."""
        self.done.append((done.layer, source))
        self._told.append(done)
        self.show_of(done.layer)

    def show_of(self, layer: Layer | None) -> None:
        """Show what the step that made a layer has said; nothing for other layers."""
        self.note.clear()
        self._remove_plots()
        for done in self._told:
            if done.layer is layer:
                self.note.tell(" ".join([done.sentence, *done.remarks]))
                if done.curve is not None:
                    self._draw(done.curve, done.other)

    def forget(self, layers: Any) -> None:
        """Leave out layers that are there no more."""
        self.done = [(made, of) for made, of in self.done if made in layers]
        self._told = [done for done in self._told if done.layer in layers]

    def set_colors(self, background: str, text: str) -> None:
        """Take the colours of a theme."""
        self._colors = (background, text)
        if self._plot is not None:
            self._plot.set_colors(background, text)

    def _remove_plots(self) -> None:
        for shown in self._shown:
            self.plots.removeWidget(shown)
            shown.deleteLater()
        self._shown, self._plot = [], None

    def _draw(self, curve: DriftCurve, other: DriftCurve | None) -> None:
        # loaded by the job that measured the curve: the window does not wait for it
        from napari_deepsmlm.plugin.localizations.drift_plot import drift_plot

        plot = drift_plot(curve, other)
        plot.set_colors(*self._colors)
        self._plot = plot
        self._shown = [plot, plot.key]
        for shown in self._shown:
            self.plots.addWidget(shown)
