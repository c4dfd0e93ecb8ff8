"""NMSE at 50, 100 and 200 molecules per µm² beside a Deep-STORM trained on the same frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_deepsmlm.reproduction.drawing import bars
from napari_deepsmlm.reproduction.drsn_storm._single_frames import (
    BLUR_NM,
    DENSITIES_PER_UM2,
    frames_of,
    networks,
    nmse_of,
)
from napari_deepsmlm.reproduction.figure import Outcome, PaperFigure, Row
from napari_deepsmlm.reproduction.movies import HELD_OUT_SEED

if TYPE_CHECKING:
    from napari_deepsmlm.reproduction.scale import Bench

BLURRED = "not in the paper: without blur, light beside its pixel counts as wrong twice"
WHY = "the paper has bars without figures; scale and binning of its NMSE are not stated"


def make(bench: Bench) -> Outcome:
    """Train both, and judge them on frames that neither has seen."""
    steps = {
        "DRSN-STORM": bench.pick(tiny=1, small=100, full=100_000),
        "Deep-STORM": bench.pick(tiny=1, small=800, full=100_000),
    }
    n_frames, side_px = bench.pick(tiny=(1, 12), small=(16, 32), full=(1000, 64))
    rows, shown, words = [], {}, []
    for name, experiment in networks().items():
        used = bench.trained(f"{name.lower()}-x4", experiment, steps[name])
        words.append(used.words)
        for density in DENSITIES_PER_UM2:
            bench.says(f"{name} at {density:g} per µm²")
            plain = nmse_of(used.model, frames_of(density), n_frames, side_px)
            blurred = nmse_of(used.model, frames_of(density), n_frames, side_px, blur_nm=BLUR_NM)
            at = f"{name} at {density:g} per µm²"
            rows += [
                Row(f"{at}: mean NMSE", None, float(plain.mean()), "%", WHY),
                Row(f"{at}: least NMSE", None, float(plain.min()), "%", WHY),
                Row(f"{at}: mean NMSE, blurred by {BLUR_NM:g} nm", None,
                    float(blurred.mean()), "%", BLURRED),
            ]  # fmt: skip
            shown[f"{name}\n{density:g} per µm²"] = float(blurred.mean())
    setup = (
        f"{n_frames} frames of {side_px} x {side_px} pixels of 80 nm for each density, FWHM "
        f"100-360 nm, 2,000-2,600 photons, seed {HELD_OUT_SEED}; x4. "
        + "; ".join(words)
        + ". Small runs "
        "give both about the same time, not the same steps."
    )
    return Outcome(tuple(rows), setup, bars(shown, f"NMSE, blurred by {BLUR_NM:g} nm (%)"))


FIGURE = PaperFigure(
    "drsn-storm", "nmse", "DRSN-STORM: NMSE over density",
    "Fig. 5: mean and least NMSE of 1,000 frames below Deep-STORM's at 50, 100 and 200 per µm².",
    make, trains=True,
)  # fmt: skip
