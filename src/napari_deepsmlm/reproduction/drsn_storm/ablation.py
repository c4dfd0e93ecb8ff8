"""Skip connection to the input or to the features, l2 or l1 norm in the loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_deepsmlm.reproduction.drawing import bars
from napari_deepsmlm.reproduction.drsn_storm._single_frames import (
    BLUR_NM,
    frames_of,
    networks,
    nmse_of,
)
from napari_deepsmlm.reproduction.figure import Outcome, PaperFigure, Row
from napari_deepsmlm.reproduction.movies import HELD_OUT_SEED

if TYPE_CHECKING:
    from napari_deepsmlm.reproduction.scale import Bench

VARIANTS: dict[str, dict[str, Any]] = {
    "skip to the input, l2": {"skip": "input", "norm": "l2"},
    "skip to the features, l2": {"skip": "features", "norm": "l2"},
    "skip to the input, l1": {"skip": "input", "norm": "l1"},
}
PARAMETERS = {"input": 0.4e6, "features": None}
DENSITY_PER_UM2 = 50.0
TOLD = {
    "tiny": "untrained here",
    "small": "a point between networks of 60 steps does not tell: 40 steps more lower it by as "
    "much (x4 in drsn-storm:upsampling)",
    "full": "trained for as long as in the paper",
}


def make(bench: Bench) -> Outcome:
    """Train each variant for as many steps on the same frames."""
    n_frames, side_px = bench.pick(tiny=(1, 12), small=(12, 32), full=(1000, 64))
    steps = bench.pick(tiny=1, small=60, full=100_000)
    rows, shown = [], {}
    for name, choices in VARIANTS.items():
        experiment = networks(**choices)["DRSN-STORM"]
        key = f"drsn-storm-{choices['skip']}-{choices['norm']}"
        model = bench.trained(key, experiment, steps).model
        if choices["norm"] == "l2":
            rows.append(
                Row(f"{name}: parameters", PARAMETERS[choices["skip"]], model.n_parameters, "",
                    "the paper's text says about 0.4 million, its formula gives 592,641")
            )  # fmt: skip
        value = nmse_of(
            model, frames_of(DENSITY_PER_UM2), n_frames, side_px, blur_nm=BLUR_NM
        ).mean()
        rows.append(
            Row(f"{name}: mean NMSE, blurred by {BLUR_NM:g} nm", None, float(value), "%",
                "the paper shows one picture of l1 and l2, and says that l2 is better; "
                f"{TOLD[bench.scale]}")
        )  # fmt: skip
        shown[name.replace(", ", "\n")] = float(value)
    setup = (
        f"{steps:,} steps of 4 patches each; {n_frames} frames of {side_px} x {side_px} pixels of "
        f"80 nm, {DENSITY_PER_UM2:g} molecules per µm², seed {HELD_OUT_SEED}; x4."
    )
    return Outcome(tuple(rows), setup, bars(shown, f"NMSE, blurred by {BLUR_NM:g} nm (%)"))


FIGURE = PaperFigure(
    "drsn-storm", "ablation", "DRSN-STORM: skips and norms",
    "Fig. 3: the l2 norm recovers more than l1; its text and its formula have different skips.",
    make, trains=True,
)  # fmt: skip
