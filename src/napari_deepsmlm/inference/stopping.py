"""Stopping: a flag that is looked at between the layers of a network and between pieces read."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from torch.nn.modules.module import register_module_forward_pre_hook

if TYPE_CHECKING:
    from collections.abc import Iterator


class Stopped(Exception):
    """The job was stopped in the middle of a batch, whose results are dropped."""


def raise_if(stopping: threading.Event | None) -> None:
    """Raise `Stopped` if the flag is set."""
    if stopping is not None and stopping.is_set():
        raise Stopped


@contextmanager
def stoppable_layers(stopping: threading.Event | None) -> Iterator[None]:
    """Within this, each layer that this thread runs looks at the flag first.

    A frame of 1024 x 1024 pixels may take a CPU minutes; one of its layers takes a fraction of a
    second. To look before each function of torch would cost 3 to 5 % of a quick network.

    Raises
    ------
    Stopped
        Once `stopping` is set.
    """
    thread = threading.get_ident()

    def look(*_: object) -> None:
        if threading.get_ident() == thread:
            raise_if(stopping)

    hook = register_module_forward_pre_hook(look)
    try:
        yield
    finally:
        hook.remove()
