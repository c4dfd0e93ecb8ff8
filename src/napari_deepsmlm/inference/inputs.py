"""Inputs: frames summed in groups, with their neighbours in time, read a few at a time."""

from __future__ import annotations

import math
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_deepsmlm._windows import windows_of
from napari_deepsmlm.inference.stopping import raise_if
from napari_deepsmlm.inference.usable import usable_frames

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

    from napari_deepsmlm.inference.tiles import Region
    from napari_deepsmlm.io import FrameSource

    Ints = np.ndarray[Any, np.dtype[np.int64]]
    Bools = np.ndarray[Any, np.dtype[np.bool_]]

# Raw frames that are read at once, in bytes.
READ_BYTES = 16 << 20
# A frame with a larger share of pixels at its largest value shows nothing.
MAX_AT_HIGHEST = 0.9


class Inputs(NamedTuple):
    """Consecutive sums of frames: B to be predicted, and `context` neighbours on both sides."""

    first_frame: int
    frames: np.ndarray[Any, Any]
    """(context + B + context, C, H, W) float32 ADU, summed."""
    counts: np.ndarray[Any, Any]
    """(context + B + context,) camera frames in each, without those that have no contrast."""
    has_contrast: np.ndarray[Any, Any]
    """(B,) whether any camera frame of each has contrast."""
    n_frames: int
    """Camera frames that went into the B."""
    n_constant: int
    """Camera frames among them without any contrast."""
    unusable: tuple[int, ...] = ()
    """Those that are damaged, or hold NaN in the region; they add nothing to a sum."""


class Groups:
    """Frames cut into windows, and these into groups that are summed.

    Groups before the first and after the last one lie outside `frames`, but inside the stack:
    they are neighbours in time.

    Parameters
    ----------
    n_stack : frames of the stack.
    frames : those to be used.
    sum_frames : frames of a group; the last of a window may have fewer.
    window : frames of a window; one of all if not given.
    step : frames from one window to the next, for windows that overlap; both are whole groups
        then, so that windows share them.
    """

    def __init__(
        self,
        n_stack: int,
        frames: range | None = None,
        *,
        sum_frames: int = 1,
        window: int | None = None,
        step: int | None = None,
    ) -> None:
        self.n_stack = n_stack
        self.frames = range(n_stack) if frames is None else frames
        self.sum_frames = sum_frames
        windows = windows_of(window, step)
        # Overlapping windows start at multiples of the step: a batch must not cross the start of
        # one or over the end of another.
        period = len(self.frames) if windows is None else windows.step
        self.window = min(period, len(self.frames))
        self.per_window = -(-self.window // sum_frames)
        self._cut = 0 if windows is None else -(-windows.cut // sum_frames)

    def __len__(self) -> int:
        whole, rest = divmod(len(self.frames), self.window)
        return whole * self.per_window + -(-rest // self.sum_frames)

    def start(self, group: int) -> int:
        """Return the first frame of a group, where the one before it ends."""
        if group < 0:
            frame = self.frames.start + group * self.sum_frames
        elif group > len(self):
            frame = self.frames.stop + (group - len(self)) * self.sum_frames
        else:
            window, place = divmod(group, self.per_window)
            inside = window * self.window + place * self.sum_frames
            frame = min(self.frames.start + inside, self.frames.stop)
        return min(max(frame, 0), self.n_stack)

    def with_neighbours(self, first: int, last: int, context: int) -> tuple[int, int]:
        """Widen first <= group < last by up to `context` on both sides, as far as there are any."""
        low, high = first - context, last + context
        while self.start(low + 1) <= 0:
            low += 1
        while self.start(high - 1) >= self.n_stack:
            high -= 1
        return low, high

    def frames_of(self, first: int, last: int, context: int) -> range:
        """Return the frames of first <= group < last and of their neighbours in time."""
        low, high = self.with_neighbours(first, last, context)
        return range(self.start(low), self.start(high))

    def batches(self, per_batch: int) -> Iterator[tuple[int, int]]:
        """Yield (first group, the one after the last) of batches, none reaching over a window."""
        for start in range(0, len(self), self.per_window):
            stop = min(len(self), start + self.per_window)
            cut = min(stop, start + self._cut)
            for low, high in ((start, cut), (cut, stop)):
                for first in range(low, high, per_batch):
                    yield first, min(high, first + per_batch)


def read_inputs(
    source: FrameSource,
    groups: Groups,
    per_batch: int,
    *,
    batches: range | None = None,
    context: int = 0,
    region: Region | None = None,
    stopping: threading.Event | None = None,
) -> Iterator[Inputs]:
    """Yield groups in order, `per_batch` at a time, none reaching over a window.

    Neighbours may lie in another window; at the ends of the stack the outermost is repeated.

    Parameters
    ----------
    batches : consecutive ones by their numbers, which are those of all groups; all if not given.

    Raises
    ------
    Stopped
        Once `stopping` is set, also in the middle of a long sum.
    """
    wanted = slice(None) if batches is None else slice(batches.start, batches.stop)
    for first, last in islice(groups.batches(per_batch), wanted.start, wanted.stop):
        yield _read(source, groups, first, last, context, region, stopping)


def has_contrast(frames: np.ndarray[Any, Any]) -> Bools:
    """Return of each (C, H, W) frame whether anything can be seen in it.

    Nothing can where all pixels are alike, or nearly all show the largest value: a molecule is
    brighter than what surrounds it.

    Examples
    --------
    >>> frames = np.full((3, 1, 8, 8), 65535)
    >>> frames[1, 0, 3, 5], frames[2, 0, :4] = 65534, 100
    >>> has_contrast(frames).tolist()
    [False, False, True]
    """
    highest = frames.max(axis=(1, 2, 3), keepdims=True)
    n_highest = np.count_nonzero(frames == highest, axis=(1, 2, 3))
    return np.asarray(n_highest < MAX_AT_HIGHEST * math.prod(frames.shape[1:]))


def _read(
    source: FrameSource,
    groups: Groups,
    first: int,
    last: int,
    context: int,
    region: Region | None,
    stopping: threading.Event | None,
) -> Inputs:
    low, high = groups.with_neighbours(first, last, context)
    edges = np.array([groups.start(group) for group in range(low, high + 1)])
    summed, is_dead, unusable = _summed(source, edges, region, stopping)
    own = slice(edges[first - low] - edges[0], edges[last - low] - edges[0])
    lost = tuple(t for t in unusable if groups.start(first) <= t < groups.start(last))
    n_alive = np.add.reduceat(~is_dead, edges[:-1] - edges[0], dtype=np.int64)
    chosen = np.arange(first - context, last + context).clip(low, high - 1) - low
    nearest = _nearest(n_alive > 0)[chosen]
    is_plain = context == 0 and n_alive.all()
    return Inputs(
        first_frame=groups.start(first),
        frames=summed if is_plain else summed[nearest],
        counts=np.maximum(n_alive, 1)[nearest],
        has_contrast=n_alive[first - low : last - low] > 0,
        n_frames=groups.start(last) - groups.start(first),
        n_constant=int(is_dead[own].sum()) - len(lost),
        unusable=lost,
    )


def _summed(
    source: FrameSource, edges: Ints, region: Region | None, stopping: threading.Event | None
) -> tuple[np.ndarray[Any, Any], Bools, list[int]]:
    """Sum frames between edges, reading a bounded number of bytes at a time.

    Returns
    -------
    summed : (groups, C, H, W) float32; frames without contrast add nothing to a sum.
    is_dead : of each frame, whether it has no contrast, or cannot be used.
    unusable : numbers of the frames that cannot.
    """
    _, C, H, W = source.shape
    start, stop = int(edges[0]), int(edges[-1])
    summed = np.zeros((len(edges) - 1, C, H, W), np.float32)
    is_dead = np.zeros(stop - start, bool)
    unusable: list[int] = []
    per_read = max(1, READ_BYTES // max(1, C * H * W * source.dtype.itemsize))
    for first in range(start, stop, per_read):
        raise_if(stopping)
        raw, is_bad = usable_frames(source, first, min(stop, first + per_read), region)
        unusable += (first + np.flatnonzero(is_bad)).tolist()
        is_flat = is_bad | ~has_contrast(raw)
        is_dead[first - start : first - start + len(raw)] = is_flat
        if len(summed) == stop - start:
            summed[first - start : first - start + len(raw)] = raw
        else:
            numbers = np.arange(first, first + len(raw))
            group = np.searchsorted(edges, numbers, side="right") - 1
            starts = np.flatnonzero(np.diff(group, prepend=-1))
            added = raw.astype(np.float32)
            added[is_flat] = 0
            summed[group[starts]] += np.add.reduceat(added, starts, axis=0)
    return summed, is_dead, unusable


def _nearest(is_there: Bools) -> Ints:
    """Return for each index the nearest one that is there; itself where none is.

    Examples
    --------
    >>> _nearest(np.array([False, True, False, False, True])).tolist()
    [1, 1, 1, 4, 4]
    """
    own, there = np.arange(len(is_there)), np.flatnonzero(is_there)
    if len(there) in (0, len(own)):
        return own
    nearest: Ints = there[np.abs(own[:, None] - there).argmin(axis=1)]
    return nearest
