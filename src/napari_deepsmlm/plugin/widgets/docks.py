"""Docks: a panel is in a window once, as a tab beside the plugin's others, by a short name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDockWidget, QLabel, QMainWindow, QTabBar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtWidgets import QWidget


def dock_of(widget: QWidget) -> QDockWidget | None:
    """Return the dock that a widget is in, None if it is in none."""
    parent = widget.parentWidget()
    while parent is not None and not isinstance(parent, QDockWidget):
        parent = parent.parentWidget()
    return parent


def bring_up(dock: QDockWidget) -> None:
    """Show a dock, before those that share its place."""
    dock.show()
    dock.raise_()


def is_behind(dock: QDockWidget) -> bool:
    """Whether another tab is shown in its place: Qt moves what is not shown out of the window."""
    place = dock.geometry()
    return place.right() < 0 or place.bottom() < 0


def join(dock: QDockWidget, others: Sequence[QDockWidget], window: QMainWindow) -> None:
    """Be a tab beside the plugin's other panels: below each other they have no room."""
    seen = [each for each in others if each.isVisible() and not each.isFloating()]
    beside = window.tabifiedDockWidgets(dock)
    if seen and not any(each in beside for each in seen):
        window.tabifyDockWidget(seen[0], dock)
        bring_up(dock)


def give_title(dock: QDockWidget, title: str) -> None:
    """Call a dock by a short name, and let the tabs show whole names.

    napari calls it `Reconstruct (Deep SMLM)` or `Reconstruct (napari-deepsmlm)`, by the way in
    which it was opened; it goes on knowing it by that name.
    """
    dock.setWindowTitle(title)
    bar = dock.titleBarWidget()
    label = None if bar is None else bar.findChild(QLabel)
    if label is not None:
        label.setText(title)
    window, of_window = dock.parentWidget(), Qt.FindChildOption.FindDirectChildrenOnly
    for tabs in [] if window is None else window.findChildren(QTabBar, options=of_window):
        if any(tabs.tabText(i) == title for i in range(tabs.count())):
            tabs.setElideMode(Qt.TextElideMode.ElideNone)
            tabs.setUsesScrollButtons(True)  # or seven names would make the window wider
            tabs.setExpanding(False)
