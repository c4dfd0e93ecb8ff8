"""Accuracy of a network that localizes, on simulated movies that it has not seen.

    python benchmarks/localizations.py [MODEL] [--seeds 3000 3001] [--frames 100] [--json FILE]
    python benchmarks/localizations.py dilated-loc:2d --ground dilated-loc:2d-100nm

Prints one row per kind of sample, over all seeds: Jaccard index, precision, recall, RMSE beside the
Cramér-Rao bound of lone molecules, efficiency, bias, and the spread of error / predicted standard
error. With `--ground` the movies are of another model's microscope: how a model for any microscope
does where one was made for just this one. The whole pipeline runs, with the camera known; matching
is that of the SMLM Challenge.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

import napari_deepsmlm as ds
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.metrics import match, truth_bounds
from napari_deepsmlm.models import find_model
from napari_deepsmlm.simulation.structures import Mixture

LIGHT = {"photons": [1200.0, 1800.0], "background": [20.0, 20.0]}
BUNDLE = {
    "kind": "filaments",
    "bundles": [1, 1],
    "filaments_per_bundle": [10, 11],
    "spacing_nm": [200.0, 550.0],
    "tilt_degrees": 4.0,
    "wave_nm": [20.0, 60.0],
    "centred": 0.8,
}
FEW = {"kind": "filaments", "bundles": [1, 2], "centred": 0.8}
IN_FOCUS: dict[str, dict[str, Any]] = {
    "bundles, 5.5/um2": {"structure": BUNDLE, "density_per_um2": [4.8, 4.8], **LIGHT},
    "uniform, 5.5/um2": {
        "structure": {"kind": "uniform"}, "density_per_um2": [5.5, 5.5], **LIGHT,
    },
    "filaments, 2/um2": {
        "structure": FEW, "density_per_um2": [2.0, 2.0], **LIGHT,
    },
    "filaments, 0.6/um2": {
        "structure": FEW, "density_per_um2": [0.6, 0.6], **LIGHT,
    },
    "uniform, 0.3/um2": {
        "structure": {"kind": "uniform"}, "density_per_um2": [0.3, 0.3], **LIGHT,
    },
}  # fmt: skip
BRIGHT = {"photons": [5000.0, 5000.0], "background": [50.0, 50.0]}
SHOWN = {
    "n_true_positive": "{:.0f}",
    "jaccard": "{:.3f}",
    "precision": "{:.3f}",
    "recall": "{:.3f}",
    "rmse_lateral_nm": "{:.1f}",
    "bound_lateral_nm": "{:.1f}",
    "efficiency_lateral": "{:.1f}",
    "rmse_axial_nm": "{:.1f}",
    "bound_axial_nm": "{:.1f}",
    "efficiency_3d": "{:.1f}",
    "bias_x_nm": "{:.2f}",
    "bias_y_nm": "{:.2f}",
    "z_score_sd_x": "{:.2f}",
    "z_score_sd_y": "{:.2f}",
    "z_score_sd_z": "{:.2f}",
}


def experiments(model_name: str) -> dict[str, ds.Experiment]:
    """Return what a model is judged on: samples before the optics that it is made for."""
    found = find_model(model_name)
    model, card = found.load(), found.card
    if model.n_planes > 1:
        paper = ds.Experiment.from_preset("voxel-wise")
        return {
            f"uniform, {density:g}/um2": paper.replace(
                simulation=paper.simulation.replace(density_per_um2=(density, density))
            )
            for density in (0.1, 0.331, 1.0)
        }
    values = card.experiment
    samples = in_depth(ds.Experiment.from_dict(values)) if model.is_3d else IN_FOCUS
    optics = {name: values[name] for name in ("psf", "camera")}
    if not model.is_3d:
        optics["psf"] = {**optics["psf"], "sigma_nm": [103.0, 117.0]}
    return {
        name: ds.Experiment.from_dict({**optics, "simulation": simulation}, source=name)
        for name, simulation in samples.items()
    }


def in_depth(trained: ds.Experiment) -> dict[str, dict[str, Any]]:
    """Return samples in six sevenths of the depth, at a third of the largest density, of training.

    Tubes lie in five sevenths. The last sample is sparse, whatever the model was trained for.
    """
    simulation = trained.simulation
    structure = simulation.structure
    uniform = structure.parts[0] if isinstance(structure, Mixture) else structure
    deepest, crowded = uniform.z_nm[1], round(simulation.density_per_um2[1] / 3, 2)
    tubes = {"kind": "microtubules", "z_nm": [-5 / 7 * deepest, 5 / 7 * deepest]}
    anywhere = {"kind": "uniform", "z_nm": [-6 / 7 * deepest, 6 / 7 * deepest]}
    return {
        f"{words}, {density:g}/um2": {
            "structure": kind,
            "density_per_um2": [density, density],
            **BRIGHT,
        }
        for words, kind, density in (
            ("tubes", tubes, crowded),
            ("uniform", anywhere, crowded),
            ("uniform", anywhere, 0.05),
        )
    }


def judge(
    model: str, experiment: ds.Experiment, seeds: list[int], n_frames: int, **options: Any
) -> dict[str, float]:
    """Simulate movies, reconstruct them and score all molecules together."""
    found, true = [], []
    for number, seed in enumerate(seeds):
        stack, truth = experiment.simulate(n_frames, seed=seed)
        result = ds.reconstruct(
            stack,
            model=model,
            camera=experiment.camera,
            pixel_size_nm=experiment.psf.pixel_size_nm,
            **options,
        )
        for tables, table in ((found, result.localizations), (true, truth)):
            tables.append(table.with_columns(frame=table.frame + number * n_frames))
    predicted, truth = Localizations.concatenate(found), Localizations.concatenate(true)
    bound = np.sqrt(
        np.nanmean(np.square(truth_bounds(truth, experiment.psf, experiment.camera)), 0)
    )
    scores = match(predicted, truth if predicted.is_3d else truth.without("z_nm")).scores()
    scores["bound_lateral_nm"] = float(np.hypot(bound[0], bound[1]))
    if predicted.is_3d:
        scores["bound_axial_nm"] = float(bound[2])
    return {name: round(scores[name], 4) for name in SHOWN if np.isfinite(scores.get(name, np.nan))}


def main() -> None:
    """Judge a model on all kinds of sample and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", default="dilated-loc")
    parser.add_argument("--seeds", type=int, nargs="+", default=[3000, 3001])
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--threshold", type=float)
    parser.add_argument("--ground", help="the model whose microscope is simulated")
    parser.add_argument("--json", type=Path, help="also write the table here, for a model's card")
    chosen = parser.parse_args()
    rows = {
        name: judge(
            chosen.model, experiment, chosen.seeds, chosen.frames, threshold=chosen.threshold
        )
        for name, experiment in experiments(chosen.ground or chosen.model).items()
    }
    columns = [name for name in SHOWN if any(name in row for row in rows.values())]
    print("| sample | " + " | ".join(columns) + " |")
    print("| --- |" + " ---: |" * len(columns))
    for name, row in rows.items():
        cells = [SHOWN[key].format(row[key]) if key in row else "" for key in columns]
        print(f"| {name} | " + " | ".join(cells) + " |")
    if chosen.json:
        chosen.json.write_text(json.dumps(rows, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
