"""Robustness against planes that are shifted against each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_deepsmlm.metrics import match
from napari_deepsmlm.reproduction.drawing import curves
from napari_deepsmlm.reproduction.figure import Outcome, PaperFigure, Row
from napari_deepsmlm.reproduction.movies import varied
from napari_deepsmlm.reproduction.voxel_wise._frames import (
    SETUP,
    paper_frames,
    paper_network,
    run,
)

if TYPE_CHECKING:
    from napari_deepsmlm.reproduction.scale import Bench

WORDS_ONLY = "the paper says robust, without figures; trained with shifts of -48 to 24 nm"


def make(bench: Bench) -> Outcome:
    """Judge frames whose planes are shifted by more and more."""
    shifts = bench.pick(
        tiny=(48.0,), small=(0.0, 48.0, 96.0, 192.0), full=(0, 24, 48, 96, 144, 192)
    )
    n_frames = bench.pick(tiny=2, small=40, full=500)
    used = paper_network(bench)
    rows: list[Row] = []
    voxels: list[float] = []
    molecules: list[float] = []
    for shift in shifts:
        bench.says(f"planes ± {shift:g} nm")
        frames = varied(paper_frames(bench), plane_shift_choices_nm=(), plane_shift_nm=shift)
        result = run(used.model, frames, n_frames)
        scores = match(result.found, result.truth).scores()
        at = f"planes shifted by up to {shift:g} nm"
        rows += [
            Row(f"{at}: Jaccard index of voxels", None, result.voxel_jaccard, "", WORDS_ONLY),
            Row(f"{at}: Jaccard index of molecules", None, scores["jaccard"], "", WORDS_ONLY),
            Row(f"{at}: RMSE lateral", None, scores["rmse_lateral_nm"], "nm", WORDS_ONLY),
            Row(f"{at}: RMSE axial", None, scores["rmse_axial_nm"], "nm", WORDS_ONLY),
        ]  # fmt: skip
        voxels.append(result.voxel_jaccard)
        molecules.append(scores["jaccard"])
    setup = f"{n_frames} frames for each shift, {SETUP} but for the shifts; {used.words}."
    lines = {"voxels": (shifts, voxels), "molecules, merged": (shifts, molecules)}
    draw = curves(lines, "largest shift of a plane along x and y (nm)", "Jaccard index")
    return Outcome(tuple(rows), setup, draw)


FIGURE = PaperFigure(
    "voxel-wise", "drift", "Voxel-wise regression: shifted planes",
    "Section 3: training with random shifts of the planes makes the network robust to them.",
    make, trains=True,
)  # fmt: skip
