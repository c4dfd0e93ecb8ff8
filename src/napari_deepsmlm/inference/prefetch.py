"""Reading ahead: a thread fills a short queue while the network works."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, TypeVar

from napari_deepsmlm.inference.stopping import raise_if

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

T = TypeVar("T")

LOOK_S = 0.1


def prefetch(
    items: Iterable[T], depth: int = 2, *, stopping: threading.Event | None = None
) -> Generator[T, None, None]:
    """Yield `items` in order, made up to `depth` ahead in another thread.

    An error while making an item is raised here, after the items before it. Closing the
    generator ends the thread.

    Raises
    ------
    Stopped
        Once `stopping` is set, without waiting for the item that is being made.
    """
    waiting: queue.Queue[tuple[T | None, BaseException | None, bool]] = queue.Queue(depth)
    is_closed = threading.Event()

    def put(entry: tuple[T | None, BaseException | None, bool]) -> None:
        while not is_closed.is_set():
            try:
                return waiting.put(entry, timeout=LOOK_S)
            except queue.Full:
                continue

    def work() -> None:
        try:
            for item in items:
                if is_closed.is_set():
                    return
                put((item, None, False))
        except BaseException as error:  # noqa: BLE001 - handed to the consumer, whatever it is
            put((None, error, True))
        else:
            put((None, None, True))

    thread = threading.Thread(target=work, name="deepsmlm-read-ahead", daemon=True)
    thread.start()
    try:
        while True:
            raise_if(stopping)
            try:
                item, error, is_last = waiting.get(timeout=LOOK_S)
            except queue.Empty:
                continue
            if error is not None:
                raise error
            if is_last:
                return
            yield item  # type: ignore[misc]
    finally:
        is_closed.set()
        # Do not wait for a slow reader when the job is stopped.
        thread.join(timeout=LOOK_S if stopping is not None and stopping.is_set() else 5)
