"""Robustness against planes that are shifted against each other, by training with shifts."""

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

WORDS_ONLY = (
    "the paper says robust, without figures; trained with shifts of -48 to 24 nm, and as long "
    "without"
)


def make(bench: Bench) -> Outcome:
    """Judge frames whose planes are shifted by more and more, by a network trained on shifts.

    Another one, trained as long from the same start on planes in their place, stands beside it.
    """
    shifts = bench.pick(
        tiny=(48.0,), small=(0.0, 48.0, 96.0, 192.0), full=(0, 24, 48, 96, 144, 192)
    )
    n_frames = bench.pick(tiny=2, small=40, full=500)
    networks = {
        "trained with shifts": paper_network(bench),
        "trained without": paper_network(bench, is_shifted=False),
    }
    rows: list[Row] = []
    lines: dict[str, tuple[list[float], list[float]]] = {}
    for shift in shifts:
        frames = varied(paper_frames(bench), plane_shift_choices_nm=(), plane_shift_nm=shift)
        for name, used in networks.items():
            bench.says(f"planes ± {shift:g} nm, {name}")
            result = run(used.model, frames, n_frames)
            scores = match(result.found, result.truth).scores()
            at = f"planes shifted by up to {shift:g} nm, {name}"
            rows += [
                Row(f"{at}: Jaccard index of voxels", None, result.voxel_jaccard, "", WORDS_ONLY),
                Row(f"{at}: Jaccard index of molecules", None, scores["jaccard"], "", WORDS_ONLY),
                Row(f"{at}: RMSE lateral", None, scores["rmse_lateral_nm"], "nm", WORDS_ONLY),
                Row(f"{at}: RMSE axial", None, scores["rmse_axial_nm"], "nm", WORDS_ONLY),
            ]  # fmt: skip
            indices = {"voxels": result.voxel_jaccard, "molecules, merged": scores["jaccard"]}
            for of, value in indices.items():
                places, values = lines.setdefault(f"{of}, {name}", ([], []))
                places.append(shift)
                values.append(value)
    setup = (
        f"{n_frames} frames for each shift, {SETUP} but for the shifts; both networks "
        f"{networks['trained with shifts'].words}. What starts from "
        "the built-in model has seen shifts of up to 48 nm before, so they do more than the "
        "difference of both says."
    )
    draw = curves(lines, "largest shift of a plane along x and y (nm)", "Jaccard index")
    return Outcome(tuple(rows), setup, draw)


FIGURE = PaperFigure(
    "voxel-wise", "drift", "Voxel-wise regression: shifted planes",
    "Section 3: training with random shifts of the planes makes the network robust to them.",
    make, trains=True,
)  # fmt: skip
