"""Census: what is alive in a napari session, to see whether opening and closing leaves anything."""

from __future__ import annotations

import gc
import threading
import weakref
from collections import Counter
from typing import TYPE_CHECKING, Any

import psutil
from qtpy.QtCore import QCoreApplication, QEvent, QObject, QThreadPool
from qtpy.QtWidgets import QApplication
from superqt.utils._qthreading import WorkerBaseSignals

if TYPE_CHECKING:
    from napari.viewer import Viewer

PACKAGES = ("napari_deepsmlm", "superqt", "pyqtgraph", "magicgui")


def settle() -> None:
    """Let Qt delete what it put off, and Python what nobody refers to."""
    pool = QThreadPool.globalInstance()
    assert pool is not None
    assert pool.waitForDone(60_000)
    for _ in range(3):
        QApplication.processEvents()
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
        gc.collect()


def census(viewer: Viewer) -> dict[str, int]:
    """Count threads, widgets, Qt objects of Python, listeners to the viewer, and memory in MB."""
    return {
        "threads": threading.active_count(),
        "widgets": len(QApplication.allWidgets()),
        "objects": sum(map(_is_object, gc.get_objects())),
        "listeners": sum(map(_listeners, _emitters(viewer))),
        "MB": psutil.Process().memory_info().rss >> 20,
    }


def kinds() -> Counter[str]:
    """Count the objects of the plugin and of the libraries of widgets, by their type."""
    types = (type(each) for each in gc.get_objects())
    return Counter(
        f"{kind.__module__}.{kind.__qualname__}"
        for kind in types
        if str(kind.__module__).partition(".")[0] in PACKAGES
    )


def _emitters(viewer: Viewer) -> list[Any]:
    layers = viewer.layers
    events = [viewer.events, layers.events, layers.selection.events, viewer.dims.events]
    events += [viewer.scene.camera.events, *(layer.events for layer in layers)]
    return [group[name] for group in events for name in group.emitters]


def _listeners(emitter: Any) -> int:
    """Count those that are alive: napari drops the others at the next event."""
    owners = (each[0] if isinstance(each, tuple) else each for each in emitter.callbacks)
    return sum(not isinstance(owner, weakref.ref) or owner() is not None for owner in owners)


def _is_object(each: object) -> bool:
    # napari 0.9 keeps a record of each worker, with its signals, as long as the window lives
    return issubclass(type(each), QObject) and not isinstance(each, WorkerBaseSignals)
