"""Jobs: a generator of events in another thread, its errors as sentences, its stop as a flag.

`napari.qt.threading` runs the thread and knows that it is busy. What its workers leave open is
closed here (superqt 0.9): a RuntimeError inside a generator, such as CUDA's out of memory, ends
the worker without any signal; `quit()` does not close the generator; signals to a window that was
closed meanwhile find deleted objects. So the thread writes to a plain object, which a timer of the
window reads.
"""

from __future__ import annotations

import logging
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any

from napari.qt.threading import create_worker
from qtpy.QtCore import QObject, QTimer, Signal
from superqt.utils import create_worker as create_unlisted_worker

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    Events = Callable[[threading.Event], Generator[object, None, None]]

logger = logging.getLogger(__name__)

DELIVERY_MS = 100


class Job(QObject):
    """One run of a generator in another thread, seen from the window.

    Events are handed over ten times a second, or as stated, and of each type only the latest: a
    slow window never falls behind a fast job.

    Parameters
    ----------
    events : makes the generator, in the other thread. It gets a `threading.Event`; when that is
        set, the generator finishes what it is at, keeps it, and returns.
    title : what napari says is running, if the window is closed meanwhile.
    parent : the job is abandoned when its parent is deleted.
    delivery_ms : how often events are handed over.
    is_listed : whether napari lists it among what runs, in a record that it never forgets.
    """

    arrived = Signal(object)
    """An event."""
    failed = Signal(str)
    """One sentence; `ended` follows."""
    ended = Signal()
    """The last signal, exactly once, whatever happened."""

    def __init__(
        self,
        events: Events,
        *,
        title: str,
        parent: QObject | None = None,
        delivery_ms: int | None = None,
        is_listed: bool = True,
    ) -> None:
        super().__init__(parent)
        self._stream = _Stream(events, title)
        make_worker = create_worker if is_listed else create_unlisted_worker
        self._stream.worker = self._worker = make_worker(
            self._stream, _start_thread=False, _ignore_errors=True
        )
        self._timer = QTimer(self)
        self._timer.setInterval(DELIVERY_MS if delivery_ms is None else delivery_ms)
        self._timer.timeout.connect(self._deliver)
        self.destroyed.connect(self._stream.abandon)
        self.is_running = False

    def start(self) -> None:
        """Begin; signals come from now on."""
        self.is_running = True
        self._timer.start()
        self._worker.start()

    def stop(self) -> None:
        """Ask the generator to finish early; its last events still arrive."""
        self._stream.stopping.set()

    def abandon(self) -> None:
        """Stop without waiting for anything: no signal comes after this."""
        self._timer.stop()
        self._stream.abandon()
        self.is_running = False

    def _deliver(self) -> None:
        is_over = self._stream.is_over  # before taking, so that nothing stays behind
        for event in self._stream.take():
            self.arrived.emit(event)
        if is_over and self.is_running:
            self._timer.stop()
            self.is_running = False
            if self._stream.error:
                self.failed.emit(self._stream.error)
            self.ended.emit()


class _Stream:
    """The thread's side of a job: plain Python, which may outlive the window."""

    def __init__(self, events: Events, title: str) -> None:
        self.stopping = threading.Event()
        self.error = ""
        self.is_over = False
        self.worker: Any = None
        self._events: Events | None = events
        self._title = title
        self._waiting: dict[type, object] = {}
        self._lock = threading.Lock()
        self._is_abandoned = False

    def __str__(self) -> str:
        """What napari shows of a running function."""
        return self._title

    def __call__(self) -> None:
        """Consume the generator to its end and close it; never raises."""
        # napari keeps a record of every worker, and so this object, as long as its window lives
        make_events, self._events = self._events, None
        assert make_events is not None  # noqa: S101 - a worker runs once
        try:
            with closing(make_events(self.stopping)) as events:
                for event in events:
                    self._put(event)
                    # napari asks its workers to quit when the window closes
                    if self._is_abandoned or self.worker.abort_requested:
                        break
        except BaseException as error:
            logger.info("Job '%s' failed.", self._title, exc_info=True)
            self.error = explain(error)
        finally:
            if self._is_abandoned:
                self.take()
            self.is_over = True

    def abandon(self, *_: object) -> None:
        """Let the generator be closed after its next event."""
        self.stopping.set()
        self._is_abandoned = True

    def take(self) -> list[object]:
        """Return what arrived since the last call, oldest first."""
        with self._lock:
            events = list(self._waiting.values())
            self._waiting.clear()
        return events

    def _put(self, event: object) -> None:
        with self._lock:
            self._waiting.pop(type(event), None)  # so that the latest is also the last
            self._waiting[type(event)] = event


def explain(error: BaseException) -> str:
    """Return one sentence about an error for the person at the screen."""
    text = " ".join(str(error).split())
    if isinstance(error, MemoryError):
        return "Not enough memory: choose fewer frames or a smaller region, or close other data."
    if type(error).__name__ == "OutOfMemoryError":  # torch's, of any device
        return "The GPU's memory is full: close other programs that use it, or choose device cpu."
    if isinstance(error, ValueError | OSError) and text:
        return text  # the library's own sentences
    return f"Unexpected {type(error).__name__}: {text or 'no message'} (details are in the log)."
