"""Plots of limits: scores of a model over density, a curve for each brightness, and the bound."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from napari_deepsmlm._palette import IN_WINDOW
from napari_deepsmlm._score_labels import TIPS, label_of
from napari_deepsmlm.plugin.widgets.plots import Plot

if TYPE_CHECKING:
    import pandas as pd

HEIGHT_PX = 150
DENSITY = "molecules per frame and µm²"


class Score(NamedTuple):
    """What is drawn in one plot."""

    column: str
    bound: str | None


SCORES = (
    Score("jaccard", None),
    Score("rmse_lateral_nm", "crlb_lateral_nm"),
    Score("rmse_axial_nm", "crlb_axial_nm"),
)
BOUND_TIP = " Dashed: the Cramér-Rao bound of lone molecules with as much light."


class LimitsPlot(QWidget):
    """One plot below the other; that of depth is hidden for a model without."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        self.plots = {score.column: _plot(score) for score in SCORES}
        plots = list(self.plots.values())
        self.key = plots[0].key
        self.key.setAlignment(Qt.AlignmentFlag.AlignLeft)
        self.key.setWordWrap(True)
        self.key.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        column.addWidget(self.key)
        for plot in plots:
            column.addWidget(plot)
        self._curves = {
            score.column: [self.plots[score.column].add_points("", each) for each in IN_WINDOW]
            for score in SCORES
        }
        self._bounds = {
            score.column: [
                self.plots[score.column].add_line("", each, dashed=True) for each in IN_WINDOW
            ]
            for score in SCORES
            if score.bound is not None
        }
        self.hide()

    def show_limits(self, table: pd.DataFrame) -> None:
        """Draw what is measured so far: one row for each condition, of one background."""
        brightness = sorted(set(table["photons"]))
        for score in SCORES:
            values = table[score.column]
            self.plots[score.column].setVisible(bool(values.notna().any()))
            for k in range(len(IN_WINDOW)):
                of = table[table["photons"] == brightness[k]] if k < len(brightness) else table[:0]
                x = of["density_per_um2"].to_numpy(float)
                self._curves[score.column][k].setData(x, of[score.column].to_numpy(float))
                if score.bound is not None:
                    self._bounds[score.column][k].setData(x, of[score.bound].to_numpy(float))
        names = [f"{photons:,g}&nbsp;photons" for photons in brightness]
        self.plots[SCORES[0].column].set_keys(list(zip(names, IN_WINDOW, strict=False)))
        self.show()

    def set_colors(self, background: str, text: str) -> None:
        """Follow the theme of the window."""
        for plot in self.plots.values():
            plot.set_colors(background, text)


def _plot(score: Score) -> Plot:
    tip = TIPS[score.column] + (BOUND_TIP if score.bound else "")
    plot = Plot(label_of(score.column, is_short=True), tip)
    plot.use_room(HEIGHT_PX)
    plot.setLogMode(x=True, y=False)
    plot.setLabel("bottom", DENSITY)
    plot.getPlotItem().setContentsMargins(0, 7, 4, 6)
    if score.bound is None:
        plot.setYRange(0, 1.03)
    else:
        plot.getPlotItem().getViewBox().setLimits(yMin=0)
    return plot
