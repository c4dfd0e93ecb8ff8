"""The demo: a built-in sample through a built-in model, judged against its truth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_deepsmlm._files import atomic_write
from napari_deepsmlm.evaluation.before_after import save_before_after
from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.metrics import count_image, nmse_percent
from napari_deepsmlm.reconstruction import Finished, Progress, ReconstructJob, ReconstructOptions

if TYPE_CHECKING:
    from collections.abc import Callable

# Of no training run: those draw from other streams.
SAMPLE_SEED = 2013


def run_demo(
    out: str | Path,
    *,
    n_frames: int = 200,
    model: str = "deep-storm",
    on_event: Callable[[float, float, str], None] | None = None,
) -> tuple[dict[str, Path], dict[str, Any]]:
    """Simulate the sample, reconstruct it, and write image, molecules, picture and report.

    Parameters
    ----------
    out : folder for the files, made if it is not there.
    on_event : called with frames done, their number, and a remark.

    Returns
    -------
    files : their paths by what they are.
    report : as in `report.json`; its quality compares with the known truth.
    """
    out = Path(out)
    stack, truth = Experiment.from_preset("microtubules").simulate(n_frames, seed=SAMPLE_SEED)
    options = ReconstructOptions(model=model, pixel_size_nm=100.0)
    job = ReconstructJob(stack, options, out=out)
    for event in job.run():
        if isinstance(event, Progress) and on_event is not None:
            on_event(event.frames_done, event.n_frames, f"{event.frames_per_second:.1f} frames/s")
        elif isinstance(event, Finished):
            result = event.result
    counts = count_image(truth, result.image.shape, result.sr_pixel_nm)
    quality = {
        **result.report["quality"],
        "true_molecules": len(truth),
        "nmse_percent": round(nmse_percent(result.image, counts), 2),
        "nmse_blur1_percent": round(nmse_percent(result.image, counts, blur_sigma_px=1.0), 2),
    }
    report = {**result.report, "quality": quality}
    with atomic_write(out / "report.json") as file:
        file.write(json.dumps(report, indent=2).encode())
    files = {
        "image": out / "reconstruction.tif",
        "localizations": out / "localizations.csv",
        "picture": out / "before_after.png",
        "report": out / "report.json",
    }
    save_before_after(
        files["picture"],
        stack.mean((0, 1)),
        result.image,
        pixel_size_nm=100.0,
        title="Simulated microtubules, 5.5 molecules/µm² in every frame",
    )
    return files, report
