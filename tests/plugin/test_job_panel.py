from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import QDockWidget, QMainWindow

from napari_deepsmlm.plugin.job_panel import JobPanel

WAIT_MS = 10_000


def test_panels_share_a_place_as_tabs(make_napari_viewer_proxy: Any, qtbot: Any) -> None:
    viewer = make_napari_viewer_proxy(show=True)
    docks = [dock(JobPanel(viewer), viewer) for _ in range(3)]
    window = docks[0].window()
    assert isinstance(window, QMainWindow)
    qtbot.waitUntil(lambda: len(window.tabifiedDockWidgets(docks[0])) == 2, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: not docks[2].visibleRegion().isEmpty(), timeout=WAIT_MS)
    assert docks[0].visibleRegion().isEmpty()


def test_a_panel_out_of_the_window_stays_there(make_napari_viewer_proxy: Any, qtbot: Any) -> None:
    viewer = make_napari_viewer_proxy(show=True)
    first = dock(JobPanel(viewer), viewer)
    first.setFloating(True)
    second = dock(JobPanel(viewer), viewer)
    qtbot.wait(200)
    assert first.isFloating()
    assert not second.visibleRegion().isEmpty()


def dock(panel: JobPanel, viewer: Any) -> QDockWidget:
    viewer.window.add_dock_widget(panel, name="panel")
    place = panel.parentWidget()
    while not isinstance(place, QDockWidget):
        place = place.parentWidget()
    return place


def test_a_new_job_takes_the_place_of_the_old(viewer: Any, qtbot: Any) -> None:
    panel = JobPanel(viewer)
    viewer.window.add_dock_widget(panel, name="panel")
    seen: list[int] = []
    for number in range(5):
        panel.begin(lambda _, n=number: iter_once(n), seen.append, title="counting")
        qtbot.waitUntil(lambda: not panel.is_busy, timeout=WAIT_MS)
    assert seen == [0, 1, 2, 3, 4]
    qtbot.waitUntil(lambda: len(panel.findChildren(type(panel._job))) == 1, timeout=WAIT_MS)
    panel.abandon()


def iter_once(value: int) -> Any:
    yield value
