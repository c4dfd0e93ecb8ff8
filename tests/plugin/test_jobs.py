from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import torch

from napari_deepsmlm.plugin.jobs import Job, explain

if TYPE_CHECKING:
    from collections.abc import Generator

pytestmark = pytest.mark.usefixtures("no_threads_left")


class Record:
    """What a job said, in order."""

    def __init__(self, job: Job) -> None:
        self.said: list[Any] = []
        self.threads: set[int] = set()
        job.arrived.connect(self._keep)
        job.failed.connect(lambda sentence: self._keep(f"failed: {sentence}"))
        job.ended.connect(lambda: self._keep("ended"))

    def _keep(self, what: Any) -> None:
        self.said.append(what)
        self.threads.add(threading.get_ident())


def run(qtbot: Any, events: Any) -> Record:
    job = Job(events, title="test")
    record = Record(job)
    with qtbot.waitSignal(job.ended, timeout=10_000):
        job.start()
    qtbot.wait(60)  # whatever came late
    return record


def test_events_arrive_in_the_main_thread_and_the_end_comes_once(qtbot: Any) -> None:
    def events(stopping: threading.Event) -> Generator[object, None, None]:
        yield 1
        yield "text"

    record = run(qtbot, events)
    assert record.said == [1, "text", "ended"]
    assert record.threads == {threading.get_ident()}


def test_of_each_type_only_the_latest_is_handed_over(qtbot: Any) -> None:
    def events(stopping: threading.Event) -> Generator[object, None, None]:
        yield "begin"
        yield from range(100_000)

    said = run(qtbot, events).said
    assert said[0] == "begin"
    assert said[-2:] == [99_999, "ended"]
    assert len(said) < 100


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (RuntimeError("no kernel image"), "Unexpected RuntimeError: no kernel image (details"),
        (ValueError("a.tif: is empty."), "a.tif: is empty."),
        (FileNotFoundError(2, "No such file", "b.tif"), "[Errno 2] No such file: 'b.tif'"),
        (MemoryError(), "Not enough memory"),
        (torch.OutOfMemoryError("CUDA out of memory."), "The GPU's memory is full"),
        (KeyError("x"), "Unexpected KeyError: 'x'"),
        (SystemExit(), "Unexpected SystemExit: no message"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_error_is_reported(qtbot: Any, error: BaseException, sentence: str) -> None:
    def events(stopping: threading.Event) -> Generator[object, None, None]:
        yield 1
        raise error

    first, failure, end = run(qtbot, events).said
    assert (first, end) == (1, "ended")
    assert failure.startswith(f"failed: {sentence}")
    assert "\n" not in explain(error)


def test_stop_is_a_flag_and_the_last_events_still_arrive(qtbot: Any) -> None:
    def events(stopping: threading.Event) -> Generator[object, None, None]:
        while not stopping.is_set():
            yield 1
            time.sleep(0.001)
        yield "kept"

    job = Job(events, title="test")
    record = Record(job)
    job.start()
    qtbot.waitUntil(lambda: 1 in record.said)
    with qtbot.waitSignal(job.ended, timeout=1000):
        job.stop()
    assert record.said[-2:] == ["kept", "ended"]


@pytest.mark.parametrize("how", ["abandon", "delete", "quit"])
def test_the_generator_is_closed_when_nobody_waits_for_it(qtbot: Any, how: str) -> None:
    began, closed = threading.Event(), threading.Event()

    def events(stopping: threading.Event) -> Generator[object, None, None]:
        try:
            while True:
                yield 1
                began.set()
                time.sleep(0.001)
        finally:
            closed.set()

    job = Job(events, title="test")
    job.start()
    qtbot.waitUntil(began.is_set)
    if how == "abandon":
        record = Record(job)
        job.abandon()
        qtbot.wait(60)
        assert record.said == []
    elif how == "delete":
        job.deleteLater()
        qtbot.wait(50)
    else:  # what napari does when its window is closed
        job._worker.quit()
    qtbot.waitUntil(closed.is_set, timeout=2000)


def test_an_error_while_closing_is_reported_too(qtbot: Any) -> None:
    def events(stopping: threading.Event) -> Generator[object, None, None]:
        try:
            yield 1
        finally:
            raise OSError("disk full")

    assert "failed: disk full" in run(qtbot, events).said
