"""Training process: starts the child, hands on its events, and says how it died."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_deepsmlm.runs import child
from napari_deepsmlm.runs.child import Failed, Over
from napari_deepsmlm.runs.run import TrainingRun
from napari_deepsmlm.training.record import STATE, read_record

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_deepsmlm.experiment import Experiment
    from napari_deepsmlm.runs.child import Resources
    from napari_deepsmlm.training.events import Event


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
                if isinstance(message, Over):
                    is_over = True
                elif isinstance(message, Failed):
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


def _spawn() -> subprocess.Popen[bytes]:
    """Start the child apart from the terminal, so that Ctrl-C reaches the parent alone."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    apart: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        flags = subprocess.CREATE_NO_WINDOW | subprocess.BELOW_NORMAL_PRIORITY_CLASS
        apart = {"creationflags": flags | subprocess.CREATE_NEW_PROCESS_GROUP}
    return subprocess.Popen(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-P", "-c", f"from {child.__name__} import main; main()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        **apart,
    )
