"""Training process: a run in a child process, so that a window stays smooth beside it.

The child is a fresh interpreter that runs this module and nothing else. (`multiprocessing` would
first run the user's script in it once more, which for a script of napari opens a second window.)
Events come through its standard output, commands go through its standard input: where that ends,
because the parent died or lost interest, the child saves and stops.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from napari_deepsmlm.runs import EXPERIMENT, STATE, RunRecord, read_record

if TYPE_CHECKING:
    from collections.abc import Generator

    import numpy as np

    from napari_deepsmlm.experiment import Experiment
    from napari_deepsmlm.training import Trainer
    from napari_deepsmlm.training.events import Event

NICENESS = 10
BEAT_S = 1.0


@dataclass(frozen=True, slots=True)
class Resources:
    """What a training process holds, about once a second."""

    memory_mb: float
    gpu_memory_mb: float | None
    """None if it computes without a GPU."""


@dataclass(frozen=True)
class TrainingRun:
    """What is trained, and where its files go.

    Attributes
    ----------
    preview_frames : (B, C, H, W) photons, predicted at every validation.
    """

    experiment: Experiment
    out: Path
    device: str = "auto"
    resume: bool = False
    preview_frames: np.ndarray[Any, Any] | None = None

    def trainer(self) -> Trainer:
        """Return what trains."""
        import torch

        preview = None
        if self.preview_frames is not None:
            preview = torch.from_numpy(self.preview_frames)
        return self.experiment.trainer(self.out, device=self.device, preview=preview)


class TrainingThread:
    """A run in the thread that iterates its events.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from napari_deepsmlm.experiment import Experiment
    >>> short = {"steps": 2, "batch_size": 1, "patch_px": 8, "validation_frames": 1}
    >>> with TemporaryDirectory() as folder:
    ...     run = TrainingThread(Experiment(training=short), Path(folder) / "run")
    ...     [type(event).__name__ for event in run.events()]
    ['Started', 'StepDone', 'StepDone', 'Validated', 'Saved', 'Finished']
    """

    def __init__(self, experiment: Experiment, out: str | Path, **choices: Any) -> None:
        self.run = TrainingRun(experiment, Path(out), **choices)
        self._is_stopping = threading.Event()
        self._is_going = threading.Event()
        self._is_going.set()

    def events(self) -> Generator[Event, None, None]:
        """Train, and yield what happens; `run.json` and `experiment.yaml` are kept up to date."""
        trainer = self.run.trainer()
        keep = _Notes(self.run)
        stream = trainer.run(resume=self.run.resume)
        try:
            for event in stream:
                keep.note(event)
                yield event
                self._is_going.wait()
                if self._is_stopping.is_set():
                    trainer.stop()
        finally:  # nobody listens any more, or it is over
            trainer.stop()
            for event in stream:
                keep.note(event)

    def stop(self) -> None:
        """Ask the run to save and end after the step it is in."""
        self._is_stopping.set()
        self._is_going.set()

    def pause(self) -> None:
        """Let the run wait after the step it is in."""
        self._is_going.clear()

    def go_on(self) -> None:
        """End a pause."""
        self._is_going.set()

    def abandon(self) -> None:
        """Stop without anybody listening."""
        self.stop()


class TrainingProcess:
    """A run in a child process, at low priority, that leaves one processor core to the others.

    Parameters
    ----------
    experiment, out : what is trained, and the folder of its files.
    choices : the other fields of `TrainingRun`.
    """

    def __init__(self, experiment: Experiment, out: str | Path, **choices: Any) -> None:
        self.run = TrainingRun(experiment, Path(out), **choices)
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._waiting: list[bytes] = []

    @property
    def pid(self) -> int | None:
        """The child, None before it is there."""
        return None if self._process is None else self._process.pid

    def events(self) -> Generator[Event | Resources, None, None]:
        """Start the child, and yield what it reports, with its `Resources` now and then.

        Raises
        ------
        ChildProcessError
            If the child died; the sentence says what can be resumed. Errors inside the child are
            raised as they are.
        """
        self._start()
        try:
            yield from self._reported()
        finally:
            self.abandon()

    def stop(self) -> None:
        """Ask the child to save and end after the step it is in."""
        self._send(b"stop\n")

    def pause(self) -> None:
        """Let the child wait after the step it is in."""
        self._send(b"pause\n")

    def go_on(self) -> None:
        """End a pause."""
        self._send(b"go on\n")

    def abandon(self) -> None:
        """Let the child save and end by itself."""
        with self._lock:
            process = self._process
            if process is None or process.stdin is None or process.stdin.closed:
                return
            with suppress(OSError):
                process.stdin.close()
        # Collected where nobody waits for it.
        threading.Thread(target=process.wait, daemon=True, name="deepsmlm-training").start()

    def _start(self) -> None:
        process = _spawn()
        assert process.stdin is not None  # noqa: S101 - a pipe
        with self._lock:
            self._process = process
            with suppress(OSError):  # the child died at once: its exit code tells
                pickle.dump(self.run, process.stdin)
                for command in self._waiting:
                    process.stdin.write(command)
                process.stdin.flush()

    def _send(self, command: bytes) -> None:
        with self._lock:
            if self._process is None:
                self._waiting.append(command)
            elif self._process.stdin is not None and not self._process.stdin.closed:
                with suppress(OSError):  # it ended by itself
                    self._process.stdin.write(command)
                    self._process.stdin.flush()

    def _reported(self) -> Generator[Event | Resources, None, None]:
        process = self._process
        assert process is not None and process.stdout is not None  # noqa: S101, PT018
        is_over = False
        with process.stdout as pipe:
            while True:
                try:
                    message = pickle.load(pipe)  # noqa: S301 - from our own child
                except (EOFError, pickle.UnpicklingError):
                    break
                if isinstance(message, _Over):
                    is_over = True
                elif isinstance(message, _Failed):
                    raise message.error
                else:
                    yield message
        code = process.wait()
        if not is_over:
            raise ChildProcessError(self._epitaph(code))

    def _epitaph(self, code: int) -> str:
        """Return one sentence about a child that died."""
        how = f"exit code {code}"
        if code < 0:
            how = f"signal {-code}"
        if code in (-9, 137):
            how += ", as the system sends when memory runs out"
        record = read_record(self.run.out)
        if record is None or not (self.run.out / STATE).exists():
            return f"The training process died ({how}) before its first autosave: start it again."
        return (
            f"The training process died ({how}); its last autosave, at "
            f"{100 * record.progress:.0f} %, can be resumed."
        )


class _Notes:
    """Keeps `run.json` up to date, and writes `experiment.yaml` once the folder is ours."""

    def __init__(self, run: TrainingRun) -> None:
        self._run = run
        self._progress = 0.0

    def note(self, event: Event) -> None:
        from napari_deepsmlm.models import model_class
        from napari_deepsmlm.training.events import Finished, Saved, Started, StepDone

        out = self._run.out
        if isinstance(event, StepDone):
            self._progress = event.progress
        elif isinstance(event, Started):
            before = read_record(out) if self._run.resume else None
            if before is None:
                self._run.experiment.to_file(out / EXPERIMENT)
                title = model_class(self._run.experiment.network).title
                before = RunRecord(title=title, started=datetime.now())
            self._progress = before.progress
            self._record = before.replace(state="running")
            self._record.write(out)
        elif isinstance(event, Saved):
            self._record = self._record.replace(progress=self._progress)
            self._record.write(out)
        elif isinstance(event, Finished):
            self._record.replace(state=event.reason).write(out)


# -- the child ------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Failed:
    error: BaseException


class _Over:
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
        outbox.send(_Over())
    except BaseException as error:  # noqa: BLE001 - told to the parent, which raises it
        outbox.send(_Failed(_portable(error)))
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

    from napari_deepsmlm._devices import keep_memory

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


def _spawn() -> subprocess.Popen[bytes]:
    """Start the child apart from the terminal, so that Ctrl-C reaches the parent alone."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    apart: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        flags = subprocess.CREATE_NO_WINDOW | subprocess.BELOW_NORMAL_PRIORITY_CLASS
        apart = {"creationflags": flags | subprocess.CREATE_NEW_PROCESS_GROUP}
    return subprocess.Popen(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-P", "-c", f"from {__name__} import main; main()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        **apart,
    )
