"""Shortcuts: keys for the buttons of a panel, heard only while the panel has the focus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence, QShortcut

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qtpy.QtWidgets import QPushButton, QWidget

SHORTCUTS = {
    "Run": "Ctrl+Return",
    "Start": "Ctrl+Return",
    "Preview": "Ctrl+Shift+Return",
    "Cancel": "Ctrl+.",
    "Stop": "Ctrl+.",
}
"""By what the button says. None of them means anything to napari."""


def add_shortcuts(panel: QWidget, buttons: Iterable[QPushButton]) -> None:
    """Let keys click those buttons that have one, and say so in their tooltips."""
    for button in buttons:
        keys = SHORTCUTS.get(button.text())
        if keys is None:
            continue
        sequence = QKeySequence(keys)
        shortcut = QShortcut(sequence, panel)
        shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        shortcut.activated.connect(button.click)  # does nothing while the button is disabled
        shown = sequence.toString(QKeySequence.SequenceFormat.NativeText)
        tip = button.toolTip().removeprefix("<qt>").removesuffix("</qt>")
        button.setToolTip(f"<qt>{tip} ({shown})</qt>")
