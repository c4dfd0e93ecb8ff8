"""Live reconstruction: the job's events and, twice a second, the image so far."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import threading
    from collections.abc import Generator

    from napari_deepsmlm.reconstruction import ReconstructOptions

REFRESH_S = 0.5
CONTRAST_PERCENTILE = 99.8
CONTRAST_SAMPLES = 1_000_000


@dataclass(frozen=True, slots=True)
class ImageSoFar:
    """A copy of the image with contrast limits that suit it."""

    image: np.ndarray[Any, Any]
    limits: tuple[float, float]
    sr_pixel_nm: float


def reconstruct_live(
    frames: Any, options: ReconstructOptions, stopping: threading.Event
) -> Generator[object, None, None]:
    """Yield the events of a `ReconstructJob` and an `ImageSoFar` twice a second and at the end.

    Parameters
    ----------
    frames : what `open_frames` takes.
    options : what to do with them.
    stopping : when set, the job ends after the batch it is in and yields what it has.
    """
    from napari_deepsmlm.reconstruction import Finished, Prepared, Progress, ReconstructJob

    job = ReconstructJob(frames, options)
    sr_pixel_nm, last_shown = 1.0, -np.inf
    for event in job.run():
        if isinstance(event, Prepared):
            sr_pixel_nm = event.sr_pixel_nm
        is_due = isinstance(event, Progress) and time.monotonic() - last_shown > REFRESH_S
        if is_due or isinstance(event, Finished):
            image = job.snapshot()
            if image is not None:
                yield ImageSoFar(image, contrast_limits(image), sr_pixel_nm)
            last_shown = time.monotonic()
        yield event
        if stopping.is_set():
            job.stop()


def contrast_limits(image: np.ndarray[Any, Any]) -> tuple[float, float]:
    """Return 0 and the 99.8th percentile of what is not zero, from a sample of large images.

    Examples
    --------
    >>> contrast_limits(np.eye(100) * 3)
    (0.0, 3.0)
    """
    values = image.reshape(-1)[:: max(1, image.size // CONTRAST_SAMPLES)]
    values = values[values > 0]
    high = float(np.percentile(values, CONTRAST_PERCENTILE)) if len(values) else 1.0
    return 0.0, high
