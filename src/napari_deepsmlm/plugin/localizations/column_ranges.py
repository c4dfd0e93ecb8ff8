"""Column ranges: for each column of a table its histogram, and a slider that takes a part of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QPointF, QSignalBlocker, QSize, Qt, Signal
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPolygonF
from qtpy.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget
from superqt import QDoubleRangeSlider

from napari_deepsmlm._palette import GREY, SKY
from napari_deepsmlm.filtering.summary import STEPS
from napari_deepsmlm.localizations import KNOWN_COLUMNS
from napari_deepsmlm.plugin.forms.field import UNITS
from napari_deepsmlm.plugin.widgets.contrast import visible_on
from napari_deepsmlm.plugin.widgets.editors import NumberRange, make_calm, set_tooltip
from napari_deepsmlm.plugin.widgets.frame_numbers import FIRST_SHOWN, of_file, shown_of_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_deepsmlm.filtering import ColumnSummary

FRAME = "frame"
HEIGHT_PX = 30
# First what a table is judged by, then where its molecules are.
ORDER = (
    "probability",
    "photons",
    "uncertainty_x_nm",
    "uncertainty_y_nm",
    "sigma_nm",
    "sigma_y_nm",
    "z_nm",
    FRAME,
)


class ColumnRanges(QWidget):
    """A range for each column of a table."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows: list[ColumnRange] = []
        self._background = "#000000"
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(4)

    def fill(self, columns: Sequence[ColumnSummary]) -> Iterator[None]:
        """Show other columns, one at a time, so that the window has turns between."""
        self.clear()
        known = {name: place for place, name in enumerate(ORDER)}
        for column in sorted(columns, key=lambda c: known.get(c.name, len(ORDER))):
            row = ColumnRange(column)
            row.histogram.set_colors(self._background)
            row.changed.connect(self.changed)
            self.rows.append(row)
            self._column.addWidget(row)
            yield

    def set_colors(self, background: str) -> None:
        """Let the histograms be seen on the background of a theme."""
        self._background = background
        for row in self.rows:
            row.histogram.set_colors(background)

    def clear(self) -> None:
        """Take all columns away."""
        for row in self.rows:
            self._column.removeWidget(row)
            row.deleteLater()
        self.rows = []

    def conditions(self) -> list[str]:
        """Return the filters that the ranges stand for."""
        return [condition for row in self.rows if (condition := row.condition())]

    def show_kept(self, counts: dict[str, Any]) -> None:
        """Draw the histograms of the molecules that are kept, by the names of their columns."""
        for row in self.rows:
            if row.column.name in counts:
                row.histogram.show_kept(counts[row.column.name])

    def reset(self) -> None:
        """Open all ranges."""
        for row in self.rows:
            row.reset()


class ColumnRange(QWidget):
    """A name, two numbers, a histogram and a slider."""

    changed = Signal()

    def __init__(self, column: ColumnSummary) -> None:
        super().__init__()
        self.column = column
        label = QLabel(title_of(column.name))
        kind = int if column.is_whole else float
        self.low, self.high = (self._shown(end) for end in (column.low, column.high))
        self.boxes = NumberRange(kind=kind, limits=(self.low, self.high))
        self.histogram = HistogramBars(column.counts)
        self.slider: Any = QDoubleRangeSlider(Qt.Orientation.Horizontal)  # type: ignore[no-untyped-call]
        self.slider.setRange(self.low, self.high)
        self.slider.setSingleStep((column.high - column.low) / STEPS)
        make_calm(self.slider)
        tip = f"{KNOWN_COLUMNS.get(column.name, column.name)}. Blue: the molecules kept. "
        tip += "An end at its stop is open, and keeps what lies beyond."
        set_tooltip(self.boxes, tip)
        for widget in (label, self.histogram, self.slider):
            widget.setToolTip(f"<qt>{tip}</qt>")
        self.reset()
        self.boxes.changed.connect(self._on_boxes)
        self.slider.valueChanged.connect(self._on_slider)
        top = QHBoxLayout()
        top.addWidget(label, 3)
        top.addWidget(self.boxes.native, 4)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(0)
        whole.addLayout(top)
        whole.addWidget(self.histogram)
        whole.addWidget(self.slider)

    def _shown(self, value: float) -> float:
        """Return what the window shows for a value as filters count it."""
        return shown_of_file(value) if self.column.name == FRAME else value

    def range(self) -> tuple[float, float]:
        """Return the chosen ends, as they are shown."""
        low, high = self.boxes.value
        return float(low), float(high)

    def set_range(self, low: float, high: float) -> None:
        """Choose a range."""
        self.slider.setValue((low, high))

    def condition(self) -> str:
        """Return the filter that the range stands for, "" if it is open."""
        column, (low, high) = self.column, self.range()
        tolerance = (column.high - column.low) / STEPS / 2  # boxes round
        if column.name == FRAME:
            low, high = of_file(low), of_file(high)
        low = column.low if low <= column.low + tolerance else low
        high = column.high if high >= column.high - tolerance else high
        return column.condition(low, high)

    def reset(self) -> None:
        """Open the range."""
        self.set_range(self.low, self.high)
        self._on_slider((self.low, self.high))

    def _on_slider(self, ends: tuple[float, float]) -> None:
        decimals = 0 if self.column.is_whole else _decimals(self.column.high - self.column.low)
        with self.boxes.changed.blocked():
            self.boxes.value = tuple(round(end, decimals) for end in ends)
        self._show()

    def _on_boxes(self, *_: object) -> None:
        with QSignalBlocker(self.slider):
            self.slider.setValue(tuple(sorted(self.range())))
        self._show()

    def _show(self) -> None:
        self.histogram.show_range(*self.range(), self.low, self.high)
        self.changed.emit()


class HistogramBars(QWidget):
    """Counts: a grey outline of all rows, those kept filled in blue, what is cut off darker."""

    def __init__(self, counts: np.ndarray[Any, Any]) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(HEIGHT_PX)
        self._all = self._kept = counts
        self._ends = (0.0, 1.0)
        self.set_colors("#000000")

    def sizeHint(self) -> QSize:
        """As wide as there is room."""
        return QSize(120, HEIGHT_PX)

    def set_colors(self, background: str) -> None:
        """Take colours that are seen on the background of a theme."""
        self._kept_color, self._all_color = (
            QColor(visible_on(color, background)) for color in (SKY, GREY)
        )
        self.update()

    def show_kept(self, counts: np.ndarray[Any, Any]) -> None:
        """Draw the counts of a part."""
        self._kept = counts
        self.update()

    def show_range(self, low: float, high: float, first: float, last: float) -> None:
        """Mark what lies outside low to high on an axis from first to last."""
        self._ends = ((low - first) / (last - first), (high - first) / (last - first))
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw."""
        painter = QPainter(self)
        painter.setPen(Qt.PenStyle.NoPen)
        most = max(1.0, float(self._all.max(initial=0)))
        painter.setBrush(self._kept_color)
        painter.drawPolygon(self._outline(self._kept / most))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(self._all_color)
        painter.drawPolygon(self._outline(self._all / most))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(0, 0, 0, 110))
        left, right = (int(end * self.width()) for end in self._ends)
        painter.drawRect(0, 0, left, self.height())
        painter.drawRect(right, 0, self.width() - right, self.height())
        painter.end()

    def _outline(self, heights: np.ndarray[Any, Any]) -> QPolygonF:
        # Square roots: bins of few molecules can be seen beside those of many.
        tops = self.height() * (1 - np.sqrt(heights))
        step = self.width() / len(tops)
        points = [QPointF(0.0, float(self.height()))]
        for i, top in enumerate(tops.tolist()):
            points += [QPointF(i * step, top), QPointF((i + 1) * step, top)]
        points.append(QPointF(float(self.width()), float(self.height())))
        return QPolygonF(points)


def title_of(name: str) -> str:
    """Return the name of a column in words with its unit.

    Examples
    --------
    >>> title_of("uncertainty_x_nm"), title_of("frame")
    ('Uncertainty x (nm)', 'Frame (from 0)')
    """
    if name == FRAME:
        return f"Frame (from {FIRST_SHOWN})"
    unit = next((unit for unit in UNITS if name.endswith(f"_{unit}")), "")
    words = name.removesuffix(f"_{unit}").replace("_", " ")
    suffix = {"photons": "", "background": " (photons/px)", "background_std": " (photons/px)"}
    return f"{words[:1].upper()}{words[1:]}" + (
        f" ({UNITS[unit]})" if unit else suffix.get(name, "")
    )


def _decimals(width: float) -> int:
    """Return how many decimals a thousandth of a range has."""
    return int(max(0, np.ceil(-np.log10(width / STEPS))))
