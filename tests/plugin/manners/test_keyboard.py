"""Every panel can be used without a mouse: Tab goes through all of it, and out of it again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QAbstractItemView,
    QAbstractSlider,
    QApplication,
    QComboBox,
    QHeaderView,
    QPlainTextEdit,
    QTableWidget,
    QTableWidgetItem,
    QTabWidget,
    QWidget,
)
from tests.plugin.manners.panels import PANELS, describe, editors_of, parents

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.plugin.manners.panels import Open

MAX_STEPS = 300


@pytest.mark.parametrize("name", PANELS)
def test_tab_goes_through_a_panel_and_is_caught_nowhere(
    open_panel: Open, qtbot: Any, name: str
) -> None:
    panel = open_panel(name)
    panel.setParent(None)  # a window of its own, so that Tab comes round
    panel.resize(500, 1000)
    panel.show()
    for table in panel.findChildren(QTableWidget):
        table.setRowCount(2)
        for cell in range(2 * table.columnCount()):
            table.setItem(cell % 2, cell // 2, QTableWidgetItem("x"))
    panel.activateWindow()
    qtbot.waitUntil(panel.isActiveWindow)
    for _ in pages_of(panel):
        qtbot.wait(50)
        reached = reached_by_tab(panel)
        wanted = [each for each in reachable(panel) if each.isVisible() and each.isEnabled()]
        assert wanted
        assert not [describe(each) for each in wanted if (each.focusProxy() or each) not in reached]
    panel.hide()


@pytest.mark.parametrize("name", PANELS)
def test_lists_tables_and_texts_have_names(open_panel: Open, name: str) -> None:
    nameless = [each for each in views_of(open_panel(name)) if not each.accessibleName()]
    assert not [describe(each) for each in nameless]


def pages_of(panel: QWidget) -> Iterator[None]:
    """Turn over the tabs of a panel, one after the other."""
    tabs = panel.findChildren(QTabWidget)
    if not tabs:
        yield
    for each in tabs:
        for index in range(each.count()):
            each.setCurrentIndex(index)
            yield


def reached_by_tab(panel: QWidget) -> list[QWidget]:
    """Press Tab until it comes round, and return what had the focus."""
    reached: list[QWidget] = []
    for _ in range(MAX_STEPS):
        QTest.keyClick(QApplication.focusWidget() or panel, Qt.Key.Key_Tab)
        now = QApplication.focusWidget()
        assert now is not None
        if reached and now is reached[0]:
            return reached
        reached.append(now)
    raise AssertionError(f"Tab does not come round: it is at {describe(reached[-1])}.")


def views_of(panel: QWidget) -> list[QWidget]:
    """The lists, tables and texts of a panel, but not what belongs to a box."""
    return [
        each
        for kind in (QAbstractItemView, QPlainTextEdit)
        for each in panel.findChildren(kind)
        if not isinstance(each, QHeaderView)
        and not any(isinstance(parent, QComboBox) for parent in parents(each))
    ]


def reachable(panel: QWidget) -> list[QWidget]:
    editors = [each for each in editors_of(panel) if not isinstance(each, QAbstractSlider)]
    return [*editors, *views_of(panel)]
