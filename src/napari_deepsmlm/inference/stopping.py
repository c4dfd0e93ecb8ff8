"""Stopping: a flag that is looked at between the layers of a network and between pieces read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch.overrides import TorchFunctionMode

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence


class Stopped(Exception):
    """The job was stopped in the middle of a batch, whose results are dropped."""


def raise_if(stopping: threading.Event | None) -> None:
    """Raise `Stopped` if the flag is set."""
    if stopping is not None and stopping.is_set():
        raise Stopped


class StoppableTorch(TorchFunctionMode):
    """Inside this context every torch function checks the flag first; networks need no change.

    A frame of 1024 x 1024 pixels may take a CPU minutes; one of its layers takes a fraction of a
    second. Looking costs about a microsecond.
    """

    def __init__(self, stopping: threading.Event | None) -> None:
        super().__init__()
        self._stopping = stopping

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Call the function unless the flag is set."""
        raise_if(self._stopping)
        return func(*args, **(kwargs or {}))
