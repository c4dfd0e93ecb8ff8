"""The plot of profiles: samples as points, fitted curves as lines, a colour for each image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_deepsmlm._palette import GREY, IN_WINDOW
from napari_deepsmlm.plugin.widgets.plots import Plot
from napari_deepsmlm.profiles.export import fine_positions, normalisation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_deepsmlm.profiles.export import MeasuredLine

COLORS = IN_WINDOW
PLOT_HEIGHT_PX, NAME_LENGTH = 190, 28
_DASHES = (Qt.PenStyle.SolidLine, Qt.PenStyle.DashLine, Qt.PenStyle.DotLine)


class ProfilePlot(QWidget):
    """Profiles of the line at hand, or of all lines, over the position along them."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.plot = Plot("brightness", "Points: the image along the line. Lines: the fitted curve.")
        self.plot.use_room(PLOT_HEIGHT_PX)
        self.plot.setLabel("bottom", "position")
        self.plot.getAxis("bottom").enableAutoSIPrefix(False)
        self.key = self.plot.key
        self.key.setTextFormat(Qt.TextFormat.RichText)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.key)
        column.addWidget(self.plot)
        self._pairs: list[tuple[Any, Any]] = []
        self._looks: list[tuple[str, int]] = []

    def show_profiles(self, measured: Sequence[MeasuredLine], *, is_normalised: bool) -> None:
        """Draw what was measured in the place of what was drawn before."""
        shown = [one for one in measured if one.profile is not None]
        images = list(dict.fromkeys(one.image for one in measured))
        lines = list(dict.fromkeys(one.line for one in measured))
        self._make_pairs(len(shown))
        for i, (points, curve) in enumerate(self._pairs):
            points.setVisible(i < len(shown))
            curve.setVisible(i < len(shown) and shown[i].fit is not None)
        for i, one in enumerate(shown):
            color = COLORS[images.index(one.image) % len(COLORS)]
            self._set_look(i, color, lines.index(one.line))
            self._set_data(i, one, is_normalised)
        unit = ", ".join(sorted({one.unit for one in shown})) or "nm"
        self._set_label("bottom", f"position ({unit})")
        self._set_label("left", "brightness (0–1)" if is_normalised else "brightness")
        self._show_key(images)

    def set_colors(self, background: str, text: str) -> None:
        """Follow the theme of the window."""
        self.plot.set_colors(background, text)

    def _make_pairs(self, n: int) -> None:
        while len(self._pairs) < n:
            points = self.plot.plot([], pen=None, symbol="o", symbolSize=4, symbolPen=None)
            self._pairs.append((points, self.plot.plot([], pen=pg.mkPen(GREY, width=2))))
            self._looks.append(("", -1))

    def _set_look(self, i: int, color: str, line: int) -> None:
        if self._looks[i] == (color, line):  # setting it draws everything anew
            return
        self._looks[i] = (color, line)
        points, curve = self._pairs[i]
        curve.setPen(pg.mkPen(width=2, style=_DASHES[line % len(_DASHES)]))
        for each in (points, curve):
            self.plot.paint(each, color)

    def _set_data(self, i: int, one: MeasuredLine, is_normalised: bool) -> None:
        points, curve = self._pairs[i]
        profile = one.profile
        assert profile is not None  # noqa: S101 - chosen before
        offset, span = normalisation(profile) if is_normalised else (0.0, 1.0)
        is_there = np.isfinite(profile.value)
        points.setData(profile.position_nm[is_there], (profile.value[is_there] - offset) / span)
        if one.fit is not None:
            position = fine_positions(profile, 200)
            curve.setData(position, (one.fit.curve(position) - offset) / span)

    def _set_label(self, side: str, text: str) -> None:
        if self.plot.getAxis(side).labelText != text:
            self.plot.setLabel(side, text)

    def _show_key(self, images: list[str]) -> None:
        names = [n if len(n) <= NAME_LENGTH else n[: NAME_LENGTH - 1] + "…" for n in images]
        keys = [(_escaped(name), COLORS[i % len(COLORS)]) for i, name in enumerate(names)]
        self.plot.set_keys(keys, between="<br>")


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
