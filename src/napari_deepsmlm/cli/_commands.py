"""The command that is running, as a line that can be typed again."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, get_type_hints

from typer.models import ArgumentInfo, OptionInfo

_running: ContextVar[tuple[str, Callable[..., None], Mapping[str, Any]] | None] = ContextVar(
    "running", default=None
)


@contextmanager
def running(name: str, function: Callable[..., None], given: Mapping[str, Any]) -> Iterator[None]:
    """Remember which command runs, and what it was given."""
    token = _running.set((name, function, given))
    try:
        yield
    finally:
        _running.reset(token)


def command_line() -> str:
    """Return the running command with the options that differ from their defaults."""
    now = _running.get()
    if now is None:
        return ""
    name, function, given = now
    words, options = ["deepsmlm", name], []
    hints = get_type_hints(function, include_extras=True)
    for parameter in inspect.signature(function).parameters.values():
        value = given.get(parameter.name, parameter.default)
        info = next((m for m in getattr(hints[parameter.name], "__metadata__", ())), None)
        if isinstance(info, ArgumentInfo):
            words += _words(value)
        elif isinstance(info, OptionInfo) and value != parameter.default:
            flag = (info.param_decls or (f"--{parameter.name.replace('_', '-')}",))[0]
            if flag != "--json":
                options += [flag, *([] if value is True else _words(value))]
    return shlex.join(words + options)


def _words(value: Any) -> list[str]:
    if value is None:
        return []
    return [str(one) for one in value] if isinstance(value, list | tuple) else [str(value)]
