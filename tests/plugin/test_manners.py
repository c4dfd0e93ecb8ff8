"""Manners of every panel of the manifest: tooltips, units, room, theme, leaving nothing behind."""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from npe2 import PluginManifest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractScrollArea,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QFormLayout,
    QGraphicsView,
    QLabel,
    QLineEdit,
    QMenu,
    QScrollArea,
    QScrollBar,
    QTabBar,
    QTabWidget,
    QWidget,
)
from superqt import QCollapsible
from tests.plugin.census import census, settle
from tests.plugin.shared_viewer import wait_for_workers
from tests.sweeps import thinned

from napari_deepsmlm.plugin.job_panel import JobPanel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Open = Callable[[str], Any]

PLUGIN = "napari-deepsmlm"
PANELS = [
    widget.display_name
    for widget in PluginManifest.from_distribution(PLUGIN).contributions.widgets or ()
]
WAIT_MS = 60_000
SCREEN = (1366, 720)  # a small laptop, less the bar of its system
WIDEST_PX = 400
LARGE_SCREEN = (1920, 1080)
USUAL_PT, LARGE_PT = 9, 14  # of napari's window
EDITORS = (QAbstractSpinBox, QComboBox, QAbstractButton, QLineEdit, QAbstractSlider)
COUNTS = {
    "Frames",
    "First frame",
    "Last frame",
    "Frames per input",
    "Frames summed",
    "Poisson photons",
    "Gaussian photons",
    "Blocks of time",
    "Seed",
    "Least probability",
    "Upsampling",
    "Learning rate",
    "Weight decay",
    "Largest gradient norm",
    "Sharpening",
    "Headroom",
    "Width",  # with a list of units beside it
}
"""Labels of numbers that are counts, shares or rates of a step, and have no unit."""


@pytest.fixture
def stack_layer(viewer: Any) -> Any:
    frames = np.random.default_rng(0).poisson(100, (20, 64, 64)).astype(np.uint16)
    return viewer.add_image(frames, scale=(1, 100, 100), units=("pixel", "nm", "nm"))


@pytest.fixture
def open_panel(viewer: Any, qtbot: Any, stack_layer: Any, no_threads_left: None) -> Iterator[Open]:
    """A function that opens a panel as the menu does, and waits until it is filled."""
    opened: list[Any] = []

    def open_one(name: str) -> Any:
        _, panel = viewer.window.add_plugin_dock_widget(PLUGIN, name)
        opened.append(panel)
        qtbot.waitUntil(lambda: is_ready(panel), timeout=WAIT_MS)
        unfold(panel)
        return panel

    yield open_one
    for panel in opened:
        with suppress(RuntimeError):  # a test may have closed the window
            panel.abandon()


def is_ready(panel: Any) -> bool:
    form = getattr(panel, "form", None)
    return bool(getattr(panel, "is_ready", getattr(form, "is_filled", True)))


def unfold(panel: QWidget) -> None:
    for folded in panel.findChildren(QCollapsible):
        folded.expand()


def parents(widget: QWidget) -> Iterator[QWidget]:
    parent = widget.parentWidget()
    while parent is not None:
        yield parent
        parent = parent.parentWidget()


def editors_of(panel: QWidget) -> list[QWidget]:
    """Everything that a person can change, but for the inner parts of widgets of Qt."""
    inner = (*EDITORS, QMenu, QAbstractItemView, QGraphicsView, QTabBar, QScrollBar)
    return [
        widget
        for widget in panel.findChildren(QWidget)
        if isinstance(widget, EDITORS)
        and not isinstance(widget, QScrollBar)
        and not any(isinstance(parent, inner) for parent in parents(widget))
    ]


def describe(widget: QWidget) -> str:
    text = widget.text() if isinstance(widget, QAbstractButton | QLabel) else label_of(widget)
    return f"{type(widget).__name__} {widget.objectName()!r} {text!r}"


def has_unit(label: str) -> bool:
    return "(" in label or " per " in label or label in COUNTS


def label_of(widget: QWidget) -> str:
    """The label of the row of a form in which a widget, or what holds it, stands."""
    inside = widget
    for parent in (widget, *parents(widget)):
        for form in parent.findChildren(QFormLayout):
            label = form.labelForField(inside)
            if isinstance(label, QLabel):
                return label.text()
            for row in range(form.rowCount()):  # a field may be a row of widgets
                field = form.itemAt(row, QFormLayout.ItemRole.FieldRole)
                layout = None if field is None else field.layout()
                if layout is None or layout.indexOf(inside) < 0:
                    continue
                item = form.itemAt(row, QFormLayout.ItemRole.LabelRole)
                if item is not None and isinstance(item.widget(), QLabel):
                    return str(item.widget().text())
        inside = parent
        if isinstance(parent, QScrollArea):
            break
    return ""


# -- what is told ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PANELS)
def test_everything_is_told(open_panel: Open, name: str) -> None:
    """Each editor says what it does, in lines that wrap, and each number its unit.

    It has a name for screen readers too, and Tab leads to it.
    """
    panel = open_panel(name)
    editors = editors_of(panel)
    assert len(editors) > 3
    assert not [describe(editor) for editor in editors if is_silent(editor)]
    nameless = [each for each in editors if not spoken_name(each, panel)]
    assert not [(describe(editor), editor.toolTip()) for editor in nameless]
    assert not [describe(editor) for editor in editors if not is_reached_by_tab(editor)]
    tips = [widget.toolTip() for widget in panel.findChildren(QWidget)]
    # Qt breaks the lines of rich text only.
    assert not [tip for tip in tips if len(tip) > 60 and not tip.startswith("<qt>")]
    numbers = [editor for editor in editors if isinstance(editor, QAbstractSpinBox)]
    without = [
        describe(box)
        for box in numbers
        if not has_unit(label_of(box)) and not getattr(box, "suffix", str)().strip()
    ]
    assert not without


def is_silent(editor: QWidget) -> bool:
    return len(editor.toolTip().removeprefix("<qt>").removesuffix("</qt>")) < 6


def spoken_name(editor: QWidget, panel: QWidget) -> str:
    """What a screen reader says: the name that was given, the text, or that of the label."""
    if editor.accessibleName() or (isinstance(editor, QAbstractButton) and editor.text()):
        return editor.accessibleName() or editor.text()
    labels = (label for label in panel.findChildren(QLabel) if label.buddy() is editor)
    return next((label.text() for label in labels), "")


def is_reached_by_tab(editor: QWidget) -> bool:
    wanted = Qt.FocusPolicy.TabFocus
    return bool((editor.focusProxy() or editor).focusPolicy() & wanted)


# -- room -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PANELS)
def test_nothing_is_cut_off_on_a_small_laptop(
    viewer: Any, qtbot: Any, open_panel: Open, name: str
) -> None:
    viewer.window.resize(*SCREEN)
    panel = open_panel(name)
    assert panel.minimumSizeHint().width() <= WIDEST_PX
    assert panel.minimumSizeHint().height() <= SCREEN[1] - 150
    panel.setParent(None)  # by itself, in the room that the dock gives it
    assert not all_cut_off(panel, qtbot, 370, SCREEN[1] - 120)


@pytest.mark.parametrize("name", PANELS)
def test_text_grows_with_the_font_of_the_window_and_nothing_is_cut_off(
    viewer: Any, qtbot: Any, open_panel: Open, name: str
) -> None:
    viewer.window.resize(*LARGE_SCREEN)
    panel = open_panel(name)
    panel.setParent(None)
    panel.setStyleSheet(f"{panel.styleSheet()} QWidget {{ font-size: {LARGE_PT}pt; }}")
    width = WIDEST_PX * LARGE_PT // USUAL_PT
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
    if not isinstance(widget, QLabel):
        return False
    is_low = bool(widget.text()) and widget.height() < widget.fontMetrics().height()
    return is_low or (not widget.wordWrap() and widget.width() < widget.sizeHint().width() - 1)


# -- theme ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PANELS)
def test_panels_follow_the_theme(viewer: Any, qtbot: Any, open_panel: Open, name: str) -> None:
    panel = open_panel(name)
    viewer.theme = "light"
    qtbot.wait(50)
    light = brightness(panel)
    viewer.theme = "dark"
    qtbot.wait(50)
    assert light > brightness(panel) + 60
    for plot in panel.findChildren(QGraphicsView):
        if hasattr(plot, "getPlotItem"):
            assert plot.backgroundBrush().color().lightness() < 100


def brightness(panel: QWidget) -> float:
    """Median grey level of a picture of the panel."""
    image = panel.grab().toImage()
    step = 7
    levels = [
        image.pixelColor(x, y).lightness()
        for y in range(0, image.height(), step)
        for x in range(0, image.width(), step)
    ]
    return float(np.median(levels))


# -- coming and going -----------------------------------------------------------------------------


@pytest.mark.parametrize("n_openings", [4, pytest.param(10, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "name", thinned(PANELS, keep=[PANELS.index(name) for name in ("Reconstruct", "Train")])
)
def test_openings_leave_nothing(
    viewer: Any, qtbot: Any, stack_layer: Any, name: str, n_openings: int
) -> None:
    def cycle() -> None:
        dock, panel = viewer.window.add_plugin_dock_widget(PLUGIN, name)
        qtbot.waitUntil(partial(is_ready, panel), timeout=WAIT_MS)
        dock.destroyOnClose()
        del dock, panel
        settle()

    for _ in range(2):  # imports, caches
        cycle()
    before = census(viewer)
    for _ in range(n_openings):
        cycle()
    after = census(viewer)
    for what in ("threads", "widgets", "objects", "listeners"):
        assert after[what] <= before[what], what
    assert after["MB"] - before["MB"] < 30


@pytest.mark.parametrize("name", PANELS)
def test_a_panel_may_be_closed_while_it_loads(
    viewer: Any, qtbot: Any, stack_layer: Any, no_threads_left: None, name: str
) -> None:
    dock, _ = viewer.window.add_plugin_dock_widget(PLUGIN, name)
    dock.destroyOnClose()
    QApplication.processEvents()
    viewer.window.add_plugin_dock_widget(PLUGIN, name)
    viewer.close()
    QApplication.processEvents()


@pytest.mark.parametrize(
    ("name", "how"),  # in every run each panel in one of both ways
    thinned(
        [(name, how) for name in PANELS for how in ("viewer", "dock")],
        keep=[2 * k + k % 2 for k in range(len(PANELS))],
    ),
)
def test_closing_in_the_middle_of_a_job_stops_it(
    viewer: Any, qtbot: Any, open_panel: Open, name: str, how: str
) -> None:
    panel = open_panel(name)
    assert isinstance(panel, JobPanel)
    ended = threading.Event()

    def endless(stopping: threading.Event) -> Iterator[object]:
        try:
            while not stopping.wait(0.01):
                yield object()
        finally:
            ended.set()

    panel.begin(endless, lambda _: None, title="counting")
    qtbot.wait(50)
    assert panel.is_busy
    if how == "viewer":
        viewer.close()
    else:
        viewer.window.remove_dock_widget(panel)
    assert ended.wait(10)
    wait_for_workers()


OPEN = """
import os, sys, threading
import napari
import numpy as np

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name in {"torch", "scipy.optimize", "pyqtgraph"}:
            if threading.current_thread() is threading.main_thread():
                print(f"The window imports {name}.", flush=True)
                os._exit(1)
            raise ImportError(name)  # the window must not profit from what is loaded for it

viewer = napari.Viewer(show=False)
viewer.add_image(np.ones((20, 64, 64)), scale=(1, 100, 100), units=("pixel", "nm", "nm"))
sys.meta_path.insert(0, Watch())
for name in sys.argv[1:]:
    viewer.window.add_plugin_dock_widget("napari-deepsmlm", name)
    print(f"{name} is open.", flush=True)
os._exit(0)
"""


def test_opening_imports_nothing_heavy() -> None:
    """What takes long is loaded in another thread: a panel is built in a moment."""
    command = [sys.executable, "-c", OPEN, *PANELS]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    expected = [f"{name} is open." for name in PANELS]
    assert done.stdout.splitlines() == expected, done.stdout + done.stderr
