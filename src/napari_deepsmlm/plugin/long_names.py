"""Long names: a list whose names keep both their ends where there is no room, and open up whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QStyle, QStyleOptionComboBox, QStylePainter

if TYPE_CHECKING:
    from qtpy.QtGui import QPaintEvent

MARGIN_PX = 24
"""Of an entry of the opened list: padding of napari's themes, and the scroll bar."""


class LongNamesBox(QComboBox):
    """A list that is narrower than its names: `deep-storm:2d…100nm`, and wide when opened."""

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw the chosen name without its middle, where it is too long."""
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        style, kind = self.style(), QStyle.ComplexControl.CC_ComboBox
        if style is None:
            return
        room = style.subControlRect(kind, option, QStyle.SubControl.SC_ComboBoxEditField, self)
        option.currentText = self.fontMetrics().elidedText(
            option.currentText, Qt.TextElideMode.ElideMiddle, room.width()
        )
        painter = QStylePainter(self)
        painter.drawComplexControl(kind, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)

    def showPopup(self) -> None:
        """Open the list as wide as its longest name, within the screen."""
        view, screen = self.view(), self.screen()
        if view is not None and screen is not None:
            widest = max(map(self._width_of, range(self.count())), default=0)
            view.setTextElideMode(Qt.TextElideMode.ElideMiddle)
            view.setMinimumWidth(min(widest + MARGIN_PX, screen.availableGeometry().width()))
        super().showPopup()

    def _width_of(self, index: int) -> int:
        return self.fontMetrics().horizontalAdvance(self.itemText(index))
