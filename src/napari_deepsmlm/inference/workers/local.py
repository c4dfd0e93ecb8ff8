"""LocalCrew: processes of this machine, each with a device or a share of the cores of its own."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.context import SpawnContext
from typing import TYPE_CHECKING, Any

import torch

from napari_deepsmlm._devices import keep_memory, share_one_heap

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_deepsmlm._devices import Compute
    from napari_deepsmlm.inference.pipeline import Pipeline
    from napari_deepsmlm.inference.workers.work import Part, PartDone, Work

_NAME = "deepsmlm-worker-"
_mine: tuple[Work, Pipeline]  # of a worker process


class LocalCrew:
    """Processes that are started afresh, so that nothing of this one's threads is in them.

    Parameters
    ----------
    work : goes to each of them once.
    computes : the device of each worker.
    """

    def __init__(self, work: Work, computes: Sequence[Compute]) -> None:
        self._arguments = (pickle.dumps(work), tuple(computes), _threads_each(len(computes)))
        self.n_workers = len(computes)
        self.replace_the_dead()

    def submit(self, part: Part) -> Future[PartDone]:
        """Let one of them do a part."""
        try:
            with _deaf_to_ctrl_c():  # processes are started here, and inherit it
                return self._executor.submit(_do, part)
        except BrokenExecutor as death:  # while it was idle
            lost: Future[PartDone] = Future()
            lost.set_exception(death)
            return lost

    def replace_the_dead(self) -> None:
        """Start all anew: a pool ends as a whole when one of its processes does."""
        self._context = _Numbering(self.n_workers)
        self._executor = ProcessPoolExecutor(
            self.n_workers,
            mp_context=self._context,
            initializer=_begin,
            initargs=self._arguments,
        )

    def close(self, *, at_once: bool) -> None:
        """Let them go."""
        if at_once:
            for process in self._context.started:
                if process.pid is not None:
                    process.kill()
        self._executor.shutdown(wait=True, cancel_futures=True)


class _Numbering(SpawnContext):
    """Starts processes, numbered by their names, and remembers them."""

    def __init__(self, n_workers: int) -> None:
        super().__init__()
        self._n_workers = n_workers
        self.started: list[Any] = []

    def Process(self, *args: Any, **keywords: Any) -> Any:  # type: ignore[override]
        number = len(self.started) % self._n_workers
        process = super().Process(*args, **{**keywords, "name": f"{_NAME}{number}"})
        self.started.append(process)
        return process


def _begin(work: bytes, computes: tuple[Compute, ...], n_threads: int) -> None:
    """Make a process a worker."""
    global _mine
    share_one_heap()
    keep_memory()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(n_threads)
    mine: Work = pickle.loads(work)  # noqa: S301 - from our own parent
    number = int(multiprocessing.current_process().name.removeprefix(_NAME))
    _mine = mine, mine.pipeline.on(computes[number])


def _do(part: Part) -> PartDone:
    work, pipeline = _mine
    return work.done(part, pipeline)


def _end_with_parent() -> None:
    """Go when the parent has gone, however it went: nobody would read the results."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _threads_each(n_workers: int) -> int:
    """Return the threads of each worker: together as many as this process would use."""
    return max(1, torch.get_num_threads() // n_workers)


@contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """Let processes that are started within not hear Ctrl-C, which a terminal sends to all."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
