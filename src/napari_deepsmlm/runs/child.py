"""The child: trains what comes through its standard input, and tells what happens."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from napari_deepsmlm.runs.run import TrainingThread

if TYPE_CHECKING:
    from napari_deepsmlm.runs.run import TrainingRun

NICENESS = 10
BEAT_S = 1.0


@dataclass(frozen=True, slots=True)
class Resources:
    """What a training process holds, about once a second."""

    memory_mb: float
    gpu_memory_mb: float | None
    """None if it computes without a GPU."""


@dataclass(frozen=True)
class Failed:
    """The child's last word, if something went wrong."""

    error: BaseException


class Over:
    """The child's last word."""


class _Outbox:
    """The way to the parent, from any thread; a parent that is gone is not missed."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()

    def send(self, message: object) -> None:
        with self._lock, suppress(OSError):
            pickle.dump(message, self._pipe)
            self._pipe.flush()


def main() -> None:
    """Train what comes through the standard input."""
    outbox = _Outbox(os.fdopen(os.dup(1), "wb"))
    os.dup2(2, 1)  # what a library prints must not get among the events
    _be_modest()
    try:
        run: TrainingRun = pickle.load(sys.stdin.buffer)  # noqa: S301 - from our own parent
        training = TrainingThread(run.experiment, run.out)
        training.run = run
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent
        signal.signal(signal.SIGTERM, lambda *_: training.stop())
        for work in (_obey, _beat):
            threading.Thread(target=work, args=(training, outbox), daemon=True).start()
        for event in training.events():
            outbox.send(event)
        outbox.send(Over())
    except BaseException as error:  # noqa: BLE001 - told to the parent, which raises it
        outbox.send(Failed(_portable(error)))
    # Not the usual end of an interpreter: that trips over the thread that reads the input.
    os._exit(0)


def _obey(training: TrainingThread, outbox: _Outbox) -> None:
    commands = {b"stop": training.stop, b"pause": training.pause, b"go on": training.go_on}
    for line in sys.stdin.buffer:
        commands[line.strip()]()
    training.stop()


def _beat(training: TrainingThread, outbox: _Outbox) -> None:
    import psutil

    me = psutil.Process()
    while True:
        gpu_mb = None
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_initialized():
            gpu_mb = torch.cuda.memory_reserved() / 1e6
        outbox.send(Resources(me.memory_info().rss / 1e6, gpu_mb))
        time.sleep(BEAT_S)


def _be_modest() -> None:
    """Leave a core and the first turn to the window."""
    import torch

    from napari_deepsmlm._devices import keep_memory, share_one_heap

    share_one_heap()
    keep_memory()
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    torch.set_num_threads(max(1, min(torch.get_num_threads(), (cores or 2) - 1)))


def _portable(error: BaseException) -> BaseException:
    """Return an error that another process can read, with its traceback as a note."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return ValueError("Not enough memory to train: choose a smaller batch or patch.")
    error.add_note("".join(traceback.format_exception(error)))
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - just made
    except Exception:  # noqa: BLE001 - whatever a foreign exception does when it is copied
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
