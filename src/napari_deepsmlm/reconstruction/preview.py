"""Preview: one prediction at a time, the model loaded only once, a first look before a long one."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_deepsmlm.io import open_frames
from napari_deepsmlm.reconstruction.choice import (
    choose,
    chosen_frames,
    chosen_region,
    pipeline_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from napari_deepsmlm.estimation import KnownCamera
    from napari_deepsmlm.inference.pipeline import Pipeline
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
    seconds : from the question to this answer.
    is_last : whether it is what a reconstruction gives; else it is a first look at it.
    """

    frames: range
    image: np.ndarray[Any, Any]
    n_localizations: int
    sr_pixel_nm: float
    origin_px: tuple[int, int]
    seconds: float
    is_last: bool


class PreviewMaker:
    """Predicts the frames of `frame_range`; the model stays loaded until another one is wanted.

    It may be called from any thread, by one after the other.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._key: Any = None
        self._pipelines: list[Pipeline] = []

    def make(
        self,
        frames: FrameSource | Any,
        options: ReconstructOptions,
        *,
        stopping: threading.Event | None = None,
        camera: KnownCamera | None = None,
    ) -> Iterator[Preview]:
        """Yield the prediction; before it, where the network takes long, a first look at it.

        Parameters
        ----------
        frames : what `open_frames` takes.
        options : `frame_range` are the frames of the preview.
        camera : what is known of it; if not given it is found, once for a model.
        stopping : when set, the prediction is given up within a layer of the network.

        Raises
        ------
        ValueError, OSError
            One sentence each, as for the whole stack.
        """
        started = time.perf_counter()
        source = open_frames(
            frames,
            axes=options.axes,
            registration=options.registration,
            channel=options.channel,
        )
        chosen = chosen_frames(source, options.frame_range)
        region = chosen_region(source, options.region)
        pipelines = self._ready(source, options, camera)
        for pipeline in pipelines:
            with self._lock:
                parts = list(pipeline.run(source, frames=chosen, region=region, stopping=stopping))
            if not parts or sum(part.n_frames for part in parts) < len(chosen):
                return
            yield Preview(
                frames=chosen,
                image=sum(part.image for part in parts[1:]) + parts[0].image,
                n_localizations=sum(len(part.localizations) for part in parts),
                sr_pixel_nm=pipeline.model.pixel_size_nm / pipeline.upsampling,
                origin_px=(region.y, region.x),
                seconds=time.perf_counter() - started,
                is_last=pipeline is pipelines[-1],
            )

    def _ready(
        self, source: FrameSource, options: ReconstructOptions, camera: KnownCamera | None
    ) -> list[Pipeline]:
        """Return what predicts: the model, after its first look if it has one."""
        wanted = options.replace(frame_range=(0, None), region=None, window=None)
        key = wanted, source.shape[1], source.pixel_size_nm, _stamp(options.model), camera
        with self._lock:
            if not self._pipelines or key != self._key:
                self._pipelines = []  # two models at once might not fit
                choice = choose(source, options, camera)
                look = choice.model.first_look()
                looks = (
                    []
                    if look is None
                    else [pipeline_of(look, choice.pipeline.compute, options, choice.camera)]
                )
                self._pipelines = [*looks, choice.pipeline]
                self._key = key
            return self._pipelines


def _stamp(model: str) -> tuple[int, int] | None:
    """Return what changes when a model file is written anew, None for built-in models."""
    try:
        status = Path(model).stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
