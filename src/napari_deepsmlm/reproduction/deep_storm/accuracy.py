"""NMSE and molecules found against density and signal: up to about 6 molecules per µm²."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.metrics import match
from napari_deepsmlm.reproduction.drawing import curves
from napari_deepsmlm.reproduction.figure import Outcome, PaperFigure, Row
from napari_deepsmlm.reproduction.movies import HELD_OUT_SEED, seen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_deepsmlm.reproduction.scale import Bench

MODEL = "deep-storm:2d-100nm"
SIGNALS = {"500 photons": 500.0, "1,000 photons": 1000.0, "2,500 photons": 2500.0}
BACKGROUND = 20.0
FOUND_SHARE = 0.7
CLAIMED_PER_UM2 = 6.0


def sample(density_per_um2: float, photons: float, side_px: int) -> Experiment:
    """Return molecules anywhere in focus, on pixels of 100 nm."""
    light = [photons, photons]
    return Experiment.from_dict(
        {
            "psf": {"kind": "gaussian", "pixel_size_nm": 100.0, "sigma_nm": [110.0, 110.0]},
            "camera": {"kind": "scmos", "quantum_efficiency": 1.0, "read_noise_e": 1.5},
            "image_px": [side_px, side_px],
            "simulation": {
                "structure": {"kind": "uniform"},
                "density_per_um2": [density_per_um2, density_per_um2],
                "photons": light,
                "background": [BACKGROUND, BACKGROUND],
            },
        }
    )


def make(bench: Bench) -> Outcome:
    """Judge the built-in model on densities and signals."""
    model = bench.built_in(MODEL)
    densities = bench.pick(tiny=(2.0, 6.0), small=(1, 2, 4, 6, 8), full=(0.5, 1, 2, 3, 4, 5, 6, 8))
    n_frames = bench.pick(tiny=2, small=20, full=361)
    side_px = bench.pick(tiny=24, small=48, full=64)
    rows: list[Row] = []
    nmse: dict[str, tuple[Sequence[float], list[float]]] = {}
    recall: dict[str, tuple[Sequence[float], list[float]]] = {}
    for signal, photons in SIGNALS.items():
        nmse[signal], recall[signal] = (densities, []), (densities, [])
        for density in densities:
            bench.says(f"{signal}, {density:g} per µm²")
            movie = seen(sample(density, photons, side_px), model.path, n_frames)
            scores = match(movie.found, movie.truth.without("z_nm")).scores()
            share = scores["recall"]
            nmse[signal][1].append(movie.nmse_percent(1.0))
            recall[signal][1].append(share)
            name = f"{signal}, {density:g} per µm²"
            rows += [
                Row(
                    f"{name}: NMSE, blurred by 1 pixel",
                    None,
                    nmse[signal][1][-1],
                    "%",
                    "the paper has no figure; few molecules in each pixel here",
                ),
                Row(
                    f"{name}: molecules found",
                    None,
                    share,
                    "",
                    "within 250 nm; the paper has no figure",
                ),
            ]
        claimed = signal == "2,500 photons"
        rows.append(
            Row(
                f"{signal}: density up to which {100 * FOUND_SHARE:.0f} % are found",
                CLAIMED_PER_UM2 if claimed else None,
                densest(densities, recall[signal][1]),
                "per µm²",
                "the paper says 'performs well', without a figure; largest density looked at: "
                f"{max(densities):g}",
            )
        )
    setup = (
        f"Molecules anywhere, {n_frames} frames of {side_px} x {side_px} pixels of 100 nm for each "
        f"point, sigma 110 nm, background {BACKGROUND:g} photons, seed {HELD_OUT_SEED}; "
        f"{model.words}. NMSE is that of the summed image, which fills with molecules as frames "
        "are added."
    )
    return Outcome(
        tuple(rows), setup, curves(recall, "molecules per µm² and frame", "share of them found")
    )


def densest(densities: Sequence[float], found: Sequence[float]) -> float:
    """Return the density at which the share falls below `FOUND_SHARE`, between two measured ones.

    Examples
    --------
    >>> round(densest([2, 4, 6], [0.9, 0.8, 0.6]), 3)
    5.0
    >>> densest([2, 4], [0.9, 0.8])
    4.0
    """
    below = next((i for i, share in enumerate(found) if share < FOUND_SHARE), None)
    if below == 0:
        return math.nan
    if below is not None:
        shares, places = found[below - 1 : below + 1], densities[below - 1 : below + 1]
        return float(np.interp(FOUND_SHARE, shares[::-1], places[::-1]))
    return float(densities[-1])


FIGURE = PaperFigure(
    "deep-storm",
    "density",
    "Deep-STORM: density and signal",
    "Discussion: performs well up to about 6 molecules per µm², depending on the signal.",
    make,
)
