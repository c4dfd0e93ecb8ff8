"""Table 1: with dilated convolutions and cross-entropy, on the 3 µm tetrapod."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_deepsmlm.reproduction.dilated_loc._optics import PAPER_STEPS, PSFS, training_for
from napari_deepsmlm.reproduction.drawing import beside_paper
from napari_deepsmlm.reproduction.figure import Outcome, PaperFigure, Row
from napari_deepsmlm.reproduction.movies import HELD_OUT_SEED, scores_of

if TYPE_CHECKING:
    from napari_deepsmlm.reproduction.scale import Bench

# Jaccard, RMSE lateral and axial, nm.
PAPER = {
    "baseline": (0.621, 61.053, 133.137),
    "with dilation": (0.918, 13.092, 28.977),
    "with dilation and cross-entropy": (0.934, 14.352, 26.977),
}
CHOICES = {
    "baseline": {"dilation": False, "cross_entropy": False},
    "with dilation": {"dilation": True, "cross_entropy": False},
    "with dilation and cross-entropy": {"dilation": True, "cross_entropy": True},
}


def make(bench: Bench) -> Outcome:
    """Train the three on the same frames."""
    experiment = PSFS["tetrapod 3 µm"].experiment
    steps = bench.pick(tiny=1, small=200, full=PAPER_STEPS)
    n_frames = bench.pick(tiny=1, small=20, full=500)
    side = bench.pick(tiny=24, small=128, full=128)
    test = experiment.replace(image_px=(side, side))
    rows = []
    for name, (jaccard, lateral, axial) in PAPER.items():
        trained = training_for(experiment, bench)
        trained = trained.replace(model={**trained.model, **CHOICES[name]})
        model = bench.trained(f"tetrapod-3um-{name.replace(' ', '-')}", trained, steps)
        bench.says(f"judging {name}")
        scores = scores_of(test, model.path, n_frames, [HELD_OUT_SEED])
        why = f"the paper: {PAPER_STEPS:,} steps of 10 frames of 128²; ours: {steps:,} of "
        why += f"{trained.training.batch_size} of {trained.training.patch_px}²"
        rows += [
            Row(f"{name}: Jaccard", jaccard, scores["jaccard"], "", why),
            Row(f"{name}: RMSE lateral, per axis", lateral, scores["rmse_per_axis_nm"], "nm", why),
            Row(f"{name}: RMSE axial", axial, scores["rmse_axial_nm"], "nm", why),
        ]
    setup = (
        f"3 µm tetrapod, {n_frames} frames of {side} x {side} pixels, 0.05 molecules per µm², "
        f"5,000 photons, background 50, seed {HELD_OUT_SEED}; each network from random weights, "
        f"{steps:,} steps."
    )
    return Outcome(tuple(rows), setup, beside_paper(rows))


FIGURE = PaperFigure(
    "dilated-loc", "table-1", "DilatedLoc: dilation and cross-entropy",
    "Table 1: Jaccard 0.621, 0.918 and 0.934 on the 3 µm tetrapod.", make, trains=True,
)  # fmt: skip
