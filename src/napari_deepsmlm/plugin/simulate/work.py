"""Live simulation: a stack filled chunk by chunk, with its true molecules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import threading
    from collections.abc import Generator

    from napari_deepsmlm.experiment import Experiment
    from napari_deepsmlm.localizations import Localizations

CHUNK = 16
MAX_SHARE = 0.5
"""Of the memory that is free."""


@dataclass(frozen=True, slots=True)
class FramesDone:
    """So many frames are made."""

    frames_done: int
    n_frames: int


@dataclass(frozen=True, slots=True)
class Simulated:
    """The stack, as far as it came, and its molecules."""

    experiment: Experiment
    seed: int
    stack: np.ndarray[Any, Any]
    """(T, C, H, W) ADU, uint16 where they are whole numbers."""
    truth: Localizations


def simulate_live(
    experiment: Experiment, n_frames: int, seed: int, stopping: threading.Event
) -> Generator[FramesDone | Simulated, None, None]:
    """Yield the number of frames made now and then, and the stack at the end.

    Stopped early, it yields what there is, if there is anything.

    Raises
    ------
    ValueError
        If the stack would not fit into the memory.
    """
    import torch

    from napari_deepsmlm.localizations import Localizations

    shape = (n_frames, experiment.psf.n_planes, *experiment.image_px)
    check_memory(shape)
    stack = np.zeros(shape, experiment.camera.dtype)
    generator = torch.Generator().manual_seed(seed)
    movie = experiment.simulator().movie(n_frames, experiment.image_px, generator, CHUNK)
    truth, n_done = [], 0
    for frames, found in movie:
        stack[n_done : n_done + len(frames)] = frames.numpy()
        truth.append(found)
        n_done += len(frames)
        yield FramesDone(n_done, n_frames)
        if stopping.is_set():
            break
    molecules = Localizations.concatenate(truth).to_numpy()
    yield Simulated(experiment, seed, stack[:n_done], molecules)


def check_memory(shape: tuple[int, ...]) -> None:
    """Refuse a stack larger than half of the free memory.

    Raises
    ------
    ValueError
        With its size, and what would fit.
    """
    import psutil

    n_bytes = 2 * int(np.prod(shape, dtype=np.int64))
    free = psutil.virtual_memory().available
    if n_bytes > MAX_SHARE * free:
        most = int(MAX_SHARE * free / n_bytes * shape[0])
        raise ValueError(
            f"{shape[0]:,} frames of {shape[-2]} × {shape[-1]} px need {n_bytes / 1e9:.1f} GB, "
            f"{free / 1e9:.1f} GB are free: choose at most {most:,} frames, or write a file with "
            "`deepsmlm simulate`."
        )
