"""What a person sees of a command: results on stdout, progress and errors on stderr."""

from __future__ import annotations

import json
import logging
import math
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import Any, ParamSpec

import typer
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from napari_deepsmlm._words import line_of, sentence_of
from napari_deepsmlm.cli._commands import running

P = ParamSpec("P")

# Results go to stdout, everything else to stderr.
out = Console()
err = Console(stderr=True)
STDERR = 2
# As of a program that Ctrl-C ends: 128 and the number of the signal.
STOPPED = 130

_stopped = threading.Event()


class NamesTable(Table):
    """A table with a column whose words are to be typed again; words of others may be broken."""

    def __init__(self, *headers: str, names: str, least_width: int = 1) -> None:
        super().__init__(*headers)
        for column in self.columns:
            column.overflow = "fold"
        self._names = self.columns[headers.index(names)]
        self._names.width = least_width

    def add_row(self, *cells: Any, **style: Any) -> None:
        """Append a row; the column of names grows to its longest word."""
        super().add_row(*cells, **style)
        longest = Measurement.get(out, out.options, [*self._names.cells][-1]).minimum
        self._names.width = max(self._names.width or 0, longest)


def add_command(group: typer.Typer, name: str, function: Callable[P, None], example: str) -> None:
    """Register a command whose errors become one line and an exit code.

    2: the input or the call is wrong. 1: an error of ours, with its traceback in the log. 130: it
    was stopped, also where what was done until then is kept.
    """

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            with _sigterm_as_ctrl_c(), running(name, function, kwargs):
                _stopped.clear()
                function(*args, **kwargs)
        except (ValueError, OSError, FloatingPointError) as error:
            raise _exit(sentence_of(error), 2) from None
        except KeyboardInterrupt:
            raise _exit("Stopped.", STOPPED) from None
        except Exception as error:
            logging.getLogger(__name__).exception("internal error")
            raise _exit(f"Internal error: {line_of(error)}", 1) from None
        if _stopped.is_set():
            raise typer.Exit(STOPPED)

    group.command(name, epilog=f"Example: {example}")(run)


@contextmanager
def progress(what: str) -> Iterator[Callable[..., None]]:
    """Show a bar on a terminal; yields a function of (done, total, remark)."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[remark]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, disable=not err.is_terminal, transient=True) as bar:
        task = bar.add_task(what, total=None, remark="")

        def show(done: float, total: float, remark: str = "") -> None:
            bar.update(task, completed=done, total=total, remark=remark)

        yield show


@contextmanager
def stop_on_ctrl_c(stop: Callable[[], None], *, is_end: bool = False) -> Iterator[None]:
    """The first Ctrl-C (or SIGTERM) asks the job to end and save, the second interrupts it.

    The command then ends with exit code 130, unless Ctrl-C is how it ends (`is_end`).
    """

    def ask(number: int, frame: Any) -> None:
        # Not through rich: the signal may have come in the middle of its printing or importing.
        os.write(STDERR, b"\nStopping and saving; once more to interrupt.\n")
        for which in previous:
            signal.signal(which, signal.default_int_handler)
        if not is_end:
            _stopped.set()
        stop()

    previous = {which: signal.signal(which, ask) for which in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for which, handler in previous.items():
            signal.signal(which, handler)


@contextmanager
def _sigterm_as_ctrl_c() -> Iterator[None]:
    """Let SIGTERM end a command as Ctrl-C does: in one line, with nothing half written left."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def print_json(values: Any) -> None:
    """Print values on stdout; what is not finite becomes null, as JSON has neither."""
    sys.stdout.write(json.dumps(_defined(values), indent=2, allow_nan=False) + "\n")


def _defined(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _defined(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_defined(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_warnings(warnings: Iterable[str]) -> None:
    """Print each on a line of stderr."""
    for warning in warnings:
        err.print(f"[yellow]warning:[/] {escape(warning)}", soft_wrap=True)


def _exit(message: str, code: int) -> typer.Exit:
    # escape: what stands in brackets, as a unit, is no style
    err.print(f"[red]error:[/] {escape(message)}", soft_wrap=True, highlight=False, markup=True)
    return typer.Exit(code)
