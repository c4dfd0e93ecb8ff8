"""Plot of ring correlation: both curves against spatial frequency, with 1/7 and the resolution."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pyqtgraph as pg
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from napari_deepsmlm._palette import GREY, ORANGE, SKY
from napari_deepsmlm.metrics.frc import THRESHOLD
from napari_deepsmlm.plugin.widgets.plots import Plot

if TYPE_CHECKING:
    from typing import Any

    from napari_deepsmlm.evaluation import RingPair
    from napari_deepsmlm.metrics import RingCorrelation

HEIGHT_PX = 170
RAW_OPACITY = 0.4
"""Of curves as they are measured: behind those that are smoothed, which say the same."""
NAMES = {"time": ("time&nbsp;blocks", SKY), "random": ("random&nbsp;halves", ORANGE)}


class RingPlot(QWidget):
    """The curves of both ways to halve the data, drawn as they are measured and smoothed."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.plot = Plot(
            "correlation",
            "How well two halves of the data agree on detail, by its size; the resolution is where "
            "the smoothed curve first falls below 1/7.",
        )
        self.plot.setFixedHeight(HEIGHT_PX)
        self.plot.setLabel("bottom", "spatial frequency (1/µm)")
        self.plot.setYRange(-0.1, 1.05)
        self.plot.getPlotItem().setContentsMargins(0, 7, 4, 6)
        self._raw = {name: self.plot.add_line(name, color) for name, (_, color) in NAMES.items()}
        for line in self._raw.values():
            line.setOpacity(RAW_OPACITY)
        self._smooth = {n: self.plot.add_line(n, color) for n, (_, color) in NAMES.items()}
        for line in self._smooth.values():
            pen = line.opts["pen"]
            pen.setWidthF(2.5)
            line.setPen(pen)
        self._crossings = {n: self.plot.add_points(n, color) for n, (_, color) in NAMES.items()}
        self._threshold = self.plot.add_line("1/7", GREY, dashed=True)
        self._threshold_name = pg.TextItem("1/7", GREY, anchor=(1, 1))
        self.plot.addItem(self._threshold_name)
        self.key = self.plot.key
        self.key.setAlignment(Qt.AlignmentFlag.AlignLeft)
        self.key.setWordWrap(True)
        self.key.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.key)
        column.addWidget(self.plot)

    def show_pair(self, pair: RingPair) -> None:
        """Draw the curves, and name them with their resolution."""
        keys, last = [], 1.0
        for name, (words, color) in NAMES.items():
            curve: RingCorrelation | None = getattr(pair, name)
            self._draw(name, curve)
            if curve is not None:
                keys.append((f"{words}&nbsp;{_length(curve.resolution_nm)}", color))
                last = float(curve.per_nm[-1]) * 1e3
        shown = self._last_shown(pair, last)
        self._threshold.setData([0, last], [THRESHOLD, THRESHOLD])
        self._threshold_name.setPos(shown, THRESHOLD)
        self.plot.set_keys(keys)
        self.plot.setXRange(0, shown, padding=0.01)
        self.setVisible(bool(keys))

    def set_colors(self, background: str, text: str) -> None:
        """Follow the theme of the window."""
        self.plot.set_colors(background, text)
        self._threshold_name.setColor(text)

    def _draw(self, name: str, curve: RingCorrelation | None) -> None:
        lines: tuple[Any, ...] = (self._raw[name], self._smooth[name], self._crossings[name])
        if curve is None:
            for line in lines:
                line.setData([], [])
            return
        per_um = curve.per_nm * 1e3
        lines[0].setData(per_um, curve.correlation)
        lines[1].setData(per_um, curve.smoothed)
        is_found = math.isfinite(curve.resolution_nm)
        lines[2].setData([1e3 / curve.resolution_nm] if is_found else [], [THRESHOLD] * is_found)

    def _last_shown(self, pair: RingPair, last: float) -> float:
        """Leave out most of what lies beyond both crossings: it is noise."""
        found = [curve.resolution_nm for curve in (pair.time, pair.random) if curve is not None]
        if not found or not all(map(math.isfinite, found)):
            return last
        return min(last, 2 * 1e3 / min(found))


def _length(nm: float) -> str:
    return f"{nm:.3g}&nbsp;nm" if math.isfinite(nm) else "none"
