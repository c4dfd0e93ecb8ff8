"""What pictures and films of the window share: a viewer, clicks, waiting, saving what is seen."""

from __future__ import annotations

import os
import tempfile
import time
from typing import TYPE_CHECKING

import napari
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QLabel, QScrollArea, QWidget

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from pathlib import Path

    from napari_deepsmlm.plugin.reconstruct.widget import ReconstructWidget

PLUGIN = "napari-deepsmlm"
SIZE = (1366, 720)  # a small laptop


def use_a_folder_of_its_own(choices: argparse.Namespace) -> None:
    """Keep choices and files away from the person's own, and paths in the pictures short."""
    choices.out = choices.out.absolute()
    choices.out.mkdir(parents=True, exist_ok=True)
    os.environ["XDG_DATA_HOME"] = tempfile.mkdtemp()
    os.chdir(tempfile.mkdtemp())


def new_viewer(stack: str | None) -> napari.Viewer:
    """Return a viewer with the stack, or with the sample."""
    viewer = napari.Viewer(show=True)
    viewer.window.resize(*SIZE)
    if stack:
        viewer.open(stack, plugin=PLUGIN)
    else:
        viewer.open_sample(PLUGIN, "microtubules")
    return viewer


def click(button: object) -> None:
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def take(path: Path) -> None:
    """Save the whole window as it stands once everything is painted."""
    QTest.qWait(2000)  # notes get their room a while after they were said
    (window,) = [w for w in QApplication.topLevelWidgets() if w.isVisible() and w.windowTitle()]
    window.grab().save(str(path))
    print(path)


def wait_until(is_true: Callable[[], bool], seconds: float = 600) -> None:
    end = time.monotonic() + seconds
    while not is_true():
        if time.monotonic() > end:
            raise TimeoutError("The panel did not get there.")
        QTest.qWait(20)


def show_lines_below(widget: QWidget) -> None:
    """Scroll a panel until the widget is seen to its end."""
    parent = widget.parentWidget()
    while not isinstance(parent, QScrollArea):
        parent = parent.parentWidget()
    parent.ensureWidgetVisible(widget)


def has_looked(panel: ReconstructWidget) -> None:
    """Wait until model and camera have been found, with the whole image in view."""
    napari.current_viewer().reset_view()
    QTest.qWait(1000)
    labels = panel.findChildren(QLabel)
    wait_until(lambda: not any("looking at" in label.text() for label in labels))
    finder = panel.form.adapted_finder
    wait_until(lambda: finder.suiting is not None or finder._wanted is None)


def show_below(widget: QWidget) -> None:
    """Scroll a panel to a widget that has just come, once it has its place."""
    for _ in range(3):
        QTest.qWait(300)
        show_lines_below(widget)
