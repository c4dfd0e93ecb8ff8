from __future__ import annotations

from typing import Any

from napari._app_model import get_app_model
from qtpy.QtWidgets import QApplication, QDockWidget, QLabel, QMainWindow, QPushButton, QWidget

from napari_deepsmlm.plugin.job_panel import JobPanel
from napari_deepsmlm.plugin.widgets.docks import bring_up, dock_of
from napari_deepsmlm.plugin.widgets.parts import VerticalScroll

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


# -- one panel of each kind -----------------------------------------------------------------------


class Named(JobPanel):
    """A panel of which a window has one."""

    kept_as = "Reconstruct"


def test_the_menu_and_the_api_open_one_panel(
    make_napari_viewer_proxy: Any, qtbot: Any, own_models: Any, no_threads_left: None
) -> None:
    viewer = make_napari_viewer_proxy(show=True)
    menu = get_app_model().commands
    menu.execute_command("napari-deepsmlm.quality").result()
    window = next(w for w in QApplication.topLevelWidgets() if w.findChildren(JobPanel))
    (first,) = window.findChildren(JobPanel)
    qtbot.waitUntil(lambda: first.is_ready, timeout=WAIT_MS)
    other, _ = viewer.window.add_plugin_dock_widget("napari-deepsmlm", "Simulate")
    viewer.window.add_plugin_dock_widget("napari-deepsmlm", "Quality")
    place = dock_of(first)
    assert place is not None
    qtbot.waitUntil(lambda: not place.visibleRegion().isEmpty(), timeout=WAIT_MS)
    qtbot.waitUntil(lambda: len(window.findChildren(JobPanel)) == 2, timeout=WAIT_MS)
    assert place.windowTitle() == "Quality"
    bring_up(other)
    qtbot.waitUntil(lambda: place.visibleRegion().isEmpty(), timeout=WAIT_MS)
    menu.execute_command("napari-deepsmlm.quality").result()  # behind another tab: comes up
    qtbot.waitUntil(lambda: not place.visibleRegion().isEmpty(), timeout=WAIT_MS)
    assert first.open_beside("Quality") is first
    for panel in window.findChildren(JobPanel):
        panel.abandon()


def test_a_dock_has_the_short_name_of_its_panel_when_it_floats_too(
    make_napari_viewer_proxy: Any, qtbot: Any
) -> None:
    viewer = make_napari_viewer_proxy(show=True)
    panel = Named(viewer)
    viewer.window.add_dock_widget(panel, name="Reconstruct (somewhere)")
    place = dock_of(panel)
    assert place is not None

    def title() -> str:
        return place.titleBarWidget().findChild(QLabel).text()

    qtbot.waitUntil(lambda: title() == "Reconstruct", timeout=WAIT_MS)
    place.setFloating(True)
    qtbot.waitUntil(lambda: title() == "Reconstruct", timeout=WAIT_MS)
    assert place.windowTitle() == "Reconstruct"
    panel.abandon()


# -- room -----------------------------------------------------------------------------------------


def test_buttons_stay_and_the_window_does_not_grow_when_notes_get_long(
    make_napari_viewer_proxy: Any, qtbot: Any
) -> None:
    viewer = make_napari_viewer_proxy(show=True)
    panel = Named(viewer)
    run = QPushButton("Run")
    panel.lay_out(VerticalScroll(QWidget()), [run])
    viewer.window.add_dock_widget(panel, name="Reconstruct")
    window = panel.window()
    window.resize(1200, 700)
    qtbot.wait(100)
    size, place = window.size(), run.mapTo(window, run.rect().topLeft())
    panel.message_note.warn("A sentence that needs room. " * 200)
    qtbot.wait(100)
    assert window.size() == size
    assert run.mapTo(window, run.rect().topLeft()) == place
    assert panel.message_note.isVisible()
    panel.message_note.clear()
    qtbot.wait(100)
    assert run.mapTo(window, run.rect().topLeft()) == place
    panel.abandon()


def test_what_was_refused_is_not_said_any_more_once_the_choice_changes(viewer: Any) -> None:
    panel = Named(viewer)
    panel.refuse("Choose a stack.")
    panel.on_choice()
    assert not panel.message_note.text()
    panel.message_note.fail("The job failed.")
    panel.on_choice()
    assert panel.message_note.text() == "The job failed.", "what a job said stays until the next"
    panel.abandon()
