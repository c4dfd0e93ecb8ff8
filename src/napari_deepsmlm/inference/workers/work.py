"""Work: what a worker is told, once and for each part of a stack, and what it gives back."""

from __future__ import annotations

import os
import pickle
import socket
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_deepsmlm._devices import peak_memory_mb
from napari_deepsmlm.io import FrameSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_deepsmlm.inference.inputs import Groups
    from napari_deepsmlm.inference.pipeline import Pipeline
    from napari_deepsmlm.inference.predicted import Predicted
    from napari_deepsmlm.inference.tiles import Region

# A part's images together, and its batches: small enough that Progress and Ctrl-C stay quick.
MAX_PART_BYTES = 64 << 20
MAX_PART_BATCHES = 16
# So many parts for each worker at least, or one would still work when the others are done.
PARTS_PER_WORKER = 4
# A process has one device, or its share of the cores, for one part at a time.
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class Work:
    """All that was decided about a run, so that every worker does what one alone would.

    Attributes
    ----------
    pipeline : its model on the CPU; a worker moves it to its own device.
    source : the stack, if workers can open it by themselves; else None, and parts bring frames.
    """

    pipeline: Pipeline
    source: FrameSource | None
    frames: range
    window: int | None
    region: Region
    step: int | None = None

    def done(self, part: Part, pipeline: Pipeline | None = None) -> PartDone:
        """Return the predictions of a part, and the error that ended it, if one did."""
        source = self.source if part.source is None else part.source
        assert source is not None  # noqa: S101 - it is in the one or in the other
        predicted: list[Predicted] = []
        error: Exception | None = None
        with _ONE_AT_A_TIME:
            predictions = (pipeline or self.pipeline).run(
                source,
                frames=self.frames,
                window=self.window,
                step=self.step,
                region=self.region,
                batches=part.batches,
            )
            try:
                predicted.extend(predictions)
            except (OSError, ValueError) as problem:
                error = _portable(problem)
        worker = f"{socket.gethostname()}:{os.getpid()}"
        return PartDone(tuple(predicted), error, worker, peak_memory_mb())


@dataclass(frozen=True)
class Part:
    """Consecutive batches of a run."""

    batches: range
    frames: range
    """Those of its batches, without their neighbours in time."""
    source: FrameSource | None = None
    """Holds the frames, if workers cannot read them by themselves."""


@dataclass(frozen=True)
class PartDone:
    """What a worker gives back."""

    predicted: tuple[Predicted, ...]
    error: Exception | None
    worker: str
    """Its machine and process."""
    peak_memory_mb: float
    """The most that this process has had."""


def parts_of(
    work: Work, source: FrameSource, *, n_workers: int, carries_frames: bool
) -> Iterator[Part]:
    """Yield the parts of a run in order; frames that travel with them are read as asked for.

    Batches are those of a single worker, so that images are added up alike, to the last bit.
    """
    pipeline = work.pipeline
    groups = pipeline.groups(source, frames=work.frames, window=work.window, step=work.step)
    batches = list(groups.batches(pipeline.per_batch(source, work.region)))
    height, width = work.region.shape
    image_bytes = 4 * height * width * pipeline.upsampling**2
    each = min(
        MAX_PART_BYTES // image_bytes,
        len(batches) // (PARTS_PER_WORKER * n_workers),
        MAX_PART_BATCHES,
    )
    each = max(1, each)
    for first in range(0, len(batches), each):
        last = min(first + each, len(batches))
        inside = batches[first][0], batches[last - 1][1]
        frames = range(groups.start(inside[0]), groups.start(inside[1]))
        held = None
        if carries_frames:
            held = _held(source, groups, inside, pipeline.model.context)
        yield Part(range(first, last), frames, held)


class HeldFrames:
    """A few frames of a stack in memory, at the places that they have in it."""

    def __init__(self, source: FrameSource, frames: range) -> None:
        self.shape, self.dtype = source.shape, source.dtype
        self._first = frames.start
        self._errors: dict[int, OSError] = {}
        try:
            self._frames = source.read(frames.start, frames.stop)
        except OSError:
            self._frames = np.zeros((len(frames), *self.shape[1:]), self.dtype)
            for t in frames:
                try:
                    self._frames[t - self._first] = source.read(t, t + 1)[0]
                except OSError as error:
                    self._errors[t] = error

    def read(self, start: int, stop: int) -> np.ndarray[Any, Any]:
        """Return frames start <= t < stop, or raise what reading one of them raised."""
        for t in range(start, stop):
            if t in self._errors:
                raise self._errors[t]
        return self._frames[start - self._first : stop - self._first].copy()

    def close(self) -> None:
        """Nothing to release."""


def _held(
    source: FrameSource, groups: Groups, inside: tuple[int, int], context: int
) -> FrameSource:
    frames = groups.frames_of(*inside, context)
    return FrameSource(HeldFrames(source, frames), name=source.name)


def _portable(error: Exception) -> Exception:
    """Return an error that another process can read."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - just made
    except Exception:  # noqa: BLE001 - whatever a foreign exception does when it is copied
        kind = OSError if isinstance(error, OSError) else ValueError
        return kind(" ".join(str(error).split()))
    return error
