"""Report: what was done to which frames by which model, how fast, and what to beware of."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from napari_deepsmlm._devices import peak_memory_mb
from napari_deepsmlm.reconstruction.adapting import described

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_deepsmlm.estimation import KnownCamera
    from napari_deepsmlm.inference.sinks import MemorySink
    from napari_deepsmlm.inference.tiles import Region
    from napari_deepsmlm.io import FrameSource
    from napari_deepsmlm.reconstruction.choice import Choice
    from napari_deepsmlm.reconstruction.options import ReconstructOptions


@dataclass(frozen=True)
class ReportedInputs:
    """The frames and the choices.

    Attributes
    ----------
    path : of the first file; None for frames that have no file.
    paths : of all files that were named.
    are_planes : whether these were recorded at the same time, as focal planes.
    pixel_size_nm : as the files state it.
    """

    path: str | None
    paths: tuple[str, ...]
    are_planes: bool
    name: str
    shape: tuple[int, ...]
    dtype: str
    pixel_size_nm: float | None
    options: ReconstructOptions

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        plain = {"shape": list(self.shape), "paths": list(self.paths)}
        return {**vars(self), **plain, "options": self.options.model_dump(mode="json")}


@dataclass(frozen=True)
class ReportedModel:
    """The model, why it was chosen, and the figures of its adaptation if it is an adapted one."""

    name: str
    reason: str
    network: str
    parameters: int
    sha256: str | None
    adaptation: dict[str, Any] | None


@dataclass(frozen=True)
class QualityFigures:
    """What the result holds."""

    molecules: float
    molecules_per_frame: float
    localizations_per_frame: float


@dataclass(frozen=True, eq=False)
class Report(Mapping[str, Any]):
    """What `report.json` holds, as attributes; by their names, `report["frames"]`, as plain values.

    Attributes
    ----------
    inputs : the frames and the choices.
    camera : what turned ADU into photons, and where it is known from.
    model : what reconstructed them.
    versions : of Python and the packages that matter.
    device : with the number format, why they were chosen, and the workers if there were several.
    frames : camera frames that were done.
    seconds, frames_per_second : the time they took.
    peak_memory_mb : largest resident size of the process until then, with those of its workers.
    localizations : their number.
    warnings : sentences for the person who judges the result.
    pixel_size_nm, sr_pixel_nm : of the frames and of the image.
    origin_nm : (y, x) from the outer corner of the frames to that of the image.
    image : how it was made.
    time_lapse : first frame of each image, and the one after its last, counted from 0 in the
        stack; None if there is one image.
    quality : figures.
    problem : why reading ended early, "" if it did not.
    """

    inputs: ReportedInputs
    camera: KnownCamera
    model: ReportedModel
    versions: dict[str, str]
    device: str
    frames: int
    seconds: float
    frames_per_second: float
    peak_memory_mb: float
    localizations: int
    warnings: tuple[str, ...]
    pixel_size_nm: float
    sr_pixel_nm: float
    origin_nm: tuple[float, float]
    image: str
    quality: QualityFigures
    problem: str = ""
    time_lapse: tuple[tuple[int, int], ...] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the plain values of `report.json`.

        It has a `problem` only if there was one, and a `time_lapse` only if it is of one.
        """
        values = {
            **vars(self),
            "inputs": self.inputs.to_json(),
            "camera": self.camera.to_json(),
            "model": asdict(self.model),
            "versions": dict(self.versions),
            "warnings": list(self.warnings),
            "origin_nm": list(self.origin_nm),
            "quality": asdict(self.quality),
        }
        if not self.problem:
            del values["problem"]
        if self.time_lapse is None:
            del values["time_lapse"]
        else:
            values["time_lapse"] = [list(frames) for frames in self.time_lapse]
        return values

    def __getitem__(self, name: str) -> Any:
        return self.to_json()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.to_json())

    def __len__(self) -> int:
        return len(self.to_json())


def make_report(
    source: FrameSource,
    options: ReconstructOptions,
    choice: Choice,
    region: Region,
    sink: MemorySink,
    *,
    n_frames: int,
    seconds: float,
    warnings: list[str],
    problem: str = "",
    workers_mb: float = 0.0,
) -> Report:
    """Return the report of a run.

    Parameters
    ----------
    n_frames : camera frames that were done.
    seconds : that they took.
    warnings : sentences for the person who judges the result.
    problem : why reading ended early.
    workers_mb : the largest resident sizes of other processes that worked on it.
    """
    compute, pixel_nm = choice.compute, choice.model.pixel_size_nm
    return Report(
        inputs=_inputs(source, options),
        camera=choice.camera,
        model=_model(choice),
        versions=dict(_versions()),
        device=f"{choice.sharing.in_words}{compute.device}, {compute.precision} ({compute.reason})",
        frames=n_frames,
        seconds=round(seconds, 3),
        frames_per_second=round(n_frames / seconds, 2) if seconds else 0.0,
        peak_memory_mb=round(peak_memory_mb() + workers_mb, 1),
        localizations=sink.n_localizations,
        warnings=tuple(warnings),
        pixel_size_nm=pixel_nm,
        sr_pixel_nm=pixel_nm / choice.pipeline.upsampling,
        origin_nm=(region.y * pixel_nm, region.x * pixel_nm),
        image=choice.pipeline.image_origin,
        quality=QualityFigures(
            molecules=round(sink.molecules, 1),
            molecules_per_frame=round(sink.molecules / max(1, n_frames), 2),
            localizations_per_frame=round(sink.n_localizations / max(1, n_frames), 2),
        ),
        problem=problem,
        time_lapse=_time_lapse(options, n_frames),
    )


def _time_lapse(options: ReconstructOptions, n_frames: int) -> tuple[tuple[int, int], ...] | None:
    windows = options.windows
    if windows is None:
        return None
    first = options.frame_range[0]
    each = (windows.frames(k, n_frames) for k in range(windows.count(n_frames)))
    return tuple((first + frames.start, first + frames.stop) for frames in each)


def _inputs(source: FrameSource, options: ReconstructOptions) -> ReportedInputs:
    """Return them with whole paths, as a history is read from elsewhere."""
    return ReportedInputs(
        path=None if source.path is None else str(source.path.absolute()),
        paths=tuple(str(path.absolute()) for path in source.paths),
        are_planes=source.are_planes,
        name=source.name,
        shape=tuple(source.shape),
        dtype=str(source.dtype),
        pixel_size_nm=source.pixel_size_nm,
        options=options.with_whole_paths(),
    )


def _model(choice: Choice) -> ReportedModel:
    found, model = choice.found, choice.model
    return ReportedModel(
        name=found.name,
        reason=found.reason,
        network=model.name,
        parameters=model.n_parameters,
        sha256=found.card.sha256,
        adaptation=described(found),
    )


@cache
def _versions() -> dict[str, str]:
    packages = ("napari-deepsmlm", "torch", "numpy", "tifffile")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}
