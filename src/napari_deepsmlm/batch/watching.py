"""Watching: when a file that is written has come to its end, and when to look again."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from watchfiles import watch

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from napari_deepsmlm.batch.stacks import Stack

logger = logging.getLogger(__name__)

SETTLE_S = 5.0
LEAST_POLL_S = 0.2
MAX_POLL_S = 2.0
"""Between two looks: network drives tell nothing of what other machines write there."""


class Stillness:
    """Tells which stacks have stood still: same files, sizes and times for a while.

    Parameters
    ----------
    settle_s : that long.
    """

    def __init__(self, settle_s: float) -> None:
        self._settle_s = settle_s
        self._since: dict[Path, tuple[Any, float]] = {}

    def look(self, stack: Stack) -> Any:
        """Return the state of the files, to be compared; None while they are not there."""
        state = _state_of(stack)
        known = self._since.get(stack.path)
        if known is None or known[0] != state:
            self._since[stack.path] = (state, time.monotonic())
        return state

    def is_still(self, stack: Stack) -> bool:
        """Whether the files have been as they are now for long enough."""
        state, since = self._since[stack.path]
        return state is not None and time.monotonic() - since >= self._settle_s


def wake_ups(folders: Sequence[Path], stopping: threading.Event, settle_s: float) -> Iterator[None]:
    """Yield at once, when something changes in the folders, and now and then, until stopped."""
    poll_s = min(max(settle_s / 4, LEAST_POLL_S), MAX_POLL_S)
    yield
    try:
        changes = watch(
            *folders,
            watch_filter=None,
            debounce=int(1000 * poll_s),
            rust_timeout=int(1000 * poll_s),
            yield_on_timeout=True,
            stop_event=stopping,
            ignore_permission_denied=True,
        )
        for _ in changes:
            yield
    except OSError as error:  # no more watches: looking now and then does as well
        logger.info("changes are not told (%s), so files are looked at now and then", error)
        while not stopping.wait(poll_s):
            yield


def _state_of(stack: Stack) -> Any:
    try:
        status = [(path, path.stat()) for path in stack.files()]
    except OSError:
        return None
    return tuple((str(path), each.st_size, each.st_mtime_ns) for path, each in status)
