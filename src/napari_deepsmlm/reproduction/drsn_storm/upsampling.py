"""×8 against ×4: more to recover, larger errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

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

DENSITY_PER_UM2 = 50.0


def make(bench: Bench) -> Outcome:
    """Train both on the same frames."""
    n_frames, side_px = bench.pick(tiny=(1, 12), small=(12, 32), full=(1000, 64))
    # A step at x8 costs four times as much.
    steps = bench.pick(tiny={4: 1, 8: 1}, small={4: 100, 8: 40}, full={4: 100_000, 8: 100_000})
    rows, shown, words = [], {}, []
    for upsampling, n_steps in steps.items():
        experiment = networks(upsampling=upsampling)["DRSN-STORM"]
        used = bench.trained(f"drsn-storm-x{upsampling}", experiment, n_steps)
        words.append(f"x{upsampling}: {used.words}")
        frames = frames_of(DENSITY_PER_UM2)
        plain = nmse_of(used.model, frames, n_frames, side_px).mean()
        blurred = nmse_of(used.model, frames, n_frames, side_px, blur_nm=BLUR_NM).mean()
        rows += [
            Row(f"x{upsampling}: mean NMSE", None, float(plain), "%",
                "of its own pixels; the paper shows losses that are larger at x8"),
            Row(f"x{upsampling}: mean NMSE, blurred by {BLUR_NM:g} nm", None, float(blurred), "%",
                "the same length for both"),
        ]  # fmt: skip
        shown[f"x{upsampling}"] = float(blurred)
    setup = (
        f"{n_frames} frames of {side_px} x {side_px} pixels of 80 nm, {DENSITY_PER_UM2:g} "
        f"molecules per µm², seed {HELD_OUT_SEED}. " + "; ".join(words) + "."
    )
    return Outcome(tuple(rows), setup, bars(shown, f"NMSE, blurred by {BLUR_NM:g} nm (%)"))


FIGURE = PaperFigure(
    "drsn-storm", "upsampling", "DRSN-STORM: ×8 against ×4",
    "Figs. 4, 10 and 11: worse at ×8 than at ×4, as more has to be recovered.", make, trains=True,
)  # fmt: skip
