"""Limits in the background: a model is tried on simulated frames, and the tables are written."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import threading
    from collections.abc import Generator
    from pathlib import Path

    from napari_deepsmlm.limits import LimitOptions, Limits


class Found(NamedTuple):
    """What is measured so far."""

    n_done: int
    n_all: int
    limits: Limits


class Saved(NamedTuple):
    """What was written."""

    files: tuple[Path, ...]


def try_model(
    model: str, options: LimitOptions, stopping: threading.Event
) -> Generator[Found, None, None]:
    """Yield what is found after each condition.

    Raises
    ------
    ValueError, OSError
        If there is no such model, or it cannot be tried.
    """
    from napari_deepsmlm.limits import find_tried, measure_limits

    for n_done, n_all, limits in measure_limits(find_tried(model), options):
        yield Found(n_done, n_all, limits)
        if stopping.is_set():
            return


def save_limits(
    found: Limits, folder: Path, stopping: threading.Event
) -> Generator[Saved, None, None]:
    """Write the tables and a picture, and yield the files.

    Raises
    ------
    OSError
        If they cannot be written.
    """
    from napari_deepsmlm.limits import write_limits

    if not stopping.is_set():
        yield Saved(tuple(write_limits(folder, found)))
