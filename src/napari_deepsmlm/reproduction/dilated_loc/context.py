"""Three frames at once, as DECODE reads them, on movies whose molecules stay on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.reproduction.dilated_loc._optics import PAPER_STEPS
from napari_deepsmlm.reproduction.drawing import bars
from napari_deepsmlm.reproduction.figure import Outcome, PaperFigure, Row
from napari_deepsmlm.reproduction.movies import HELD_OUT_SEED, scores_of, varied

if TYPE_CHECKING:
    from napari_deepsmlm.reproduction.scale import Bench

DENSITY_PER_UM2 = 1.0


def make(bench: Bench) -> Outcome:
    """Train both on the same movies, for as many steps."""
    steps = bench.pick(tiny=1, small=400, full=PAPER_STEPS)
    n_frames = bench.pick(tiny=3, small=40, full=1000)
    side = bench.pick(tiny=24, small=64, full=128)
    paper = Experiment.from_preset("dilated-loc-2d")
    trained = varied(paper, density_per_um2=(0.0, 2.0))
    trained = trained.replace(training=trained.training.replace(patch_px=40, validation_frames=12))
    test = varied(paper, density_per_um2=(DENSITY_PER_UM2, DENSITY_PER_UM2))
    test = test.replace(image_px=(side, side))
    why = (
        f"the paper names DECODE's context, without figures; here after {steps:,} steps of its "
        f"{PAPER_STEPS:,}, in which neighbouring frames may not be used yet"
    )
    rows, shown = [], {}
    for n_seen in (1, 3):
        experiment = trained.replace(model={**trained.model, "frames": n_seen})
        model = bench.trained(f"dilated-loc-{n_seen}-frames", experiment, steps)
        bench.says(f"judging {n_seen} frames at once")
        scores = scores_of(test, model.path, n_frames, [HELD_OUT_SEED])
        at = "one frame" if n_seen == 1 else "three frames"
        rows += [
            Row(f"{at}: Jaccard", None, scores["jaccard"], "", why),
            Row(f"{at}: RMSE lateral", None, scores["rmse_lateral_nm"], "nm", why),
            Row(f"{at}: lateral efficiency", None, scores["efficiency_lateral"], "%", why),
        ]
        shown[at] = scores["efficiency_lateral"]
    setup = (
        f"{n_frames} frames of {side} x {side} pixels in focus, {DENSITY_PER_UM2:g} molecules per "
        "µm², 500-5,000 photons, background 50, molecules stay on for the next frame with a "
        f"probability of one half, seed {HELD_OUT_SEED}; {steps:,} steps from random weights each."
    )
    return Outcome(tuple(rows), setup, bars(shown, "lateral efficiency (%)"))


FIGURE = PaperFigure(
    "dilated-loc", "context", "DilatedLoc: three frames at once",
    "Section 3.1: molecules last for several frames, so neighbouring frames help.",
    make, trains=True,
)  # fmt: skip
