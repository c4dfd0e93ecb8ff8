"""Report: what was done to which frames by which model, how fast, and what to beware of."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from napari_deepsmlm.reconstruction.adapting import described

if TYPE_CHECKING:
    from napari_deepsmlm.inference.sinks import MemorySink
    from napari_deepsmlm.inference.tiles import Region
    from napari_deepsmlm.io import FrameSource
    from napari_deepsmlm.reconstruction.choice import Choice
    from napari_deepsmlm.reconstruction.options import ReconstructOptions


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
) -> dict[str, Any]:
    """Return `report.json`.

    Parameters
    ----------
    n_frames : camera frames that were done.
    seconds : that they took.
    warnings : sentences for the person who judges the result.
    """
    compute, pixel_nm = choice.compute, choice.model.pixel_size_nm
    return {
        "inputs": _describe(source, options),
        "camera": choice.camera.to_json(),
        "model": _describe_model(choice),
        "versions": _versions(),
        "device": f"{compute.device}, {compute.precision} ({compute.reason})",
        "frames": n_frames,
        "seconds": round(seconds, 3),
        "frames_per_second": round(n_frames / seconds, 2) if seconds else 0.0,
        "peak_memory_mb": _peak_memory_mb(),
        "localizations": sink.n_localizations,
        "warnings": warnings,
        "pixel_size_nm": pixel_nm,
        "sr_pixel_nm": pixel_nm / choice.pipeline.upsampling,
        "origin_nm": [region.y * pixel_nm, region.x * pixel_nm],
        "image": choice.pipeline.image_origin,
        "quality": {
            "molecules": round(sink.molecules, 1),
            "molecules_per_frame": round(sink.molecules / max(1, n_frames), 2),
            "localizations_per_frame": round(sink.n_localizations / max(1, n_frames), 2),
        },
    }


def _describe(source: FrameSource, options: ReconstructOptions) -> dict[str, Any]:
    return {
        "path": None if source.path is None else str(source.path),
        "name": source.name,
        "shape": list(source.shape),
        "dtype": str(source.dtype),
        "pixel_size_nm": source.pixel_size_nm,
        "options": options.model_dump(mode="json"),
    }


def _describe_model(choice: Choice) -> dict[str, Any]:
    found, model = choice.found, choice.model
    return {
        "name": found.name,
        "reason": found.reason,
        "network": model.name,
        "parameters": model.n_parameters,
        "sha256": found.card.sha256,
        "adaptation": described(found),
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
