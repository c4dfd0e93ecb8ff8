"""Curves of a run: loss on a log axis, precision in nm and Jaccard index against steps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_deepsmlm.plugin.train.run import TrainingSession

# Okabe and Ito's colours, told apart by all eyes, and seen on dark and on light.
BLUE, ORANGE, GREEN, GREY = "#56b4e9", "#e69f00", "#009e73", "#999999"
HEIGHT_PX = 95
AXIS_WIDTH_PX = 50


class TrainCurves(QWidget):
    """Three plots over one axis of steps, filled anew without being drawn anew."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.loss_plot = Plot("loss", "Loss of the training steps, and of the validation frames.")
        self.rmse_plot = Plot("RMSE (nm)", "Lateral error of the molecules found, and its bound.")
        self.jaccard_plot = Plot("Jaccard", "Share of molecules found and right: 1 is all.")
        self.loss = self.loss_plot.add_line("training", BLUE)
        self.validation = self.loss_plot.add_points("validation", ORANGE)
        self.rmse = self.rmse_plot.add_points("error", ORANGE)
        self.bound = self.rmse_plot.add_line("no method is better", GREY, dashed=True)
        self.jaccard = self.jaccard_plot.add_points("Jaccard", GREEN)
        self._shown: tuple[TrainingSession | None, int] = (None, 0)
        self._last_x = 0.0
        self.plots = (self.loss_plot, self.rmse_plot, self.jaccard_plot)
        self.loss_plot.setFixedHeight(HEIGHT_PX + 30)
        self.jaccard_plot.setFixedHeight(HEIGHT_PX + 15)
        self.jaccard_plot.setYRange(0, 1)
        self.jaccard_plot.setLabel("bottom", "step")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        for plot in self.plots:
            if len(plot.keys) > 1:
                column.addWidget(plot.key_label())
            column.addWidget(plot)
            if plot is not self.loss_plot:
                plot.setXLink(self.loss_plot)

    def show_run(self, session: TrainingSession) -> None:
        """Draw the curves so far, and of them only those that have changed."""
        steps, losses = session.loss.points()
        scores = session.scores
        n = min(map(len, scores.values()))  # the other thread may be at it
        at = scores["step"][:n]
        judged = scores["validation_loss"][:n]
        self._make_room(max([0.0, *steps[-1:], *at[-1:]]))
        self.loss_plot.set_log(_are_positive(losses) and _are_positive(judged))
        self.loss.setData(steps, losses)
        if (session, n) == self._shown:
            return
        self._shown = (session, n)
        self.validation.setData(at, judged)
        self.rmse.setData(at, scores["rmse_lateral_nm"][:n])
        self.bound.setData(at, scores["bound_lateral_nm"][:n])
        self.jaccard.setData(at, scores["jaccard"][:n])

    def _make_room(self, last_step: float) -> None:
        """Let the axis of steps grow by a quarter now and then: it redraws all three plots."""
        if not 0.3 * self._last_x < last_step <= self._last_x:
            self._last_x = max(1.25 * last_step, 20.0)
            self.loss_plot.setXRange(0, self._last_x, padding=0.02)

    def set_colors(self, background: str, text: str) -> None:
        """Follow the theme of the window."""
        for plot in self.plots:
            plot.set_colors(background, text)


class Plot(pg.PlotWidget):  # type: ignore[misc]
    """A small plot that leaves the wheel to the panel."""

    def __init__(self, label: str, tooltip: str) -> None:
        super().__init__(axisItems={"left": _FewTicks("left")})
        self.setFixedHeight(HEIGHT_PX)
        self.setToolTip(f"<qt>{tooltip}</qt>")
        self.setMenuEnabled(False)
        self.setMouseEnabled(False, False)
        self.hideButtons()
        self.getPlotItem().setContentsMargins(0, 7, 4, 0)  # or half of the top number is cut off
        self.getAxis("left").setWidth(AXIS_WIDTH_PX)
        self.getAxis("left").enableAutoSIPrefix(False)
        self.setLabel("left", label)
        self.keys: dict[str, str] = {}
        """Colours by the names of the curves."""
        self._is_log = False

    def add_line(self, name: str, color: str, *, dashed: bool = False) -> Any:
        """Return a curve."""
        self.keys[name] = color
        style = Qt.PenStyle.DashLine if dashed else Qt.PenStyle.SolidLine
        return self.plot([], pen=pg.mkPen(color, width=1.5, style=style), connect="finite")

    def add_points(self, name: str, color: str) -> Any:
        """Return a curve with its points marked."""
        self.keys[name] = color
        return self.plot(
            [],
            pen=pg.mkPen(color, width=1.5),
            symbol="o",
            symbolSize=5,
            symbolBrush=color,
            symbolPen=None,
            connect="finite",
        )

    def key_label(self) -> QLabel:
        """Return a line that names the curves: a legend inside would lie on them."""
        label = QLabel("&nbsp;&nbsp;".join(colored(*key) for key in self.keys.items()))
        label.setAlignment(Qt.AlignmentFlag.AlignRight)
        return label

    def set_log(self, is_log: bool) -> None:
        """Let the axis of values be logarithmic, which needs values above zero."""
        if is_log != self._is_log:
            self._is_log = is_log
            self.setLogMode(y=is_log)

    def set_colors(self, background: str, text: str) -> None:
        """Take the colours of a theme."""
        self.setBackground(background)
        for side in ("left", "bottom"):
            axis = self.getAxis(side)
            axis.setPen(text)
            axis.setTextPen(text)

    def wheelEvent(self, event: Any) -> None:
        """Let the panel scroll."""
        event.ignore()


def colored(text: str, color: str) -> str:
    """Return a name with a mark in the colour of its curve."""
    return f'<span style="color: {color}">■</span> {text}'


class _FewTicks(pg.AxisItem):  # type: ignore[misc]
    """An axis that, where it is logarithmic, marks 1, 2 and 5 of each decade as plain numbers."""

    def logTickValues(self, low: float, high: float, *_: object) -> list[tuple[Any, list[float]]]:
        decades = range(math.floor(low), math.ceil(high) + 1)
        every = (1,) if high - low > 2 else (1, 2, 5)
        ticks = [decade + math.log10(one) for decade in decades for one in every]
        return [(None, [tick for tick in ticks if low <= tick <= high])]

    def logTickStrings(self, values: list[float], *_: object) -> list[str]:
        return [f"{10**value:.3g}" for value in values]


def _are_positive(values: Sequence[float]) -> bool:
    finite = np.asarray(values)[np.isfinite(values)]
    return bool((finite > 0).all())
