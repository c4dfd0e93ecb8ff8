"""Long names: a list whose names keep both their ends where there is no room, and open up whole.

It is a Qt widget: magicgui's lists cut names at their end, and have neither a tooltip for each
entry nor entries that do something, such as opening a file.
"""

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

    @property
    def shown_name(self) -> str:
        """The chosen name, without its middle where it is too long."""
        return self._option().currentText or ""

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw as any list, but for the name."""
        option, painter = self._option(), QStylePainter(self)
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)

    def showPopup(self) -> None:
        """Open the list as wide as its longest name, within the screen."""
        view, screen = self.view(), self.screen()
        if view is not None and screen is not None:
            widest = max(map(self._width_of, range(self.count())), default=0)
            view.setTextElideMode(Qt.TextElideMode.ElideMiddle)
            view.setMinimumWidth(min(widest + MARGIN_PX, screen.availableGeometry().width()))
        super().showPopup()

    def _option(self) -> QStyleOptionComboBox:
        """Return what the style draws."""
        option, style = QStyleOptionComboBox(), self.style()
        self.initStyleOption(option)
        if style is not None:
            kind, part = QStyle.ComplexControl.CC_ComboBox, QStyle.SubControl.SC_ComboBoxEditField
            room = style.subControlRect(kind, option, part, self).width()
            elide = Qt.TextElideMode.ElideMiddle
            option.currentText = self.fontMetrics().elidedText(option.currentText, elide, room)
        return option

    def _width_of(self, index: int) -> int:
        return self.fontMetrics().horizontalAdvance(self.itemText(index))
