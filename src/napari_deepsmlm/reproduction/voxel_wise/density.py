"""Fig. 7: Jaccard index of voxels over density."""

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

PAPER_DENSITY, PAPER_JACCARD = 0.331, 0.853

NOT_THERE = "not in the paper by density"


def make(bench: Bench) -> Outcome:
    """Judge sparse to dense frames."""
    densities = bench.pick(
        tiny=(0.331,), small=(0.1, 0.331, 0.66, 1.0, 1.5), full=(0.1, 0.2, 0.331, 0.66, 1.0, 1.5)
    )
    n_frames = bench.pick(tiny=2, small=40, full=1000)
    used = paper_network(bench)
    rows: list[Row] = []
    voxels: list[float] = []
    molecules: list[float] = []
    for density in densities:
        bench.says(f"{density:g} per µm²")
        frames = varied(paper_frames(bench), density_per_um2=(density, density))
        result = run(used.model, frames, n_frames)
        scores = match(result.found, result.truth).scores()
        paper = PAPER_JACCARD if density == PAPER_DENSITY else None
        at = f"{density:g} per µm²"
        rows += [
            Row(f"{at}: Jaccard index of voxels", paper, result.voxel_jaccard, "",
                "Table 4's; the paper's curve has no figures: falls slowly"),
            Row(f"{at}: Jaccard index of molecules", None, scores["jaccard"], "",
                "within 250 nm laterally and 500 nm axially, adjacent detections merged"),
            Row(f"{at}: RMSE lateral", None, scores["rmse_lateral_nm"], "nm", NOT_THERE),
            Row(f"{at}: RMSE axial", None, scores["rmse_axial_nm"], "nm", NOT_THERE),
        ]  # fmt: skip
        voxels.append(result.voxel_jaccard)
        molecules.append(scores["jaccard"])
    setup = f"{n_frames} frames for each density, {SETUP}; {used.words}; threshold 0.5."
    lines = {"voxels": (densities, voxels), "molecules, merged": (densities, molecules)}
    draw = curves(lines, "molecules per µm² and frame", "Jaccard index")
    return Outcome(tuple(rows), setup, draw)


FIGURE = PaperFigure(
    "voxel-wise", "density", "Voxel-wise regression: density",
    "Fig. 7a: the Jaccard index of voxels falls slowly with density.", make, trains=True,
)  # fmt: skip
