"""Plots: small ones that leave the wheel to the panel, with a line that names their curves."""

from __future__ import annotations

import math
from typing import Any

import pyqtgraph as pg
from qtpy.QtCore import QEvent, QSize, Qt
from qtpy.QtWidgets import QLabel, QSizePolicy

HEIGHT_PX = 95
AXIS_WIDTH_PX = 50
FONT_HEIGHT_PX = 18
"""Of napari's usual font, at most; heights here are for it."""


class Plot(pg.PlotWidget):  # type: ignore[misc]
    """A small plot that leaves the wheel to the panel."""

    def __init__(self, label: str, tooltip: str) -> None:
        super().__init__(axisItems={"left": _FewTicks("left")})
        self.keys: dict[str, str] = {}
        """Colours by the names of the curves."""
        self.use_room(HEIGHT_PX)
        self.setToolTip(f"<qt>{tooltip}</qt>")
        self.setMenuEnabled(False)
        self.setMouseEnabled(False, False)
        self.hideButtons()
        self.getPlotItem().setContentsMargins(0, 7, 4, 0)  # or half of the top number is cut off
        self.getAxis("left").setWidth(AXIS_WIDTH_PX)
        self.getAxis("left").enableAutoSIPrefix(False)
        self.setLabel("left", label)
        self._is_log = False
        self._follow_font()

    def use_room(self, least_px: int) -> None:
        """Be at least so high, and share in the room that a panel has besides."""
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        policy.setVerticalStretch(1)
        self.setSizePolicy(policy)
        self._least_px = least_px
        self.setMinimumHeight(self._grown(least_px))

    def sizeHint(self) -> QSize:
        """No more than it needs: the room is shared by stretch."""
        return QSize(super().sizeHint().width(), self.minimumHeight())

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

    def changeEvent(self, event: QEvent | None) -> None:
        """Let the numbers grow with the font of the window."""
        super().changeEvent(event)
        kinds = (QEvent.Type.FontChange, QEvent.Type.StyleChange)
        if event is not None and event.type() in kinds and hasattr(self, "_is_log"):
            self._follow_font()

    def _follow_font(self) -> None:
        font, metrics = self.font(), self.fontMetrics()
        for side in ("left", "bottom"):
            axis = self.getAxis(side)
            axis.setTickFont(font)
            axis.label.setFont(font)
        width_px = metrics.horizontalAdvance("0000") + 3 * metrics.height() // 2
        self.getAxis("left").setWidth(max(AXIS_WIDTH_PX, width_px))
        if self.minimumHeight() < self.maximumHeight():  # not one that is as high as it must be
            self.setMinimumHeight(self._grown(self._least_px))

    def _grown(self, least_px: int) -> int:
        """Return a height for the usual font as it is with the present one."""
        line_px = int(self.fontMetrics().height())
        return max(least_px, least_px * line_px // FONT_HEIGHT_PX)

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
