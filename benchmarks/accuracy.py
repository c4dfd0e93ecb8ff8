"""Accuracy of a model on simulated microtubules that it has not seen.

    python benchmarks/accuracy.py [MODEL] [--seeds 1000 1001 ...] [--frames 361] [--sum-frames 10]

Prints one row per seed and their mean: NMSE of the summed image without blur and with a blur of
one super-resolution pixel (least-squares scale, floor bins), the ratio of molecules in the image
to true ones, and frame by frame the recall, precision, RMSE and bias of the localizations.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

import napari_deepsmlm as ds
from napari_deepsmlm.metrics import count_image, match, nmse_percent

COLUMNS = {
    "nmse_percent": "NMSE %",
    "nmse_blur1_percent": "NMSE %, blur 1 px",
    "molecules_ratio": "molecules / true",
    "recall": "recall",
    "precision": "precision",
    "jaccard": "JI",
    "rmse_lateral_nm": "RMSE nm",
    "efficiency_lateral": "E lateral",
    "bias_x_nm": "bias x nm",
    "bias_y_nm": "bias y nm",
    "frames_per_second": "frames/s",
}


def judge(model: str, seed: int, n_frames: int, **options: Any) -> dict[str, float]:
    """Simulate one movie, reconstruct it and return its scores."""
    experiment = ds.Experiment.from_preset("microtubules")
    stack, truth = experiment.simulate(n_frames, seed=seed)
    result = ds.reconstruct(
        stack, model=model, pixel_size_nm=100.0, camera=experiment.camera, **options
    )
    counts = count_image(truth, result.image.shape, result.sr_pixel_nm)
    scores = match(result.localizations, truth.without("z_nm")).scores()
    return {
        "nmse_percent": nmse_percent(result.image, counts),
        "nmse_blur1_percent": nmse_percent(result.image, counts, blur_sigma_px=1.0),
        "molecules_ratio": float(result.image.sum()) / len(truth),
        "frames_per_second": result.report["frames_per_second"],
        **scores,
    }


def main() -> None:
    """Judge a model on several seeds and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", default="deep-storm")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1000, 1001, 1002, 1003])
    parser.add_argument("--frames", type=int, default=361)
    parser.add_argument("--sum-frames", type=int, default=1)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--json", type=Path, help="also write the mean here, for a model's card")
    chosen = parser.parse_args()
    options = {"precision": chosen.precision, "sum_frames": chosen.sum_frames}
    rows = [judge(chosen.model, seed, chosen.frames, **options) for seed in chosen.seeds]
    print("| seed | " + " | ".join(COLUMNS.values()) + " |")
    print("| --- |" + " ---: |" * len(COLUMNS))
    mean = {key: float(np.mean([row[key] for row in rows])) for key in COLUMNS}
    for name, row in zip([*chosen.seeds, "mean"], [*rows, mean], strict=True):
        print(f"| {name} | " + " | ".join(f"{row[key]:.3f}" for key in COLUMNS) + " |")
    if chosen.json:
        name = f"bundles 5.5/um2, {chosen.frames} frames in sums of {chosen.sum_frames}"
        chosen.json.write_text(json.dumps({name: mean}, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
