"""Accuracy of `estimate` on simulated movies over a grid of conditions.

    python benchmarks/estimate.py [--frames 300] [--seeds 1] [--full]

Every row is a movie of 64 x 64 pixels of 100 nm whose camera is known. It prints measured over
true width, background, photons and density, the error that `estimate` itself states, and marks
what is outside 5, 10, 20 and 25 %. A dash is a value that it refuses to state.
"""

from __future__ import annotations

import argparse
import itertools
import time
from typing import Any

import numpy as np

import napari_deepsmlm as ds

BOUNDS = {"psf_sigma_nm": 0.05, "background": 0.10, "photons": 0.20, "density_per_um2": 0.25}
SCMOS = {"kind": "scmos"}


def conditions(is_full: bool) -> list[dict[str, Any]]:
    """Return the grid, or what lies on its edges and corners."""
    sigmas, backgrounds, photons, densities = (90, 130, 200), (5, 30, 100), (500, 1500, 5000), (
        0.1, 0.5, 1.0, 3.0, 5.0,
    )  # fmt: skip
    structures = ("uniform", "filaments")
    names = ("sigma_nm", "background", "photons", "density", "structure")
    grid = [
        dict(zip(names, row, strict=True))
        for row in itertools.product(sigmas, backgrounds, photons, densities, structures)
    ]
    if not is_full:
        grid = grid[:: len(grid) // 40 + 1 | 1]
    middle = {"sigma_nm": 110, "background": 20, "photons": 2000, "density": 1.0}
    extra: list[dict[str, Any]] = [
        {"structure": "uniform", "camera": {"kind": "emccd"}},
        {"structure": "filaments", "camera": {"kind": "emccd"}},
        {"structure": "uniform", "blinking": {"kind": "exponential", "on_frames": 1.0}},
        {"structure": "filaments", "blinking": {"kind": "exponential", "on_frames": 4.0}},
        {"structure": "uniform", "spread": 0.6},
        {"structure": "uniform", "unevenness": 0.2},
    ]
    return grid + [{**middle, **row} for row in extra]


def experiment(row: dict[str, Any]) -> ds.Experiment:
    """Return the experiment of a row."""
    spread, light = row.get("spread", 0.1), row["photons"]
    simulation = {
        "structure": {"kind": row["structure"]},
        "density_per_um2": [row["density"]] * 2,
        "photons": [light * (1 - spread), light * (1 + spread)],
        "background": [row["background"]] * 2,
        "blinking": row.get("blinking", {"kind": "independent"}),
        "unevenness": row.get("unevenness", 0.0),
    }
    return ds.Experiment.from_dict(
        {
            "psf": {"kind": "gaussian", "sigma_nm": [row["sigma_nm"]] * 2},
            "camera": row.get("camera", SCMOS),
            "simulation": simulation,
        }
    )


def judge(row: dict[str, Any], n_frames: int, seed: int) -> tuple[dict[str, Any], float]:
    """Return measured over true values with stated errors, and seconds."""
    known = experiment(row)
    stack, truth = known.simulate(n_frames, seed=seed)
    if len(truth) == 0:  # no filament runs through the frame
        return {}, 0.0
    area_um2 = np.prod(stack.shape[2:]) * 1e-2
    true = {
        "psf_sigma_nm": row["sigma_nm"],
        "background": row["background"],
        "photons": float(truth["photons"].mean()),
        "density_per_um2": len(truth) / n_frames / area_um2,
    }
    started = time.perf_counter()
    found = ds.estimate(stack, pixel_size_nm=100.0, camera=known.camera)
    seconds = time.perf_counter() - started
    scores = {}
    for name, value in true.items():
        measured = getattr(found, name)
        if measured is not None:
            scores[name] = (measured / value, found.errors[name] / value)
    return scores, seconds


def main() -> None:
    """Judge all rows and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--full", action="store_true", help="all 270 points of the grid")
    arguments = parser.parse_args()
    errors: dict[str, list[float]] = {name: [] for name in BOUNDS}
    n_missed = dict.fromkeys(BOUNDS, 0)
    n_silent, n_rows, all_seconds = 0, 0, 0.0
    for row, seed in itertools.product(conditions(arguments.full), range(arguments.seeds)):
        scores, seconds = judge(row, arguments.frames, seed)
        if not scores:
            continue
        n_rows, all_seconds = n_rows + 1, all_seconds + seconds
        cells = []
        for name, bound in BOUNDS.items():
            if name not in scores:
                cells.append("      -      ")
                n_silent += name == "photons"
                continue
            ratio, stated = scores[name]
            is_missed = abs(ratio - 1) > bound
            n_missed[name] += is_missed
            errors[name].append(abs(ratio - 1))
            cells.append(f"{ratio:5.3f}±{stated:5.3f}{'!' if is_missed else ' '} ")
        label = ", ".join(f"{key} {value}" for key, value in row.items())
        print(" | ".join(cells), "|", label, flush=True)
    print(f"\n{n_rows} movies, {all_seconds / n_rows:.2f} s each, {n_silent} not told")
    for name, bound in BOUNDS.items():
        values = 100 * np.array(errors[name])
        print(
            f"{name:16} median {np.median(values):5.2f} %, 90 % below "
            f"{np.percentile(values, 90):5.2f} %, worst "
            f"{values.max():5.2f} %; {n_missed[name]} beyond {100 * bound:.0f} %"
        )


if __name__ == "__main__":
    main()
