"""Live reconstruction: the job's events and, twice a second, the image so far."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_deepsmlm.plugin.layers.contrast import contrast_limits
from napari_deepsmlm.plugin.reconstruct.depth import depth_image

if TYPE_CHECKING:
    import threading
    from collections.abc import Generator

    from napari_deepsmlm.estimation import KnownCamera
    from napari_deepsmlm.reconstruction import (
        Reconstruction,
        ReconstructJob,
        ReconstructOptions,
    )

REFRESH_S = 0.5
# Copying and showing a large image takes long: it may take this share of the time.
REFRESH_SHARE = 0.1
# Depths take four times the memory of a plain image while they are made.
MAX_DEPTH_PIXELS = 1 << 24


@dataclass(frozen=True, slots=True)
class ImageSoFar:
    """The image with contrast limits that suit it.

    Attributes
    ----------
    image : (rows, columns), or (windows, rows, columns) of a time-lapse.
    origin_px : row and column of the frames where it begins.
    is_last : whether nothing will be added to it.
    """

    image: np.ndarray[Any, Any]
    limits: tuple[float, float]
    sr_pixel_nm: float
    origin_px: tuple[int, int]
    is_last: bool = False


@dataclass(frozen=True, slots=True)
class Braked:
    """The run was stopped: what came out cannot be."""

    reason: str
    """In one sentence."""


def reconstruct_live(
    frames: Any,
    options: ReconstructOptions,
    stopping: threading.Event,
    *,
    camera: KnownCamera | None = None,
) -> Generator[object, None, None]:
    """Yield the events of a `ReconstructJob` and an `ImageSoFar` twice a second and at the end.

    If the brake stops it, the last event is `Braked`.

    Parameters
    ----------
    frames : what `open_frames` takes.
    options : what to do with them.
    stopping : when set, the job ends within a layer of the network and yields what it has.
    camera : what is known of it already.
    """
    from napari_deepsmlm.reconstruction import BrakeError, ReconstructJob

    try:
        job = ReconstructJob(frames, options, stopping=stopping, camera=camera)
        yield from _live(job, stopping)
    except BrakeError as error:
        yield Braked(error.reason)


def _live(job: ReconstructJob, stopping: threading.Event) -> Generator[object, None, None]:
    from napari_deepsmlm.reconstruction import Finished, Prepared, Progress

    prepared: Prepared | None = None
    due_at = -np.inf
    for event in job.run():
        if isinstance(event, Prepared):
            prepared = event
        is_last = isinstance(event, Finished)
        started = time.monotonic()
        is_due = isinstance(event, Progress) and started > due_at
        if prepared is not None and (is_due or is_last):
            image = event.result.image if isinstance(event, Finished) else job.snapshot()
            if image is not None:
                limits = contrast_limits(image)
                yield ImageSoFar(image, limits, prepared.sr_pixel_nm, prepared.origin_px, is_last)
            now = time.monotonic()
            due_at = now + max(REFRESH_S, (now - started) / REFRESH_SHARE)
        yield event
        if isinstance(event, Finished) and not stopping.is_set():
            yield from _depth(event.result)


def _depth(result: Reconstruction) -> Generator[object, None, None]:
    """Yield the depths of molecules that have one."""
    table, coarser = result.localizations, 1
    if not table.is_3d or not len(table):
        return
    rows, columns = result.image.shape[-2:]
    while (rows // coarser) * (columns // coarser) > MAX_DEPTH_PIXELS:
        coarser *= 2
    yield depth_image(
        table,
        (-(-rows // coarser), -(-columns // coarser)),
        sr_pixel_nm=result.sr_pixel_nm * coarser,
        origin_nm=result.origin_nm,
    )
