"""Table 4: confusion matrix of voxels over 500 frames of 50 molecules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_deepsmlm.reproduction.drawing import beside_paper
from napari_deepsmlm.reproduction.figure import Outcome, PaperFigure, Row
from napari_deepsmlm.reproduction.voxel_wise._frames import (
    BUILT_IN,
    SETUP,
    paper_frames,
    paper_network,
    run,
)

if TYPE_CHECKING:
    from napari_deepsmlm.reproduction.scale import Bench

PAPER = {
    "true positives": 22_878,
    "false positives": 1_844,
    "false negatives": 2_089,
    "true negatives": 8_165_189,
}
PAPER_JACCARD, PAPER_FRAMES = 0.853, 500


def make(bench: Bench) -> Outcome:
    """Count voxels at a threshold of 0.5."""
    n_frames = bench.pick(tiny=2, small=100, full=PAPER_FRAMES)
    used = paper_network(bench)
    bench.says("counting voxels")
    result = run(used.model, paper_frames(bench), n_frames)
    whole = PAPER_FRAMES / n_frames
    rows = [
        Row(f"{name} in {PAPER_FRAMES} frames", paper, whole * count, "voxels",
            f"{n_frames} frames, scaled up" if whole != 1 else used.words)
        for (name, paper), count in zip(PAPER.items(), result.counts, strict=True)
    ]  # fmt: skip
    rows.append(Row("Jaccard index of voxels", PAPER_JACCARD, result.voxel_jaccard, "", used.words))
    bench.says("the built-in model as it is")
    as_it_is = run(bench.built_in(BUILT_IN).model, paper_frames(bench), n_frames)
    rows.append(
        Row("the same, built-in model as it is", None, as_it_is.voxel_jaccard, "",
            "trained on shot noise, where the paper's frames have noise that light does not raise")
    )  # fmt: skip
    setup = f"{n_frames} frames, {SETUP}; {used.words}; threshold 0.5, nothing merged."
    return Outcome(tuple(rows), setup, beside_paper(rows))


FIGURE = PaperFigure(
    "voxel-wise", "table-4", "Voxel-wise regression: confusion matrix",
    "Table 4: 22,878 true and 1,844 false positives, 2,089 false negatives: Jaccard 0.853.",
    make, trains=True,
)  # fmt: skip
