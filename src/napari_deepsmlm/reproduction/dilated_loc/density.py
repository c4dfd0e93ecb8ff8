"""Fig. 4: recall, errors and efficiency over density for the four PSFs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_deepsmlm.reproduction.dilated_loc._optics import PSFS, psfs_of
from napari_deepsmlm.reproduction.drawing import curves
from napari_deepsmlm.reproduction.figure import Outcome, PaperFigure, Row
from napari_deepsmlm.reproduction.movies import HELD_OUT_SEED, scores_of, varied

if TYPE_CHECKING:
    from napari_deepsmlm.reproduction.scale import Bench

PAPER_AXIAL_NM = 80.0
"""Of the 3 µm tetrapod, below which the paper says the axial RMSE stays."""


def make(bench: Bench) -> Outcome:
    """Judge a network for each PSF on sparse to dense frames."""
    densities = bench.pick(tiny=(0.1,), small=(0.05, 0.2, 0.5), full=(0.05, 0.1, 0.2, 0.35, 0.5, 1))
    n_frames = bench.pick(tiny=1, small=8, full=200)
    side = bench.pick(tiny=24, small=96, full=128)
    rows, lines, words = [], {}, []
    for name in psfs_of(bench):
        used = bench.built_in(PSFS[name].model)
        words.append(f"{name}: {used.words}")
        recalls: list[float] = []
        for density in densities:
            bench.says(f"{name} at {density:g} per µm²")
            test = varied(PSFS[name].experiment, density_per_um2=(density, density))
            test = test.replace(image_px=(side, side))
            scores = scores_of(test, used.path, n_frames, [HELD_OUT_SEED])
            at = f"{name} at {density:g} per µm²"
            paper = PAPER_AXIAL_NM if name == "tetrapod 3 µm" else None
            rows += [
                Row(f"{at}: recall", None, scores["recall"], "", "a picture in the paper"),
                Row(f"{at}: precision", None, scores["precision"], "", "a picture in the paper"),
                Row(f"{at}: RMSE axial", paper, scores["rmse_axial_nm"], "nm",
                    "the paper: below" if paper else "a picture in the paper"),
                Row(f"{at}: efficiency in 3-D", None, scores["efficiency_3d"], "%",
                    "not in the paper"),
            ]  # fmt: skip
            recalls.append(scores["recall"])
        lines[name] = (densities, recalls)
    setup = (
        f"{n_frames} frames of {side} x {side} pixels for each point, 5,000 photons, background "
        f"50, seed {HELD_OUT_SEED}. {'; '.join(words)}."
    )
    return Outcome(tuple(rows), setup, curves(lines, "molecules per µm² and frame", "recall"))


FIGURE = PaperFigure(
    "dilated-loc", "density", "DilatedLoc: density",
    "Fig. 4: recall falls with density, most for large PSFs; on the 3 µm tetrapod the axial RMSE "
    "stays below 80 nm.",
    make,
)  # fmt: skip
