"""The demo: a built-in sample through a built-in model, judged against its truth."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_deepsmlm.evaluation.before_after import save_before_after
from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.io.result_files import IMAGE_NAME, REPORT_NAME, TABLE_NAME
from napari_deepsmlm.metrics import count_image, nmse_percent
from napari_deepsmlm.reconstruction import (
    Finished,
    Progress,
    QualityFigures,
    ReconstructJob,
    ReconstructOptions,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_deepsmlm.reconstruction import Report

# Of no training run: those draw from other streams.
SAMPLE_SEED = 2013


@dataclass(frozen=True)
class JudgedQuality(QualityFigures):
    """What the result holds, beside the known truth."""

    true_molecules: int
    nmse_percent: float
    nmse_blur1_percent: float


def run_demo(
    out: str | Path,
    *,
    n_frames: int = 200,
    model: str = "deep-storm",
    on_event: Callable[[float, float, str], None] | None = None,
) -> tuple[dict[str, Path], Report]:
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
    quality = JudgedQuality(
        **vars(result.report.quality),
        true_molecules=len(truth),
        nmse_percent=round(nmse_percent(result.image, counts), 2),
        nmse_blur1_percent=round(nmse_percent(result.image, counts, blur_sigma_px=1.0), 2),
    )
    report = replace(result.report, quality=quality)
    replace(result, report=report).save(out)
    files = {
        "image": out / IMAGE_NAME,
        "localizations": out / TABLE_NAME,
        "picture": out / "before_after.png",
        "report": out / REPORT_NAME,
    }
    save_before_after(
        files["picture"],
        stack.mean((0, 1)),
        result.image,
        pixel_size_nm=100.0,
        title="Simulated microtubules, 5.5 molecules/µm² in every frame",
    )
    return files, report
