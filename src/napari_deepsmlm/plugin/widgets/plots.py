"""Plots: small ones that leave the wheel to the panel, with a line that names their curves."""

from __future__ import annotations

import math
from typing import Any

import pyqtgraph as pg
from qtpy.QtCore import QEvent, QSize, Qt
from qtpy.QtWidgets import QLabel, QSizePolicy

from napari_deepsmlm.plugin.widgets.contrast import visible_on

HEIGHT_PX = 95
AXIS_WIDTH_PX = 50
BAND_ALPHA = 80
FONT_HEIGHT_PX = 18
"""Of napari's usual font, at most; heights here are for it."""


class Plot(pg.PlotWidget):  # type: ignore[misc]
    """A small plot that leaves the wheel to the panel."""

    def __init__(self, label: str, tooltip: str) -> None:
        super().__init__(axisItems={side: _FewTicks(side) for side in ("left", "bottom")})
        self.keys: list[tuple[str, str]] = []
        """Names and colours of the curves."""
        self._key: QLabel | None = None
        self._painted: dict[Any, str] = {}
        self._background, self._between = "#000000", ""
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
        style = Qt.PenStyle.DashLine if dashed else Qt.PenStyle.SolidLine
        curve = self.plot([], pen=pg.mkPen(color, width=1.5, style=style), connect="finite")
        return self._named(curve, name, color)

    def add_points(self, name: str, color: str) -> Any:
        """Return a curve with its points marked."""
        curve = self.plot(
            [],
            pen=pg.mkPen(color, width=1.5),
            symbol="o",
            symbolSize=5,
            symbolBrush=color,
            symbolPen=None,
            connect="finite",
        )
        return self._named(curve, name, color)

    def _named(self, curve: Any, name: str, color: str) -> Any:
        self.paint(curve, color)
        if (name, color) not in self.keys:
            self.set_keys([*self.keys, (name, color)])
        return curve

    def paint(self, curve: Any, color: str) -> None:
        """Give a curve or a band a colour, as it is seen on the theme, now and after a change."""
        self._painted[curve] = color
        ink = pg.mkColor(visible_on(color, self._background))
        if isinstance(curve, pg.FillBetweenItem):
            ink.setAlpha(BAND_ALPHA)
            curve.setBrush(ink)
            return
        pen = pg.mkPen(curve.opts["pen"])
        if pen.style() != Qt.PenStyle.NoPen:
            pen.setColor(ink)
            curve.setPen(pen)
        if curve.opts["symbol"] is not None:
            curve.setSymbolBrush(ink)

    @property
    def key(self) -> QLabel:
        """A line that names the curves: a legend inside would lie on them."""
        if self._key is None:
            self._key = QLabel()
            self._key.setAlignment(Qt.AlignmentFlag.AlignRight)
            self._show_keys()
        return self._key

    def set_keys(self, keys: list[tuple[str, str]], between: str = "&nbsp;&nbsp; ") -> None:
        """Name the curves, in the colours that they have on the theme."""
        self.keys, self._between = keys, between
        self._show_keys()

    def _show_keys(self) -> None:
        shown = ((name, visible_on(color, self._background)) for name, color in self.keys)
        text = self._between.join(colored(*key) for key in shown)
        if self._key is not None and text != self._key.text():
            self._key.setText(text)

    def set_log(self, is_log: bool) -> None:
        """Let the axis of values be logarithmic, which needs values above zero."""
        if is_log != self._is_log:
            self._is_log = is_log
            self.setLogMode(y=is_log)

    def set_colors(self, background: str, text: str) -> None:
        """Take the colours of a theme."""
        self._background = background
        self.setBackground(background)
        for curve, color in self._painted.items():
            self.paint(curve, color)
        self._show_keys()
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
    return f'<span style="color: {color}">■</span>&nbsp;{text}'


class _FewTicks(pg.AxisItem):  # type: ignore[misc]
    """An axis that, where it is logarithmic, marks 1, 2 and 5 of each decade as plain numbers."""

    def logTickValues(self, low: float, high: float, *_: object) -> list[tuple[Any, list[float]]]:
        decades = range(math.floor(low), math.ceil(high) + 1)
        every = (1,) if high - low > 2 else (1, 2, 5)
        ticks = [decade + math.log10(one) for decade in decades for one in every]
        return [(None, [tick for tick in ticks if low <= tick <= high])]

    def logTickStrings(self, values: list[float], *_: object) -> list[str]:
        return [f"{10**value:.3g}" for value in values]
