"""Means of stacks: the image as if nothing blinked, averaged in the background."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_deepsmlm.plugin.jobs import Job

if TYPE_CHECKING:
    import threading
    from collections.abc import Generator, Iterable, Sequence

    Index = Sequence[int | slice]
    Key = tuple[int, tuple[int | None, ...]]

BLOCK_BYTES = 1 << 24
MAX_KEPT = 8


@dataclass
class _Entry:
    data: Any
    index: Index
    mean: np.ndarray[Any, Any] | None = None
    problem: str = ""


class StackMeans(QObject):
    """The mean of all frames of each stack, computed once, and again when its data are others.

    Parameters
    ----------
    parent : the panel.
    """

    changed = Signal()
    """A mean that was asked for is there, or cannot be made."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._entries: dict[Key, _Entry] = {}
        self._job: Job | None = None
        self._at: _Entry | None = None

    def of(self, data: Any, index: Index) -> tuple[np.ndarray[Any, Any] | None, str]:
        """Return the mean, or None and a sentence why it is not there (yet).

        Parameters
        ----------
        data : (frames, ...) array of any kind; the same object is the same stack.
        index : one entry for each axis, of which the first is not looked at.
        """
        key = id(data), tuple(None if isinstance(i, slice) else i for i in index[1:])
        entry = self._entries.pop(key, None) or _Entry(data, index)
        self._entries[key] = entry  # at the end: the last asked for
        while len(self._entries) > MAX_KEPT:
            self._entries.pop(next(iter(self._entries)))
        self._begin()
        waiting = f"averaging {data.shape[0]:,} frames…"
        return entry.mean, "" if entry.mean is not None else entry.problem or waiting

    def forget(self, data: Any) -> None:
        """Average a stack anew when it is asked for again."""
        self._entries = {k: one for k, one in self._entries.items() if one.data is not data}

    def keep(self, stacks: Iterable[Any]) -> None:
        """Forget all other stacks."""
        ids = {id(data) for data in stacks}
        self._entries = {k: one for k, one in self._entries.items() if k[0] in ids}

    def abandon(self) -> None:
        """Stop, without waiting for it."""
        self._entries = {}
        if self._job is not None:
            self._job.abandon()

    def _begin(self) -> None:
        """Average what was asked for last, in the place of what nobody wants any more."""
        wanted = self._entries.values()
        if self._job is not None and self._job.is_running:
            if any(one is self._at for one in wanted):
                return
            self._job.abandon()
        self._at = next((e for e in reversed(wanted) if e.mean is None and not e.problem), None)
        if self._at is None:
            return
        work = partial(average, self._at.data, self._at.index)
        self._job = Job(work, title="averaging frames", parent=self)
        self._job.arrived.connect(self._on_mean)
        self._job.failed.connect(self._on_failed)
        self._job.ended.connect(self._on_ended)
        self._job.start()

    def _on_mean(self, mean: np.ndarray[Any, Any]) -> None:
        if self._at is not None:
            self._at.mean = mean

    def _on_failed(self, sentence: str) -> None:
        if self._at is not None:
            self._at.problem = sentence

    def _on_ended(self) -> None:
        if self._job is not None:
            self._job.deleteLater()
        self._job = None
        self._begin()
        self.changed.emit()


def average(
    data: Any, index: Index, stopping: threading.Event
) -> Generator[np.ndarray[Any, Any], None, None]:
    """Yield the mean over the first axis, read block by block, never the whole stack at once.

    Parameters
    ----------
    data : (frames, ...) array of any kind.
    index : what is taken of the other axes; its first entry is not looked at.
    """
    n_frames, rest = int(data.shape[0]), tuple(index[1:])
    step = _frames_per_block(data)
    total: Any = 0.0
    for start in range(0, n_frames, step):
        if stopping.is_set():
            return
        block = np.asarray(data[(slice(start, start + step), *rest)])
        total = total + block.sum(0, dtype=np.float64)
    yield (total / n_frames).astype(np.float32)


def _frames_per_block(data: Any) -> int:
    """Return as many frames as fit a block, whole chunks where data have some."""
    frame_bytes = np.dtype(data.dtype).itemsize * float(np.prod(data.shape[1:]))
    step = max(1, int(BLOCK_BYTES // max(1.0, frame_bytes)))
    chunks = getattr(data, "chunks", None)
    if not chunks or not chunks[0]:
        return step
    in_chunk = chunks[0][0] if isinstance(chunks[0], tuple) else chunks[0]  # dask's, or zarr's
    return int(max(1, step // in_chunk) * in_chunk)
