"""One viewer for all tests of a process: building and closing one takes longer than most tests."""

from __future__ import annotations

import gc
from contextlib import ExitStack
from copy import copy
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import numpy as np
from napari import Viewer
from napari._app_model._app import NapariApplication, _napari_names
from napari._qt._qapp_model.qactions import init_qactions
from napari._qt.dialogs.qt_notification import NapariQtNotification
from napari._qt.qt_viewer import QtViewer
from napari._qt.threads.status_checker import StatusChecker
from napari._qt.widgets.qt_viewer_buttons import QtViewerPushButton
from napari._qt.widgets.qt_viewer_dock_widget import QtViewerDockWidget
from napari._vispy import canvas as napari_canvas
from napari.components import ViewerModel
from napari.plugins import _initialize_plugins
from napari.settings import get_settings
from napari.utils.events import EventedModel
from napari.utils.events.event import EventEmitter
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QCoreApplication, QEvent, QThreadPool
from qtpy.QtWidgets import QApplication, QWidget

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType

APP_NAME = "app of the shared viewer"
WAIT_MS = 60_000
MAX_CLOSED = 5
"""Viewers that tests have closed and nobody has searched for: each search takes a second."""


class SharedViewer:
    """A hidden viewer that is built when it is asked for, and wiped after each test.

    What napari's own `make_napari_viewer` replaces while it tests is replaced here too, for as
    long as the viewer is open.
    """

    def __init__(self) -> None:
        self._viewer: Viewer | None = None
        self._n_closed = 0
        self._while_open = ExitStack()
        self._docks: set[QtViewerDockWidget] = set()
        self._at_first: list[tuple[EventedModel, dict[str, Any]]] = []
        self._listeners: list[tuple[Any, list[Any]]] = []
        self._settings: dict[str, Any] = {}

    def get(self) -> Viewer:
        """Return the viewer, a new one if there is none or a test has closed it."""
        if self._viewer is None:
            self._viewer = self._build()
            self._remember(self._viewer)
        return self._viewer

    def wipe(self) -> None:
        """Leave it as it was when it was built."""
        if self._viewer is None:
            return
        if not hasattr(self._viewer.window, "_qt_window"):  # closed by the test
            self._let_go()
            if self._n_closed >= MAX_CLOSED:
                self._collect()
            return
        wait_for_workers()
        self._remove_docks(self._viewer.window._qt_window)
        clear(self._viewer)
        let_qt_delete()
        self._restore(self._viewer)
        # Nor among what tests have imported and kept: that grows, and with it each search.
        gc.collect()
        gc.freeze()

    def close(self) -> None:
        """Close it, as tests need that want to be alone with a viewer of their own."""
        self._let_go()
        if self._n_closed:
            self._collect()

    def _let_go(self) -> None:
        viewer, self._viewer = self._viewer, None
        if viewer is None:
            return
        self._n_closed += 1
        self._docks.clear()
        self._at_first.clear()
        self._listeners.clear()
        if hasattr(viewer.window, "_qt_window"):
            with patch.object(viewer.window._qt_window, "_save_current_window_settings"):
                viewer.close()
        del viewer
        self._while_open.close()
        let_qt_delete()

    def _collect(self) -> None:
        self._n_closed = 0
        gc.unfreeze()
        gc.collect()
        assert not list(QtViewer._instances), "a closed viewer is kept alive"
        gc.freeze()

    def _build(self) -> Viewer:
        app = NapariApplication(APP_NAME)
        app.injection_store.namespace = _napari_names
        enter = self._while_open.enter_context
        for forget in (_initialize_plugins.cache_clear, init_qactions.cache_clear):
            forget()
            self._while_open.callback(forget)
        self._while_open.callback(NapariApplication.destroy, APP_NAME)
        enter(patch.object(NapariApplication, "get_app_model", return_value=app))
        enter(patch.object(StatusChecker, "start", lambda *_: None))
        enter(patch.object(QtViewer, "_get_console", lambda *_: _Console()))
        enter(patch.object(QtViewerPushButton, "_refresh_qss", lambda _: None))
        # It looks for garbage whenever a layer goes, for the sake of a driver of Windows.
        enter(patch.object(napari_canvas, "gc", SimpleNamespace(collect=lambda: None)))
        enter(patch.object(EventEmitter, "_check_signature", staticmethod(takes_event)))
        get_settings().reset()
        viewer = Viewer(show=False, show_welcome_screen=False)
        # It would see every event of every widget, for the sake of menu bars that hide.
        QApplication.instance().removeEventFilter(viewer.window._qt_window)
        gc.collect()
        gc.freeze()
        return viewer

    def _remember(self, viewer: Viewer) -> None:
        self._docks = set(viewer.window._qt_window.findChildren(QtViewerDockWidget))
        canvas, scene = viewer.canvas, viewer.scene
        models = [viewer, viewer.dims, scene.camera, canvas, canvas.grid]
        models += [*scene.overlays.values(), *canvas.overlays.values()]
        self._at_first = [(model, plain_values(model)) for model in models]
        self._listeners = [(each, list(each.callbacks)) for each in emitters(viewer)]
        self._settings = get_settings().model_dump()
        self._size = viewer.window._qt_window.size()

    def _remove_docks(self, window: QWidget) -> None:
        for dock in set(window.findChildren(QtViewerDockWidget)) - self._docks:
            inner = dock.widget()
            self._viewer.window.remove_dock_widget(dock)
            if inner is not None:
                inner.deleteLater()
        for notification in window.findChildren(NapariQtNotification):
            notification.close()
            notification.deleteLater()

    def _restore(self, viewer: Viewer) -> None:
        for emitter, callbacks in self._listeners:
            for callback in [each for each in emitter.callbacks if each not in callbacks]:
                emitter.disconnect(callback)
        positions = self._settings["application"]["plugin_widget_positions"]
        get_settings().application.plugin_widget_positions = dict(positions)  # docks change them
        if get_settings().model_dump() != self._settings:  # which is quicker than to set them all
            get_settings().reset()
        for model, values in self._at_first:
            for name, value in values.items():
                if not is_equal(getattr(model, name), value):
                    setattr(model, name, copy(value))
        viewer.window._qt_window.resize(self._size)
        notification_manager.records.clear()


class _Console(QWidget):
    """In the place of a console, which takes a second to start."""

    def _update_theme(self, *_: object) -> None: ...


_check_signature = EventEmitter._check_signature
_known: dict[CodeType | type, bool] = {}


def takes_event(callback: Callable[..., Any]) -> bool:
    """As napari finds out, but once for each function: a layer has hundreds of callbacks."""
    kind = getattr(callback, "__code__", type(callback))
    if kind is partial or hasattr(callback, "__wrapped__"):
        return _check_signature(callback)
    if kind not in _known:
        _known[kind] = _check_signature(callback)
    return _known[kind]


def plain_values(model: EventedModel) -> dict[str, Any]:
    """Return what can be set of a model, without the models in it."""
    fields = type(model).model_fields
    values = {name: getattr(model, name) for name, field in fields.items() if not field.frozen}
    return {
        name: list(value) if isinstance(value, list) else value
        for name, value in values.items()
        if not isinstance(value, EventedModel)
    }


def is_equal(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(np.all(one == other))


def clear(viewer: Viewer) -> None:
    """Remove all layers, and fit the dims to none once, not to those left after each."""
    with patch.object(ViewerModel, "_on_layers_change", lambda _: None):
        viewer.layers.clear()
    viewer._on_layers_change()


def emitters(viewer: Any) -> list[Any]:
    """Return everything of a viewer and its parts that one can listen to."""
    layers, dims = viewer.layers, viewer.dims
    groups = [viewer.events, layers.events, layers.selection.events, dims.events]
    groups.append(viewer.scene.camera.events)
    return [group[name] for group in groups for name in group.emitters]


def wait_for_workers() -> None:
    """Wait until no worker is left that could reach into the next test."""
    pool = QThreadPool.globalInstance()
    assert pool is not None
    assert pool.waitForDone(WAIT_MS)


def let_qt_delete() -> None:
    """Let Qt do what it put off, deletions too."""
    for _ in range(2):
        QApplication.processEvents()
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
