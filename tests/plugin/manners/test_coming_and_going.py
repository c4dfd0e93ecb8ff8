"""Panels open at once, may be closed at any time, and leave nothing behind."""

from __future__ import annotations

import subprocess
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from qtpy.QtWidgets import QApplication
from tests.plugin.census import census, settle
from tests.plugin.manners.panels import PANELS, PLUGIN, WAIT_MS, is_ready
from tests.plugin.shared_viewer import wait_for_workers
from tests.sweeps import thinned

from napari_deepsmlm.plugin.job_panel import JobPanel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.plugin.manners.panels import Open


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


@pytest.mark.parametrize(
    "names",  # each closes the viewer, so in every run one does it for all
    [PANELS, *(pytest.param([name], marks=pytest.mark.slow) for name in PANELS)],
    ids=["all", *PANELS],
)
def test_a_panel_may_be_closed_while_it_loads(
    viewer: Any, qtbot: Any, stack_layer: Any, no_threads_left: None, names: list[str]
) -> None:
    for name in names:
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
import napari_deepsmlm.plugin.opening.readers
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
