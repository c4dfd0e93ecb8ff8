"""Long names: a list whose names keep both their ends where there is no room, and open up whole.

It is a Qt widget: magicgui's lists have neither a tooltip for each entry nor entries that do
something, such as opening a file. Names in these keep both ends too, by :class:`BothEnds`.
"""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QComboBox, QStyle, QStyleOptionComboBox, QStylePainter, QWidget

MARGIN_PX = 24
"""Of an entry of the opened list: padding of napari's themes, and the scroll bar."""


class LongNamesBox(QComboBox):
    """A list that is narrower than its names: `deep-storm:2d…100nm`, and wide when opened."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.installEventFilter(BothEnds(self))

    @property
    def shown_name(self) -> str:
        """The chosen name, without its middle where it is too long."""
        return _option_of(self).currentText or ""

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


class BothEnds(QObject):
    """Draws a list as any other, but for its name: styles cut that at the end, without a sign."""

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Draw instead of the list."""
        if event is None or event.type() != QEvent.Type.Paint:
            return super().eventFilter(watched, event)
        assert isinstance(watched, QComboBox)  # noqa: S101 - installed on no other
        option, painter = _option_of(watched), QStylePainter(watched)
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)
        return True


def _option_of(box: QComboBox) -> QStyleOptionComboBox:
    """Return what the style draws."""
    option, style = QStyleOptionComboBox(), box.style()
    box.initStyleOption(option)
    if style is not None:
        kind, part = QStyle.ComplexControl.CC_ComboBox, QStyle.SubControl.SC_ComboBoxEditField
        room = style.subControlRect(kind, option, part, box).width()
        elide = Qt.TextElideMode.ElideMiddle
        option.currentText = box.fontMetrics().elidedText(option.currentText, elide, room)
    return option
