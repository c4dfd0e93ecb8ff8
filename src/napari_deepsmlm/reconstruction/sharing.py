"""Sharing: which processes predict the frames of a reconstruction, here or on a cluster."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from napari_deepsmlm._devices import Compute, choose_computes
from napari_deepsmlm._words import counted

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Generator

    from napari_deepsmlm.inference.pipeline import Pipeline
    from napari_deepsmlm.inference.predicted import Predicted
    from napari_deepsmlm.inference.tiles import Region
    from napari_deepsmlm.inference.workers import Crew, Memory, Work
    from napari_deepsmlm.inference.workers.cluster import Cluster
    from napari_deepsmlm.io import FrameSource
    from napari_deepsmlm.reconstruction.options import ReconstructOptions


class Sharing(NamedTuple):
    """Who predicts."""

    computes: tuple[Compute, ...]
    """Of each worker here; of a cluster, that of the worker that answered."""
    cluster: Cluster | None = None

    @property
    def compute(self) -> Compute:
        """Device and number format that batches are cut for."""
        return self.computes[0]

    def fit(self, pipeline_with: Callable[[Compute], Pipeline]) -> Pipeline:
        """Return a pipeline that cuts batches as those need who predict.

        Parameters
        ----------
        pipeline_with : makes it; of a cluster only on the CPU, as this machine need not have the
            device of its workers.
        """
        if self.cluster is None:
            return pipeline_with(self.compute)
        pipeline = pipeline_with(Compute.on_cpu(self.compute.dtype))
        pipeline.cut_for(self.compute.device.type, self.cluster.free_bytes)
        return pipeline

    @property
    def n_workers(self) -> int:
        """How many share the frames; of a cluster, as many as there were at first."""
        return len(self.computes) if self.cluster is None else self.cluster.n_workers

    @property
    def in_words(self) -> str:
        """Return what stands before the device in a report: nothing for this process alone."""
        if self.cluster is not None:
            return f"{counted(self.n_workers, 'worker')} of {self.cluster.address} on "
        others = [str(compute.device) for compute in self.computes[1:]]
        if not others:
            return ""
        names = {str(compute.device) for compute in self.computes}
        also = f"{', '.join(sorted(names - {others[0]}))} and " if len(names) > 1 else ""
        return f"{self.n_workers} workers on {also}"

    def predict(
        self,
        pipeline: Pipeline,
        source: FrameSource,
        *,
        frames: range,
        window: int | None,
        step: int | None,
        region: Region,
        memory: Memory,
        stopping: threading.Event,
    ) -> Generator[Predicted, None, None]:
        """Yield predictions in frame order, the same whoever makes them."""
        wanted: dict[str, Any] = {
            "frames": frames,
            "window": window,
            "step": step,
            "region": region,
        }
        if self.cluster is None and self.n_workers == 1:
            return pipeline.run(source, **wanted, stopping=stopping)
        return self._shared(pipeline, source, wanted, memory=memory, stopping=stopping)

    def _shared(
        self,
        pipeline: Pipeline,
        source: FrameSource,
        wanted: dict[str, Any],
        *,
        memory: Memory,
        stopping: threading.Event,
    ) -> Generator[Predicted, None, None]:
        """Yield what workers predict; they are called once it is asked for, and always let go."""
        from napari_deepsmlm.inference.workers import Work, parts_of, predict_in_parts
        from napari_deepsmlm.inference.workers.cluster import CUT_FOR
        from napari_deepsmlm.inference.workers.crew import PARTS_AHEAD
        from napari_deepsmlm.inference.workers.work import MAX_PART_BYTES

        is_file = source.path is not None
        on_cpu = pipeline.on(Compute.on_cpu(pipeline.compute.dtype))
        work = Work(on_cpu, source if is_file else None, **wanted)
        n_workers = self.n_workers if self.cluster is None else max(self.n_workers, CUT_FOR)
        parts = parts_of(work, source, n_workers=n_workers, carries_frames=not is_file)
        # Of a large image one for each worker is enough to hold.
        is_large = 4 * math.prod(work.region.shape) * pipeline.upsampling**2 > MAX_PART_BYTES
        ahead = 1 if is_large else PARTS_AHEAD
        crew = self._crew(work)
        yield from predict_in_parts(crew, parts, memory=memory, ahead=ahead, stopping=stopping)

    def _crew(self, work: Work) -> Crew:
        from napari_deepsmlm.inference.workers import LocalCrew

        return LocalCrew(work, self.computes) if self.cluster is None else self.cluster.crew(work)


def share(options: ReconstructOptions, source: FrameSource | None = None) -> Sharing:
    """Return who predicts, as the options want it.

    Raises
    ------
    ValueError, OSError
        One sentence: no such device, no cluster there, workers that cannot read the frames.
    """
    if options.scheduler is not None:
        from napari_deepsmlm.inference.workers.cluster import Cluster

        cluster = Cluster.at(options.scheduler, options.device, options.precision, source)
        return Sharing((cluster.compute,), cluster)
    computes = choose_computes(options.device, options.precision)
    n_workers = max(options.workers or 1, len(computes))
    return Sharing(tuple(computes[k % len(computes)] for k in range(n_workers)))


def check_sharing(options: ReconstructOptions) -> None:
    """Refuse what nobody could predict with, before there are frames.

    Raises
    ------
    ValueError, OSError
        As :func:`share`.
    """
    share(options)


def absolute(frames: Any) -> Any:
    """Return paths as workers on other machines know them; anything else as it is."""
    if isinstance(frames, str | Path):
        return Path(frames).absolute()
    if isinstance(frames, list | tuple):
        return [absolute(one) for one in frames]
    return frames
