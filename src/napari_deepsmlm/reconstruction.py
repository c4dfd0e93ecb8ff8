"""The main job: frames in, super-resolved image, molecules and report out."""

from __future__ import annotations

import json
import platform
import time
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator

from napari_deepsmlm._base import FrozenModel
from napari_deepsmlm._devices import choose_compute
from napari_deepsmlm._files import atomic_write, folder_lock
from napari_deepsmlm.camera import Camera
from napari_deepsmlm.inference.pipeline import Pipeline
from napari_deepsmlm.inference.sinks import FileSink, MemorySink
from napari_deepsmlm.io import open_frames
from napari_deepsmlm.mismatch import mismatches
from napari_deepsmlm.models import FoundModel, SMLMModel, find_model

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np

    from napari_deepsmlm.io import FrameSource
    from napari_deepsmlm.localizations import Localizations

# Pixel sizes further apart than this factor make a network's idea of a molecule wrong.
PIXEL_TOLERANCE = 1.15
SMALLEST_FRAME_PX = 8


class ReconstructOptions(FrozenModel):
    """Choices of a reconstruction."""

    model: str = Field("deep-storm", description="Network, built-in model, or model file.")
    pixel_size_nm: float | None = Field(
        None, ge=1, le=10_000, description="Camera pixel, nm; from the file if not given."
    )
    sum_frames: int = Field(1, ge=1, description="Camera frames summed for each input.")
    frame_range: tuple[int, int | None] = Field(
        (0, None), description="First frame, counted from 0, and the one after the last."
    )
    upsampling: int | None = Field(
        None,
        ge=1,
        le=100,
        description="Pixels of the image per camera pixel, along each axis. A network that "
        "predicts an image has its own; one that localizes draws 8 if none is given.",
    )
    window: int | None = Field(None, ge=1, description="Frames per image of a time-lapse.")
    threshold: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Least probability of a localization; the model's if not given.",
    )
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1, mps.")
    precision: Literal["auto", "fp32", "bf16"] = Field("auto", description="Number format.")
    camera: Camera | None = Field(
        None,
        description="What turns the file's numbers (ADU) into photons. Networks that state photons "
        "or precision need it; without it ADU count as photons.",
    )
    registration: str | None = Field(
        None, description="planes.yaml of a calibration: moves all planes onto the first."
    )

    @field_validator("frame_range")
    @classmethod
    def _ascending(cls, value: tuple[int, int | None]) -> tuple[int, int | None]:
        start, stop = value
        if start < 0 or (stop is not None and stop <= start):
            raise ValueError("needs 0 <= first < last")
        return value


@dataclass(frozen=True, slots=True)
class Prepared:
    """The model is loaded and the first frame about to be read."""

    n_frames: int
    model: str
    device: str
    precision: str
    reason: str
    sr_shape: tuple[int, int]
    sr_pixel_nm: float
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Progress:
    """A batch is done."""

    frames_done: int
    n_frames: int
    seconds: float
    n_localizations: int

    @property
    def frames_per_second(self) -> float:
        """Mean speed so far."""
        return self.frames_done / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float:
        """At the mean speed so far."""
        return (self.n_frames - self.frames_done) * self.seconds / max(1, self.frames_done)


@dataclass(frozen=True, slots=True)
class Finished:
    """All frames are done, or the job was stopped and holds what was done until then."""

    result: Reconstruction


Event = Prepared | Progress | Finished


@dataclass(frozen=True)
class Reconstruction:
    """What came out. Image and molecules of a job that wrote files are read when asked for.

    Attributes
    ----------
    report : inputs, model, versions, device, frames, seconds, speed, memory, warnings, quality.
    sr_pixel_nm : pixel of the image, nm.
    """

    sink: MemorySink
    report: dict[str, Any]
    sr_pixel_nm: float

    @cached_property
    def image(self) -> np.ndarray[Any, Any]:
        """(rows, columns) float32 molecules per pixel; of a time-lapse (windows, rows, columns)."""
        return self.sink.image

    @cached_property
    def localizations(self) -> Localizations:
        """Molecules in nm."""
        return self.sink.localizations


class ReconstructJob:
    """A reconstruction as a generator of events, which can be stopped from any thread.

    Parameters
    ----------
    frames : a path, paths of one series in time, an array, or an open `FrameSource`.
    options : what to do with them.
    out : folder for `reconstruction.tif`, `localizations.csv` and `report.json`; if not given,
        results stay in memory.
    """

    def __init__(
        self,
        frames: FrameSource | Any,
        options: ReconstructOptions,
        *,
        out: str | Path | None = None,
    ) -> None:
        # Whoever names frames may name those that are there of a stack that was cut short.
        is_part = options.frame_range != (0, None)
        self.source = open_frames(
            frames, allow_truncated=is_part, registration=options.registration
        )
        self.options = options
        self.out = None if out is None else Path(out)
        self._sink: MemorySink | None = None  # set once frames are being read
        self._is_stopping = False

    def stop(self) -> None:
        """Ask the job to end after the batch it is in, keeping what is done."""
        self._is_stopping = True

    def snapshot(self) -> np.ndarray[Any, Any] | None:
        """Return a copy of the image so far (of the current window), None before it begins."""
        return None if self._sink is None else self._sink.current.copy()

    def run(self) -> Iterator[Event]:
        """Reconstruct, and yield what happens.

        Raises
        ------
        ValueError, OSError
            One sentence each: unknown model, unusable frames, frames that cannot be read.
        """
        with nullcontext() if self.out is None else folder_lock(self.out):
            yield from self._run()

    def _run(self) -> Iterator[Event]:
        options = self.options
        frames = _chosen_frames(self.source, options.frame_range)
        found, model, warnings = _chosen_model(self.source, options)
        warnings += mismatches(
            found.card,
            found.name,
            self.source.slice(frames.start, frames.stop),
            camera=options.camera,
            sum_frames=options.sum_frames,
        )
        compute = choose_compute(options.device, options.precision)
        pipeline = Pipeline(
            model,
            compute,
            sum_frames=options.sum_frames,
            camera=options.camera,
            threshold=options.threshold,
            upsampling=options.upsampling,
        )
        n_frames, (height, width) = len(frames), self.source.shape[-2:]
        sr_shape = (height * pipeline.upsampling, width * pipeline.upsampling)
        sr_pixel_nm = model.pixel_size_nm / pipeline.upsampling
        yield Prepared(
            n_frames=n_frames,
            model=found.name,
            device=str(compute.device),
            precision=compute.precision,
            reason=f"{found.reason}; {compute.reason}",
            sr_shape=sr_shape,
            sr_pixel_nm=sr_pixel_nm,
            warnings=tuple(warnings),
        )
        with self._open_sink(model, sr_shape, sr_pixel_nm) as sink:
            self._sink = sink
            done, n_constant, seconds, started = 0, 0, 0.0, time.perf_counter()
            for predicted in pipeline.run(self.source, frames=frames, window=options.window):
                sink.add(predicted)
                done += predicted.n_frames
                n_constant += predicted.n_constant
                seconds = time.perf_counter() - started
                yield Progress(done, n_frames, seconds, sink.n_localizations)
                if self._is_stopping:
                    break
            if n_constant:
                warnings.append(f"{n_constant} of {done} frames have no contrast and gave nothing.")
            if done < n_frames:
                warnings.append(f"Stopped after {done} of {n_frames} frames.")
            sink.report = {
                "inputs": _describe(self.source, options),
                "model": _describe_model(found, model),
                "versions": _versions(),
                "device": f"{compute.device}, {compute.precision} ({compute.reason})",
                "frames": done,
                "seconds": round(seconds, 3),
                "frames_per_second": round(done / seconds, 2) if seconds else 0.0,
                "peak_memory_mb": _peak_memory_mb(),
                "localizations": sink.n_localizations,
                "warnings": warnings,
                "pixel_size_nm": model.pixel_size_nm,
                "sr_pixel_nm": sr_pixel_nm,
                "image": pipeline.image_origin,
                "quality": {
                    "molecules": round(sink.molecules, 1),
                    "molecules_per_frame": round(sink.molecules / max(1, done), 2),
                    "localizations_per_frame": round(sink.n_localizations / max(1, done), 2),
                },
            }
        if self.out is not None:
            with atomic_write(self.out / "report.json") as file:
                file.write(json.dumps(sink.report, indent=2).encode())
        yield Finished(Reconstruction(sink, sink.report, sr_pixel_nm))

    def _open_sink(
        self, model: SMLMModel, sr_shape: tuple[int, int], sr_pixel_nm: float
    ) -> MemorySink:
        columns, window = model.columns, self.options.window
        if self.out is None:
            return MemorySink(sr_shape, columns=columns, window=window)
        return FileSink(
            sr_shape, columns=columns, window=window, folder=self.out, sr_pixel_nm=sr_pixel_nm
        )


def reconstruct(
    frames: FrameSource | np.ndarray[Any, Any] | str | Path | Sequence[str | Path],
    model: str = "deep-storm",
    *,
    out: str | Path | None = None,
    **options: Any,
) -> Reconstruction:
    """Reconstruct a stack and return image, molecules and report.

    Parameters
    ----------
    frames : a file, files of one series in time, or an array (T, Y, X) or (T, C, Y, X) of ADU.
    model : network, built-in model, or model file.
    out : folder to write the results to as well.
    options : fields of `ReconstructOptions`, such as `pixel_size_nm=100.0, sum_frames=10`.

    Examples
    --------
    >>> import napari_deepsmlm as ds
    >>> stack, truth = ds.Experiment(image_px=(32, 32)).simulate(n_frames=4, seed=1)
    >>> result = ds.reconstruct(stack, model="deep-storm", pixel_size_nm=100.0)
    >>> result.image.shape
    (256, 256)
    """
    chosen = ReconstructOptions.from_dict({"model": str(model), **options}, source="options")
    *_, finished = ReconstructJob(frames, chosen, out=out).run()
    assert isinstance(finished, Finished)  # noqa: S101 - the last event of every job
    return finished.result


def _chosen_frames(source: FrameSource, frames: tuple[int, int | None]) -> range:
    n_frames, _, height, width = source.shape
    if min(height, width) < SMALLEST_FRAME_PX:
        raise ValueError(
            f"Frames of {height} x {width} pixels are too small: a molecule's image needs at "
            f"least {SMALLEST_FRAME_PX} x {SMALLEST_FRAME_PX}."
        )
    start, stop = frames
    if start >= n_frames:
        raise ValueError(f"Frames {start}:{stop or ''} asked for, but there are only {n_frames}.")
    return range(start, min(stop or n_frames, n_frames))


def _chosen_model(
    source: FrameSource, options: ReconstructOptions
) -> tuple[FoundModel, SMLMModel, list[str]]:
    """Find and load the model, tell it the data's pixel size, and say what does not fit."""
    pixel_size_nm = options.pixel_size_nm or source.pixel_size_nm
    found = find_model(options.model, pixel_size_nm=pixel_size_nm, upsampling=options.upsampling)
    model = found.load()
    _check_planes(source.shape[1], model.n_planes, found.name)
    if pixel_size_nm is not None:
        model.pixel_size_nm = pixel_size_nm
    warnings = [*source.warnings, *_pixel_warnings(pixel_size_nm, found.card, found.name)]
    if model.needs_photons and options.camera is None:
        warnings.append(
            f"{found.name} counts photons, and the camera is not known: the file's numbers (ADU) "
            "were taken as photons. State the camera, or its baseline and photons per ADU; until "
            "then photons and uncertainties are wrong, and molecules may be missed."
        )
    return found, model, warnings


def _check_planes(n_here: int, n_read: int, name: str) -> None:
    if n_here != n_read:
        here, read = (f"{n} focal plane{'s' if n > 1 else ''}" for n in (n_here, n_read))
        raise ValueError(
            f"The stack has {here} per frame, {name} reads {read}: choose a model for {here}, "
            f"or give a stack of {read}."
        )


def _pixel_warnings(pixel_size_nm: float | None, card: dict[str, Any], name: str) -> Iterator[str]:
    trained_nm = float(card.get("config", {}).get("pixel_size_nm", 100.0))
    if pixel_size_nm is None:
        yield (
            f"The file states no pixel size: {trained_nm:g} nm assumed, as {name} was trained "
            "for. Give the pixel size if it differs; all nm scale with it."
        )
    elif not 1 / PIXEL_TOLERANCE < pixel_size_nm / trained_nm < PIXEL_TOLERANCE:
        yield (
            f"{name} was trained for {trained_nm:g} nm pixels, the data has {pixel_size_nm:g} nm: "
            "expect missed and false molecules; train a model for this pixel size."
        )


def _describe(source: FrameSource, options: ReconstructOptions) -> dict[str, Any]:
    return {
        "path": None if source.path is None else str(source.path),
        "name": source.name,
        "shape": list(source.shape),
        "dtype": str(source.dtype),
        "pixel_size_nm": source.pixel_size_nm,
        "options": options.model_dump(mode="json"),
    }


def _describe_model(found: FoundModel, model: SMLMModel) -> dict[str, Any]:
    return {
        "name": found.name,
        "reason": found.reason,
        "network": model.name,
        "parameters": model.n_parameters,
        "sha256": found.card.get("sha256"),
    }


def _versions() -> dict[str, str]:
    packages = ("napari-deepsmlm", "torch", "numpy", "tifffile")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


def _peak_memory_mb() -> float:
    """Largest resident size of this process so far."""
    import psutil

    memory = psutil.Process().memory_info()
    if hasattr(memory, "peak_wset"):  # Windows
        return round(float(memory.peak_wset) / 2**20, 1)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if platform.system() == "Darwin" else 2**10), 1)
