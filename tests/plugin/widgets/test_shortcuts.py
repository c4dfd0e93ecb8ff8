from __future__ import annotations

from typing import Any

import pytest
from napari._app_model import get_app_model
from napari.utils.shortcuts import default_shortcuts
from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QLineEdit, QPushButton, QVBoxLayout, QWidget

from napari_deepsmlm.plugin.widgets.parts import button
from napari_deepsmlm.plugin.widgets.shortcuts import SHORTCUTS, add_shortcuts

OURS = {QKeySequence(keys).toString() for keys in SHORTCUTS.values()}


def test_no_shortcut_is_one_of_naparis_own(make_napari_viewer: Any) -> None:
    make_napari_viewer()  # registers the keys of the menus
    bindings = [binding for each in default_shortcuts.values() for binding in each]
    bindings += [rule.keybinding for rule in get_app_model().keybindings]
    theirs = {in_qt(str(binding)) for binding in bindings}
    assert {"Ctrl+Y", "Ctrl+O", "Ctrl+Q"} <= theirs, "the tables of napari were found"
    assert not OURS & theirs


def in_qt(keys: str) -> str:
    return QKeySequence(keys.replace("Meta", "Ctrl")).toString()


@pytest.fixture
def panel(qtbot: Any) -> QWidget:
    panel = QWidget()
    panel.run, panel.cancel = button("Run", "Do it."), button("Cancel", "Stop it.")
    panel.other, panel.line = QPushButton("Other"), QLineEdit()
    column = QVBoxLayout(panel)
    for widget in (panel.run, panel.cancel, panel.other, panel.line):
        column.addWidget(widget)
    add_shortcuts(panel, (panel.run, panel.cancel, panel.other))
    qtbot.addWidget(panel)
    panel.show()
    qtbot.waitExposed(panel)
    panel.activateWindow()
    panel.line.setFocus()
    qtbot.waitUntil(lambda: QApplication.focusWidget() is panel.line)
    return panel


def test_keys_click_the_buttons_of_the_panel_that_has_the_focus(panel: Any) -> None:
    clicked: list[str] = []
    panel.run.clicked.connect(lambda: clicked.append("Run"))
    panel.cancel.clicked.connect(lambda: clicked.append("Cancel"))
    QTest.keyClick(panel.line, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    QTest.keyClick(panel.line, Qt.Key.Key_Period, Qt.KeyboardModifier.ControlModifier)
    assert clicked == ["Run", "Cancel"]
    panel.run.setEnabled(False)
    QTest.keyClick(panel.line, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    assert clicked == ["Run", "Cancel"], "a disabled button is not clicked"


def test_tooltips_tell_the_keys(panel: Any) -> None:
    assert panel.run.toolTip() == "<qt>Do it. (Ctrl+Return)</qt>"
    assert panel.other.toolTip() == ""
