"""Judging: how good a model is on frames of the twin that nothing was trained or chosen on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch

from napari_deepsmlm.adaptation.enough import enough_frames
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.metrics import match
from napari_deepsmlm.training.data import SimulatedBatches

if TYPE_CHECKING:
    from napari_deepsmlm._devices import Compute
    from napari_deepsmlm.adaptation.options import AdaptOptions
    from napari_deepsmlm.adaptation.twin import Twin
    from napari_deepsmlm.models import SMLMModel
    from napari_deepsmlm.simulation.batch import Batch

# Training draws from seeds below 2**20, see `Training.seed`.
HELD_OUT_SEED = 77_000_777
FRAMES_AT_ONCE = 4
KEPT = ("jaccard", "precision", "recall", "rmse_lateral_nm", "efficiency_lateral")


class HeldOut(NamedTuple):
    """Frames that judge, where they do, and what no method can do better on them."""

    batch: Batch
    compute: Compute
    pixel_size_nm: float
    bounds: dict[str, float]


def held_out(twin: Twin, options: AdaptOptions, model: SMLMModel, compute: Compute) -> HeldOut:
    """Draw the frames that judge a model before and after, as it reads them."""
    side = options.held_out_px
    data = SimulatedBatches(
        twin.like_data.simulator(),
        batch_size=1,
        shape=(side, side),
        seed=HELD_OUT_SEED,
        device=compute.device,
        context=model.context,
        model=model,
    )
    batch = data.validation(enough_frames(twin.like_data, side, options.held_out_frames))
    return HeldOut(batch, compute, twin.experiment.psf.pixel_size_nm, data.bounds(batch.truth))


@torch.inference_mode()
def judge(model: SMLMModel, frames: HeldOut) -> dict[str, float]:
    """Return the scores of a model with its own threshold, those that are not defined left out.

    The `efficiency_lateral` is that of the SMLM Challenge, 100 at best; `bound_lateral_nm` is the
    Cramér-Rao bound of the RMSE of lone molecules; `n_true` molecules were there, and
    `found_per_um2` were found per frame, false ones too.
    """
    model = model.for_inference().to(frames.compute.device, frames.compute.dtype)
    model.pixel_size_nm = frames.pixel_size_nm
    tables, first = [], 0
    for part in frames.batch.frames.split(FRAMES_AT_ONCE):
        table = model.to_localizations(model(part.to(frames.compute.dtype)))
        tables.append(table.with_columns(frame=table.frame + first))
        first += len(part)
    found = Localizations.concatenate(tables).to_numpy()
    scores = match(found, frames.batch.truth.to_numpy().without("z_nm")).scores()
    height, width = frames.batch.frames.shape[-2:]
    area_um2 = height * width * (frames.pixel_size_nm / 1000) ** 2
    found_per_um2 = len(found) / len(frames.batch.frames) / area_um2
    counts = {"n_true": float(len(frames.batch.truth)), "found_per_um2": found_per_um2}
    kept = {name: scores[name] for name in KEPT} | frames.bounds | counts
    return {name: round(v, 4) for name, v in kept.items() if math.isfinite(v)}


def is_better(after: dict[str, float], before: dict[str, float]) -> bool:
    """Whether a model is better by more than chance: by the error of a Jaccard index.

    Of n molecules a share J is found; that share has a standard error of √(J (1 - J) / n), and two
    models that differ in few of them differ by about as much, though both saw the same frames.

    Examples
    --------
    >>> few = {"jaccard": 0.8, "n_true": 60.0}
    >>> many = {"jaccard": 0.8, "n_true": 6000.0}
    >>> before = {"efficiency_lateral": 55.0}
    >>> [is_better(n | {"efficiency_lateral": 57.0}, before) for n in (few, many)]
    [False, True]
    """
    share, n = after.get("jaccard", 0.0), after.get("n_true", 0.0)
    chance = 100 * math.sqrt(share * (1 - share) / max(1.0, n))
    return efficiency(after) > efficiency(before) + chance


def efficiency(scores: dict[str, float]) -> float:
    """Return by what models are compared; a model that finds nothing is the worst.

    Examples
    --------
    >>> efficiency({"jaccard": 0.0}) < efficiency({"jaccard": 0.9, "efficiency_lateral": -80.0})
    True
    """
    return scores.get("efficiency_lateral", -math.inf)
