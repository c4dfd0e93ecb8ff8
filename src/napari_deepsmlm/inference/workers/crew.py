"""Crew: whoever works on parts, and their results in order, whatever happens to a worker."""

from __future__ import annotations

from collections import deque
from concurrent.futures import BrokenExecutor, wait
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from napari_deepsmlm.inference.stopping import Stopped, raise_if

if TYPE_CHECKING:
    import threading
    from collections.abc import Generator, Iterable, Iterator
    from concurrent.futures import Executor, Future

    from napari_deepsmlm.inference.predicted import Predicted
    from napari_deepsmlm.inference.workers.work import Part, PartDone, Work

LOOK_S = 0.1
# Parts for each worker that are under way at once: one in work, one waiting for it.
PARTS_AHEAD = 2
# A part that kills its worker so often in a row would kill any other too.
MAX_DEATHS = 3


class WorkerLostError(OSError):
    """Workers end before they are done, again and again."""


class Crew(Protocol):
    """Workers, by any engine that hands out futures."""

    @property
    def n_workers(self) -> int:
        """How many work at once, now."""

    def submit(self, part: Part) -> Future[PartDone]:
        """Let one of them do a part.

        The future raises `BrokenExecutor` if its worker ended before it was done.
        """

    def replace_the_dead(self) -> None:
        """Start workers for those that have ended."""

    def close(self, *, at_once: bool) -> None:
        """Let them go; at once: without waiting for what they are at."""


class ExecutorCrew:
    """Workers of any executor of `concurrent.futures`' kind, which replaces its dead by itself.

    Parameters
    ----------
    executor : stays open.
    work : goes with each part.
    n_workers : how many parts it does at once.
    """

    def __init__(self, executor: Executor, work: Work, *, n_workers: int) -> None:
        self.n_workers = n_workers
        self._executor, self._work = executor, work
        self._futures: list[Future[PartDone]] = []

    def submit(self, part: Part) -> Future[PartDone]:
        """Let one of them do a part."""
        future = self._executor.submit(do_part, self._work, part)
        self._futures = [*(f for f in self._futures if not f.done()), future]
        return future

    def replace_the_dead(self) -> None:
        """Nothing to do: that is the executor's."""

    def close(self, *, at_once: bool) -> None:
        """Take back what nobody has begun."""
        for future in self._futures:
            future.cancel()


def do_part(work: Work, part: Part) -> PartDone:
    """Return what a worker makes of a part."""
    return work.done(part)


class Memory:
    """The most memory that each worker has had, in MB."""

    def __init__(self) -> None:
        self._peaks: dict[str, float] = {}

    def take(self, done: PartDone) -> None:
        """Take note of what a worker says."""
        self._peaks[done.worker] = max(self._peaks.get(done.worker, 0.0), done.peak_memory_mb)

    @property
    def total_mb(self) -> float:
        """All workers together."""
        return sum(self._peaks.values())


def predict_in_parts(
    crew: Crew,
    parts: Iterable[Part],
    *,
    memory: Memory | None = None,
    ahead: int = PARTS_AHEAD,
    stopping: threading.Event | None = None,
) -> Generator[Predicted, None, None]:
    """Yield predictions in frame order, as `Pipeline.run` does; the crew goes when it ends.

    A worker that ends before its part is done, killed or out of memory, is replaced, and the part
    is done again. Results wait for those before them, so there are never more than a few.

    Parameters
    ----------
    memory : is told what workers take.
    ahead : parts under way for each worker.

    Raises
    ------
    WorkerLostError
        If that happens three times without anything done in between.
    OSError, ValueError
        What a worker met while reading, after everything before it.
    """
    left, under_way = iter(parts), deque[tuple["Part", "Future[PartDone]"]]()
    n_deaths, is_over = 0, False
    try:
        while True:
            n_more = max(0, ahead * crew.n_workers - len(under_way))
            under_way += ((part, crew.submit(part)) for part in islice(left, n_more))
            if not under_way:
                is_over = True
                return
            part, future = under_way[0]
            is_done = wait([future], timeout=LOOK_S).done
            raise_if(stopping)
            if not is_done:
                continue  # there may be more workers now
            try:
                done = future.result()
            except BrokenExecutor as death:
                n_deaths += 1
                if n_deaths >= MAX_DEATHS:
                    raise WorkerLostError(_why_lost(part, crew.n_workers)) from death
                crew.replace_the_dead()
                under_way = deque(_again(crew, under_way))
                continue
            n_deaths = 0
            under_way.popleft()
            if memory is not None:
                memory.take(done)
            yield from done.predicted
            if done.error is not None:
                raise done.error
    except Stopped:
        return
    finally:
        crew.close(at_once=not is_over)


def _again(
    crew: Crew, under_way: Iterable[tuple[Part, Future[PartDone]]]
) -> Iterator[tuple[Part, Future[PartDone]]]:
    """Yield parts with their results; those that are lost are begun anew."""
    for part, future in under_way:
        is_lost = future.done() and isinstance(future.exception(), BrokenExecutor)
        yield part, crew.submit(part) if is_lost else future


def _why_lost(part: Part, n_workers: int) -> str:
    first, last = part.frames.start, part.frames.stop
    fewer = "fewer workers" if n_workers > 1 else "a smaller region"
    return (
        f"Workers ended {MAX_DEATHS} times in a row before frames {first}:{last} were done, most "
        f"often for want of memory: take {fewer}. (A Python script that starts workers has to "
        'call them below `if __name__ == "__main__":`.)'
    )
