"""Scaling: frames per second of a pipeline against what its movies are like and who works."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_deepsmlm.benchmark.timing import in_turn
from napari_deepsmlm.io import open_frames

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from napari_deepsmlm.inference import Pipeline
    from napari_deepsmlm.io import FrameSource

FRAMES_TIMES = 4
"""So often each of several processes gets the frames of the pipeline."""
CPU = torch.device("cpu")


def by_movie(
    pipeline: Pipeline, movies: Mapping[int, FrameSource], *, rounds: int, seconds: float
) -> dict[int, float]:
    """Return the frames per second of each movie, measured in turn."""
    runs = {str(key): _run(pipeline, movie) for key, movie in movies.items()}
    taken = in_turn({}, runs, rounds, pipeline.compute.device, seconds=seconds)
    return {key: movie.n_frames / taken[str(key)] for key, movie in movies.items()}


def by_threads(pipeline: Pipeline, numbers: Sequence[int], source: FrameSource) -> dict[int, float]:
    """Return the frames per second with so many threads."""
    before = torch.get_num_threads()
    rates: dict[int, float] = {}
    try:
        for n in numbers:
            torch.set_num_threads(n)
            rates |= by_movie(pipeline, {n: source}, rounds=1, seconds=np.inf)
    finally:
        torch.set_num_threads(before)
    return rates


def by_workers(
    pipeline: Pipeline,
    numbers: Sequence[int],
    source: FrameSource,
    *,
    rounds: int,
    seconds: float,
) -> dict[int, float]:
    """Return the frames per second of so many processes, in turn.

    They count once each has done a part: starting processes is no matter of long movies.
    """
    with ExitStack() as stack:
        runs = {str(n): stack.enter_context(_shared(pipeline, n, source)) for n in numbers}
        taken = in_turn(runs, {}, rounds, CPU, seconds=seconds)
    return {n: n * FRAMES_TIMES * source.n_frames / taken[str(n)] for n in numbers}


def _run(pipeline: Pipeline, movie: FrameSource) -> Callable[[], object]:
    return lambda: list(pipeline.run(movie))


@contextmanager
def _shared(
    pipeline: Pipeline, n_workers: int, source: FrameSource
) -> Iterator[Callable[[], object]]:
    """Start processes, and give what lets them predict the frames so many times each."""
    from napari_deepsmlm.inference.tiles import Region
    from napari_deepsmlm.inference.workers import LocalCrew, Work, parts_of

    frames = source.read(0, source.n_frames)
    movie = open_frames(np.concatenate([frames] * FRAMES_TIMES * n_workers))
    whole = Region(0, 0, *movie.shape[-2:])
    work = Work(pipeline, None, range(movie.n_frames), None, whole)
    parts = list(parts_of(work, movie, n_workers=n_workers, carries_frames=True))
    crew = LocalCrew(work, [pipeline.compute] * n_workers)
    try:
        begun: set[str] = set()
        while len(begun) < n_workers:
            firsts: list[Any] = [crew.submit(parts[0]) for _ in range(n_workers)]
            begun |= {first.result().worker for first in firsts}
        yield lambda: [done.result() for done in [crew.submit(part) for part in parts]]
    finally:
        crew.close(at_once=True)
