"""The job: a reconstruction as a generator of events, and as one call."""

from __future__ import annotations

import math
import threading
import time
from contextlib import closing, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_deepsmlm._files import folder_lock
from napari_deepsmlm.adaptation import AdaptJob
from napari_deepsmlm.inference.sinks import FileSink, MemorySink
from napari_deepsmlm.inference.workers import Memory
from napari_deepsmlm.io import open_frames
from napari_deepsmlm.mismatch import pixel_sentence
from napari_deepsmlm.models import ImageModel
from napari_deepsmlm.reconstruction.adapting import (
    adapt_options,
    offer_for,
    remarks_of,
    with_adapted,
)
from napari_deepsmlm.reconstruction.brake import WAY_OUT, Brake, BrakeError, expected_of
from napari_deepsmlm.reconstruction.choice import Choice, choose, chosen_frames, chosen_region
from napari_deepsmlm.reconstruction.counts import counts_sentence
from napari_deepsmlm.reconstruction.events import Finished, Prepared, Progress, Reconstruction
from napari_deepsmlm.reconstruction.keeping import (
    KeptNothing,
    Losses,
    refuse_results,
    write_results,
)
from napari_deepsmlm.reconstruction.options import ReconstructOptions
from napari_deepsmlm.reconstruction.report import make_report
from napari_deepsmlm.reconstruction.sharing import absolute

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np

    from napari_deepsmlm.estimation import KnownCamera
    from napari_deepsmlm.inference.predicted import Predicted
    from napari_deepsmlm.inference.tiles import Region
    from napari_deepsmlm.io import FrameSource
    from napari_deepsmlm.mismatch import MismatchTable
    from napari_deepsmlm.reconstruction.events import Event

PIXEL_SIZE = "pixel_size_nm"


class ReconstructJob:
    """A reconstruction as a generator of events, which can be stopped from any thread.

    Parameters
    ----------
    frames : a path, paths of one series in time, an array, or an open `FrameSource`.
    options : what to do with them.
    out : folder for `reconstruction.tif`, `localizations.csv` and `report.json`; if not given,
        results stay in memory.
    overwrite : replace results that lie in `out`; else they are a reason not to begin.
    stopping : a flag of the caller's that stops the job when set, as :meth:`stop` does.
    camera : what :func:`know_camera` found for these frames and options, where that was done.
    remarks : sentences that are said among the warnings.
    """

    def __init__(
        self,
        frames: FrameSource | Any,
        options: ReconstructOptions,
        *,
        out: str | Path | None = None,
        stopping: threading.Event | None = None,
        overwrite: bool = True,
        camera: KnownCamera | None = None,
        remarks: tuple[str, ...] = (),
    ) -> None:
        # Whoever names frames may name those that are there of a stack that was cut short.
        is_part = options.frame_range != (0, None)
        self.source = open_frames(
            frames if options.scheduler is None else absolute(frames),
            axes=options.axes,
            allow_truncated=is_part,
            registration=options.registration,
            channel=options.channel,
        )
        self.options = options
        self.remarks = remarks
        self.out = None if out is None else Path(out)
        if self.out is not None:
            refuse_results(self.out, self.source, overwrite=overwrite)
        self._camera = camera
        self._sink: MemorySink | None = None  # set once frames are being read
        self._stopping = threading.Event() if stopping is None else stopping

    def stop(self) -> None:
        """Ask the job to end: the batch at hand is dropped, what was done before is kept."""
        self._stopping.set()

    def snapshot(self) -> np.ndarray[Any, Any] | None:
        """Return the image so far, None before it begins.

        It is a copy; of a time-lapse it is all images, those to come still empty, and as it may
        be large a view that changes with the job.
        """
        return None if self._sink is None else self._sink.snapshot()

    def run(self) -> Iterator[Event]:
        """Reconstruct, and yield what happens.

        Raises
        ------
        ValueError, OSError
            One sentence each: unknown model, unusable frames, frames that cannot be read.
        BrakeError
            If what comes out cannot be; nothing is written then, see `reconstruction.brake`.
        """
        with nullcontext() if self.out is None else folder_lock(self.out):
            yield from self._run()

    def _run(self) -> Iterator[Event]:
        options, source = self.options, self.source
        frames = chosen_frames(source, options.frame_range)
        region = chosen_region(source, options.region)
        choice = choose(source, options, self._camera, frames=frames)
        table = choice.look.glance_at(choice.found.card, choice.found.name)
        warnings = [*self.remarks, *_fitting(choice, table), *self._mismatches(choice, table)]
        if options.sum_frames > len(frames):
            warnings.append(
                f"{options.sum_frames} frames were to be summed, but only {len(frames)} are there: "
                "all of them make one sum."
            )
        brake = self._brake(choice, table, region)
        prepared = _prepared(choice, region, len(frames), warnings)
        yield prepared
        with suppress(KeptNothing), self._open_sink(choice, prepared) as sink:
            self._sink = sink
            done, n_constant, seconds, started = 0, 0, 0.0, time.perf_counter()
            is_judged = False
            losses = Losses()
            memory = Memory()

            def taken(predicted: Predicted) -> tuple[int, int]:
                """Add it up, and let go of its image, which may be a gigabyte."""
                sink.add(predicted)
                brake.add(predicted)
                return predicted.n_frames, predicted.n_constant

            predictions = choice.sharing.predict(
                choice.pipeline,
                source,
                frames=frames,
                window=options.window,
                step=options.window_step,
                region=region,
                memory=memory,
                stopping=self._stopping,
            )
            with closing(predictions):
                for n_more, n_flat in map(taken, losses.until_unreadable(predictions)):
                    if brake.can_judge and not is_judged:
                        is_judged = True
                        warnings += self._braked(choice, brake.objection(), warnings)
                    done += n_more
                    n_constant += n_flat
                    seconds = time.perf_counter() - started
                    yield Progress(done, len(frames), seconds, sink.n_localizations)
                    if self._stopping.is_set():
                        break
            if done and not is_judged:
                warnings += self._braked(choice, brake.objection(), warnings)
            if n_constant:
                warnings.append(f"{n_constant} of {done} frames have no contrast and gave nothing.")
            warnings += self._counted(choice, sink)
            warnings += losses.sentences(done, len(frames))
            report = make_report(
                source, options, choice, region, sink,
                n_frames=done, seconds=seconds, warnings=warnings, problem=losses.problem,
                workers_mb=memory.total_mb,
            )  # fmt: skip
            sink.take_report(report.to_json())
            if done == 0:
                raise KeptNothing  # earlier results stay as they are
        if done == 0:
            sink = MemorySink(prepared.sr_shape, columns=choice.model.columns)
        result = Reconstruction(sink, report, prepared.sr_pixel_nm, report.origin_nm)
        if self.out is not None and done:
            write_results(result, self.out)
        yield Finished(result)

    def _mismatches(self, choice: Choice, table: MismatchTable | None) -> list[str]:
        """Return where the frames are unlike those of the training, and the offer to adapt."""
        if table is None:
            return []
        is_outside = any(row.verdict == "outside" for row in table.rows if row.name == PIXEL_SIZE)
        is_unlike = bool(table.sentences) or is_outside
        offers = [offer_for(self.source, choice.found)] if is_unlike else []
        return [*table.sentences, *filter(None, offers)]

    def _brake(self, choice: Choice, table: MismatchTable | None, region: Region) -> Brake:
        is_image = isinstance(choice.model, ImageModel)
        return Brake(
            expected_of(table, photons_per_adu=choice.camera.photons_per_adu),
            n_px=math.prod(region.shape),
            is_counted=not is_image or self.options.sum_frames == 1,
        )

    def _braked(self, choice: Choice, objection: str, warnings: list[str]) -> list[str]:
        """Return what cannot be as a warning if the job is to go on all the same, else raise it."""
        if not objection:
            return []
        if not self.options.force:
            offer = offer_for(self.source, choice.found)
            raise BrakeError(objection, offer, WAY_OUT, warnings=warnings)
        return [f"{objection} The result cannot be right; it was asked for all the same."]

    def _counted(self, choice: Choice, sink: MemorySink) -> list[str]:
        """Return how image and table differ, where a network predicts the image itself."""
        if not isinstance(choice.model, ImageModel):
            return []
        own = choice.model.config.threshold
        threshold = own if self.options.threshold is None else self.options.threshold
        return [*filter(None, [counts_sentence(sink.molecules, sink.n_localizations, threshold)])]

    def _open_sink(self, choice: Choice, prepared: Prepared) -> MemorySink:
        windows = self.options.windows
        keywords: dict[str, Any] = {"columns": choice.model.columns}
        if windows is not None:
            keywords |= {"windows": windows, "n_frames": prepared.n_frames}
        if self.out is None:
            return MemorySink(prepared.sr_shape, **keywords)
        pixel_nm = prepared.sr_pixel_nm
        return FileSink(prepared.sr_shape, **keywords, folder=self.out, sr_pixel_nm=pixel_nm)


def reconstruct(
    frames: FrameSource | np.ndarray[Any, Any] | str | Path | Sequence[str | Path],
    model: str = "deep-storm",
    *,
    out: str | Path | None = None,
    overwrite: bool = False,
    adapt: float | None = None,
    **options: Any,
) -> Reconstruction:
    """Reconstruct a stack and return image, molecules and report.

    Parameters
    ----------
    frames : a file, files of one series in time, or an array (T, Y, X) or (T, C, Y, X) of ADU.
    model : network, built-in model, or model file.
    out : folder to write the results to as well.
    overwrite : replace earlier results that lie in `out`; else they are a reason not to begin.
    adapt : minutes to train the model on a simulated twin of the stack first; the better of the
        two is used, see `napari_deepsmlm.adaptation`.
    options : fields of `ReconstructOptions`, such as `pixel_size_nm=100.0, sum_frames=10`.

    Raises
    ------
    BrakeError
        If what comes out cannot be; with `force=True` it is a warning in the report.
    FileExistsError
        If `out` holds results and `overwrite` is not given.
    ValueError, OSError
        One sentence each: unknown model, unusable frames, frames that cannot be read.

    Examples
    --------
    >>> import napari_deepsmlm as ds
    >>> stack, truth = ds.Experiment(image_px=(32, 32)).simulate(n_frames=4, seed=1)
    >>> result = ds.reconstruct(stack, model="deep-storm", pixel_size_nm=100.0)
    >>> result.image.shape
    (256, 256)
    """
    chosen = ReconstructOptions.from_dict({"model": str(model), **options}, source="options")
    remarks: tuple[str, ...] = ()
    if adapt is not None:
        if out is not None:
            refuse_results(Path(out), None, overwrite=overwrite)  # before the minutes are spent
        *_, done = AdaptJob(frames, adapt_options(chosen, adapt)).run()
        chosen, remarks = with_adapted(chosen, done), remarks_of(done)
    job = ReconstructJob(frames, chosen, out=out, overwrite=overwrite, remarks=remarks)
    *_, finished = job.run()
    assert isinstance(finished, Finished)  # noqa: S101 - the last event of every job
    return finished.result


def _fitting(choice: Choice, table: MismatchTable | None) -> list[str]:
    """Return the warnings of the choice, but for other pixels in which the width is as trained."""
    rows = () if table is None else table.rows
    row = next((row for row in rows if row.name == PIXEL_SIZE), None)
    if row is None or row.verdict != "near" or row.trained is None or row.measured.value is None:
        return list(choice.warnings)
    other = pixel_sentence(choice.found.name, row.trained[0], row.measured.value)
    return [warning for warning in choice.warnings if warning != other]


def _prepared(choice: Choice, region: Region, n_frames: int, warnings: list[str]) -> Prepared:
    r = choice.pipeline.upsampling
    return Prepared(
        n_frames=n_frames,
        model=choice.found.name,
        device=f"{choice.sharing.in_words}{choice.compute.device}",
        precision=choice.compute.precision,
        reason=f"{choice.found.reason}; {choice.compute.reason}",
        sr_shape=(region.shape[0] * r, region.shape[1] * r),
        sr_pixel_nm=choice.model.pixel_size_nm / r,
        origin_px=(region.y, region.x),
        warnings=tuple(warnings),
        camera=choice.camera,
    )
