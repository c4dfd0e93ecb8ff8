"""Fig. 8: errors along x, y and z at the lowest and the highest density."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_deepsmlm._palette import ON_PAPER
from napari_deepsmlm.reproduction.figure import Outcome, PaperFigure, Row, ratio
from napari_deepsmlm.reproduction.movies import varied
from napari_deepsmlm.reproduction.voxel_wise._frames import (
    SETUP,
    nearest_nm,
    paper_frames,
    paper_network,
    run,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from napari_deepsmlm.reproduction.scale import Bench

DENSITIES_PER_UM2 = (0.1, 1.5)
THRESHOLDS = (0.5, 0.9)
MAX_ERROR_NM = 100.0


def make(bench: Bench) -> Outcome:
    """Measure differences to the nearest true molecule."""
    n_frames = bench.pick(tiny=2, small=60, full=1000)
    used = paper_network(bench)
    rows, errors = [], {}
    for density in DENSITIES_PER_UM2:
        frames = varied(paper_frames(bench), density_per_um2=(density, density))
        for threshold in THRESHOLDS:
            at = f"{density:g} per µm², threshold {threshold:g}"
            bench.says(at)
            result = run(used.model, frames, n_frames, threshold)
            errors[at] = nearest_nm(result.found, result.truth)
            for number, axis in enumerate("xyz"):
                along = errors[at][:, number] if len(errors[at]) else np.array([np.nan])
                rows += [
                    Row(f"{at}: mean error along {axis}", None, float(along.mean()), "nm",
                        "the paper: close to zero, slightly biased"),
                    Row(f"{at}: spread of errors along {axis}", None, float(along.std()), "nm",
                        "a picture in the paper; larger when dense, largest along z"),
                ]  # fmt: skip
            alone = 1 - ratio(len(errors[at]), len(result.found))
            rows.append(
                Row(f"{at}: molecules with no true one within 250 nm, 500 nm along z", 0.0, alone,
                    "", "left out of errors; share of all found; the paper's Table 5: none alone")
            )  # fmt: skip
    setup = f"{n_frames} frames for each, {SETUP}; {used.words}; adjacent detections merged."

    def draw(figure: Figure) -> None:
        grid: Any = figure.subplots(1, 3, sharey=True)
        edges = np.linspace(-MAX_ERROR_NM, MAX_ERROR_NM, 51)
        for number, (axes, axis) in enumerate(zip(grid, "xyz", strict=True)):
            for color, (name, values) in zip(ON_PAPER, errors.items(), strict=False):
                axes.hist(values[:, number], edges, histtype="step", density=True, color=color,
                          label=name)  # fmt: skip
            axes.set_xlabel(f"error along {axis} (nm)")
        grid[0].set_ylabel("share per nm")
        names = grid[0].get_legend_handles_labels()
        figure.legend(*names, frameon=False, fontsize=8, ncols=2, loc="outside lower center")

    return Outcome(tuple(rows), setup, draw)


FIGURE = PaperFigure(
    "voxel-wise", "errors", "Voxel-wise regression: errors along the axes",
    "Figs. 7b and 8: errors around zero, wider when dense.", make, trains=True,
)  # fmt: skip
