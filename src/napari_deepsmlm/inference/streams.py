"""Streams: on a GPU frames are copied, networks run and results are read out side by side."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

    from torch import Tensor

    from napari_deepsmlm.inference.inputs import Inputs

T = TypeVar("T")
R = TypeVar("R")


class Waiting(NamedTuple):
    """Inputs whose frames are on the device, or on their way to it."""

    inputs: Inputs
    frames: Tensor
    """(context + B + context, C, H, W), the inputs' own; not to be read before `arrived`."""
    copied: torch.cuda.Event | None = None

    def arrived(self) -> Tensor:
        """Return the frames for use in the current stream, after their copy."""
        if self.copied is not None:
            stream = torch.cuda.current_stream(self.frames.device)
            stream.wait_event(self.copied)
            self.frames.record_stream(stream)
        return self.frames


def on_device(all_inputs: Iterable[Inputs], device: torch.device) -> Iterator[Waiting]:
    """Yield inputs with their frames on a device.

    To a GPU they go from pinned memory, in a stream of their own that no network waits in.
    """
    stream = torch.cuda.Stream(device) if device.type == "cuda" else None
    for inputs in all_inputs:
        frames = torch.from_numpy(inputs.frames)
        if stream is None:
            yield Waiting(inputs, frames.to(device))
            continue
        with torch.cuda.stream(stream):
            moved = frames.pin_memory().to(device, non_blocking=True)
            waiting = Waiting(inputs, moved, stream.record_event())
        yield waiting


def done_in_this_stream(device: torch.device) -> None:
    """Wait for the work of the current stream, so that others may read what it made."""
    if device.type == "cuda":
        torch.cuda.current_stream(device).synchronize()


def keep_for_this_stream(made_elsewhere: Tensor) -> None:
    """Do not let the memory of a tensor be used anew before the current stream has read it."""
    if made_elsewhere.is_cuda:
        made_elsewhere.record_stream(torch.cuda.current_stream(made_elsewhere.device))


def in_lanes(
    work: Callable[[T], R], items: Iterable[T], n_lanes: int, device: torch.device
) -> Iterator[R]:
    """Yield `work(item)` of each item, in order, with up to `n_lanes` of them at work at once.

    Reading results out makes the processor wait for the GPU, which then has nothing to do: not if
    another lane, whose stream is its own, has given it work meanwhile. One lane is no thread.

    An error ends it after the results before; work that has begun is waited for.
    """
    if n_lanes == 1:
        yield from map(work, items)
        return

    streams: SimpleQueue[torch.cuda.Stream | None] = SimpleQueue()
    for _ in range(n_lanes):
        streams.put(torch.cuda.Stream(device) if device.type == "cuda" else None)

    def in_a_stream(item: T) -> R:
        stream = streams.get()
        try:
            with torch.cuda.stream(stream):  # None: nothing changes
                return work(item)
        finally:
            streams.put(stream)

    at_work: deque[Future[R]] = deque()
    with ThreadPoolExecutor(n_lanes, "deepsmlm-lane") as lanes:
        try:
            for item in items:
                at_work.append(lanes.submit(in_a_stream, item))
                if len(at_work) >= n_lanes:
                    yield at_work.popleft().result()
            while at_work:
                yield at_work.popleft().result()
        finally:
            for one in at_work:
                one.cancel()
