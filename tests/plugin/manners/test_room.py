"""Nothing is cut off in any panel, on a small screen or in large text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from napari.qt import get_current_stylesheet
from qtpy.QtCore import QPoint
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractScrollArea,
    QComboBox,
    QGraphicsView,
    QLabel,
    QPushButton,
    QScrollBar,
    QStyle,
    QStyleOptionComboBox,
    QTabBar,
    QTabWidget,
    QWidget,
)
from tests.plugin.manners.panels import EDITORS, PANELS, describe, parents

from napari_deepsmlm.plugin.widgets.long_names import LongNamesBox

if TYPE_CHECKING:
    from tests.plugin.manners.panels import Open


SCREEN = (1366, 720)  # a small laptop, less the bar of its system
MAX_WIDTH_PX = 400
LARGE_SCREEN = (1920, 1080)
USUAL_PT, LARGE_PT = 9, 14  # of napari's window


@pytest.mark.parametrize("name", PANELS)
def test_nothing_is_cut_off_on_a_small_laptop(
    viewer: Any, qtbot: Any, open_panel: Open, name: str
) -> None:
    viewer.window.resize(*SCREEN)
    panel = open_panel(name)
    assert panel.minimumSizeHint().width() <= MAX_WIDTH_PX
    assert panel.minimumSizeHint().height() <= SCREEN[1] - 150
    panel.setParent(None)  # by itself, in the room that the dock gives it
    panel.setStyleSheet(get_current_stylesheet() + panel.styleSheet())
    assert not all_cut_off(panel, qtbot, 370, SCREEN[1] - 120)


@pytest.mark.parametrize("name", PANELS)
def test_text_grows_with_the_font_of_the_window_and_nothing_is_cut_off(
    viewer: Any, qtbot: Any, open_panel: Open, name: str
) -> None:
    viewer.window.resize(*LARGE_SCREEN)
    panel = open_panel(name)
    panel.setParent(None)
    panel.setStyleSheet(f"{panel.styleSheet()} QWidget {{ font-size: {LARGE_PT}pt; }}")
    width = MAX_WIDTH_PX * LARGE_PT // USUAL_PT
    cut = all_cut_off(panel, qtbot, width, LARGE_SCREEN[1] - 120)
    small = {
        describe(widget)
        for widget in panel.findChildren((QLabel, *EDITORS[:-1]))
        if widget.isVisible() and widget.font().pointSize() < LARGE_PT
    }
    assert panel.minimumSizeHint().width() <= width
    assert panel.minimumSizeHint().height() <= LARGE_SCREEN[1] - 150
    assert not cut
    assert not small


@pytest.mark.parametrize("name", PANELS)
def test_long_messages_move_no_button_that_starts_saves_or_stops(
    viewer: Any, qtbot: Any, open_panel: Open, name: str
) -> None:
    viewer.window.resize(*SCREEN)
    panel = open_panel(name)
    panel.setParent(None)
    panel.resize(max(370, panel.minimumSizeHint().width()), SCREEN[1] - 120)
    panel.show()
    qtbot.waitExposed(panel)
    qtbot.wait(50)
    buttons = [each for each in panel.findChildren(QPushButton) if is_fixed(each, panel)]
    before = {each.text(): each.mapTo(panel, QPoint(0, 0)) for each in buttons}
    if name == "Reconstruct":  # a scroll bar lay on the last one
        assert {"Trust…", "Save…", "Save as recipe…", "Folder…", "Run"} <= set(before)
    panel.message_note.warn("A long warning that has to be read before anything is believed. " * 20)
    qtbot.wait(100)
    assert {each.text(): each.mapTo(panel, QPoint(0, 0)) for each in buttons} == before
    assert not cut_off(panel)
    panel.hide()


def is_fixed(button: QWidget, panel: QWidget) -> bool:
    """Whether a button is seen, and does not scroll."""
    within = list(parents(button))
    inside = within[: within.index(panel)]
    return button.isVisible() and not any(isinstance(p, QAbstractScrollArea) for p in inside)


def all_cut_off(panel: Any, qtbot: Any, width: int, height: int) -> list[str]:
    """Show a panel in some room, and describe what has too little of it on any of its tabs."""
    panel.resize(max(width, panel.minimumSizeHint().width()), height)
    panel.show()
    qtbot.waitExposed(panel)
    qtbot.wait(50)
    cut: list[str] = []
    for tabs in panel.findChildren(QTabWidget) or [None]:
        for index in range(1 if tabs is None else tabs.count()):
            if tabs is not None:
                tabs.setCurrentIndex(index)
                qtbot.wait(50)
            cut += [describe(widget) for widget in cut_off(panel)]
    panel.hide()
    return cut


def cut_off(panel: QWidget) -> list[QWidget]:
    """Visible widgets that stick out sideways, or are too narrow for their text."""
    found = []
    for widget in panel.findChildren(QWidget):
        inner = (*EDITORS, QGraphicsView, QTabBar, QScrollBar, QAbstractItemView)
        is_part = isinstance(widget, QScrollBar) or any(
            isinstance(p, inner) for p in parents(widget)
        )
        if not widget.isVisible() or is_part or widget.objectName().startswith("qt_scrollarea"):
            continue
        frame = room_of(widget, panel)
        left = widget.mapTo(frame, QPoint(0, 0)).x()
        sticks_out = left < -1 or left + widget.width() > frame.width() + 1
        if sticks_out or is_too_narrow(widget):
            found.append(widget)
    return found


def room_of(widget: QWidget, panel: QWidget) -> QWidget:
    """The window through which a widget is seen: the inside of a scroll area, or the panel."""
    for parent in parents(widget):
        if isinstance(parent, QAbstractScrollArea):
            viewport = parent.viewport()
            assert viewport is not None
            return viewport if widget is not viewport else parent
        if parent is panel:
            break
    return panel


def is_too_narrow(widget: QWidget) -> bool:
    if isinstance(widget, QAbstractButton):
        return widget.width() < widget.fontMetrics().horizontalAdvance(widget.text())
    if isinstance(widget, QComboBox):
        return room_for_text(widget) < widest_text(widget)
    if not isinstance(widget, QLabel):
        return False
    is_low = bool(widget.text()) and widget.height() < widget.fontMetrics().height()
    return is_low or (not widget.wordWrap() and widget.width() < widget.sizeHint().width() - 1)


def room_for_text(box: QComboBox) -> int:
    """Pixels that the style leaves for what is chosen."""
    style, option = box.style(), QStyleOptionComboBox()
    assert style is not None
    box.initStyleOption(option)
    kind, part = QStyle.ComplexControl.CC_ComboBox, QStyle.SubControl.SC_ComboBoxEditField
    return style.subControlRect(kind, option, part, box).width()


def widest_text(box: QComboBox) -> int:
    """Pixels that the longest of the offered texts needs, as it is shown when chosen."""
    texts = [box.itemText(index) for index in range(box.count())]
    if isinstance(box, LongNamesBox):
        texts = []
    return max(map(box.fontMetrics().horizontalAdvance, texts), default=0)
