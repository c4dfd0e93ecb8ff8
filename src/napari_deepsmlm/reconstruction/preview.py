"""Preview: one prediction at a time, the model loaded only once."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_deepsmlm.io import open_frames
from napari_deepsmlm.reconstruction.choice import Choice, choose, chosen_frames, chosen_region

if TYPE_CHECKING:
    import numpy as np

    from napari_deepsmlm.io import FrameSource
    from napari_deepsmlm.reconstruction.options import ReconstructOptions


@dataclass(frozen=True, slots=True)
class Preview:
    """The prediction of a few frames.

    Attributes
    ----------
    frames : camera frames that were summed into it.
    image : (rows, columns) float32 molecules per pixel.
    sr_pixel_nm : its pixel, nm.
    origin_px : row and column of the frames where it begins.
    seconds : that it took.
    """

    frames: range
    image: np.ndarray[Any, Any]
    n_localizations: int
    sr_pixel_nm: float
    origin_px: tuple[int, int]
    seconds: float


class PreviewMaker:
    """Predicts the frames of `frame_range`; the model stays loaded until another one is wanted.

    It may be called from any thread, by one after the other.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._key: Any = None
        self._choice: Choice | None = None

    def make(
        self,
        frames: FrameSource | Any,
        options: ReconstructOptions,
        *,
        stopping: threading.Event | None = None,
    ) -> Preview | None:
        """Return the prediction, None if it was stopped.

        Parameters
        ----------
        frames : what `open_frames` takes.
        options : `frame_range` are the frames of the preview.
        stopping : when set, the prediction is given up within a layer of the network.

        Raises
        ------
        ValueError, OSError
            One sentence each, as for the whole stack.
        """
        started = time.perf_counter()
        source = open_frames(frames, registration=options.registration)
        chosen = chosen_frames(source, options.frame_range)
        region = chosen_region(source, options.region)
        with self._lock:
            pipeline = self._chosen(source, options).pipeline
            parts = list(pipeline.run(source, frames=chosen, region=region, stopping=stopping))
        if not parts or sum(part.n_frames for part in parts) < len(chosen):
            return None
        return Preview(
            frames=chosen,
            image=sum(part.image for part in parts[1:]) + parts[0].image,
            n_localizations=sum(len(part.localizations) for part in parts),
            sr_pixel_nm=pipeline.model.pixel_size_nm / pipeline.upsampling,
            origin_px=(region.y, region.x),
            seconds=time.perf_counter() - started,
        )

    def _chosen(self, source: FrameSource, options: ReconstructOptions) -> Choice:
        wanted = options.replace(frame_range=(0, None), region=None, window=None)
        key = wanted, source.shape[1], source.pixel_size_nm, _stamp(options.model)
        if self._choice is None or key != self._key:
            self._choice = None  # two models at once might not fit
            self._choice = choose(source, options)
            self._key = key
        return self._choice


def _stamp(model: str) -> tuple[int, int] | None:
    """Return what changes when a model file is written anew, None for built-in models."""
    try:
        status = Path(model).stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
