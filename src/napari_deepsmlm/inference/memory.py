"""Memory: as many inputs at once as there is room for, and one sentence where there is none."""

from __future__ import annotations

import logging
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

logger = logging.getLogger(__name__)

Done = TypeVar("Done")


class Halves:
    """Does work on many inputs, on half as many at once whenever memory runs out.

    What there was room for is remembered, so that it runs out once and not at every batch.
    """

    def __init__(self) -> None:
        self._most = sys.maxsize

    def of(self, n: int, work: Callable[[slice], Done]) -> Iterator[Done]:
        """Yield what comes of n inputs, in their order.

        Parameters
        ----------
        work : on some of them. It may be done again after an error, with fewer.
        """
        first = 0
        while first < n:
            size = min(self._most, n - first)
            try:
                done = work(slice(first, first + size))
            except (RuntimeError, MemoryError) as error:
                if size == 1 or not is_out_of_memory(error):
                    raise
                self._most = -(-size // 2)
                logger.warning("Out of memory: going on with %d frames at a time.", self._most)
                torch.cuda.empty_cache()
            else:
                yield done
                first += size


@contextmanager
def told_when_full(device: torch.device, shape: tuple[int, int]) -> Iterator[None]:
    """Make one sentence of the error that even one input of (H, W) pixels is too large.

    Raises
    ------
    ValueError
        In its place.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise ValueError(
            f"There is too little memory on {device} for frames of {shape[0]} x {shape[1]} "
            "pixels: choose a region of them, or another device."
        ) from error


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error says that memory ran out, on a GPU or, in words of its own, on a CPU."""
    return (
        isinstance(error, torch.OutOfMemoryError | MemoryError)
        or "can't allocate memory" in str(error)
        or "not enough memory" in str(error)
    )
