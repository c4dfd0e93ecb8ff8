"""Accuracy of a voxel-wise regression model on its paper's simulated quad-plane frames.

    python benchmarks/voxels.py MODEL [--frames 500] [--threshold 0.5]

Prints what Aritake et al. 2020 (doi:10.1016/j.rio.2020.100019) report: the confusion matrix of
voxels over frames of about 50 molecules each, without merging (theirs over 500: TP 22,878,
FP 1,844, FN 2,089); then, for densities and for lateral shifts of the planes, the Jaccard index of
voxels and of molecules (250 nm laterally, 500 nm axially), and mean and standard deviation of the
difference to the nearest true molecule along x, y and z.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
import torch
from scipy.spatial import cKDTree

import napari_deepsmlm as ds
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.metrics import match
from napari_deepsmlm.models import find_model

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_deepsmlm.models.voxel_regression import VoxelRegression

DENSITIES_PER_UM2 = (0.1, 0.331, 0.66, 1.0, 1.5)
PLANE_SHIFTS_NM = (0.0, 48.0, 96.0, 192.0)
FRAMES_PER_CALL = 10


class Confusion(NamedTuple):
    """Voxels that hold a molecule or not, and are said to or not."""

    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int

    @property
    def jaccard(self) -> float:
        """Share of the true positives in all voxels that are positive in either way."""
        return self.true_positive / max(1, sum(self[:3]))


class Result(NamedTuple):
    """Voxels counted before merging, molecules after it."""

    confusion: Confusion
    found: Localizations
    truth: Localizations


def confusion_of(said: NDArray[np.bool_], true: NDArray[np.bool_]) -> Confusion:
    """Return the confusion matrix of two arrays of voxels."""
    pairs = ((said & true), (said & ~true), (~said & true), (~said & ~true))
    return Confusion(*(int(pair.sum()) for pair in pairs))


def run(
    model: VoxelRegression, experiment: ds.Experiment, n_frames: int, threshold: float
) -> Result:
    """Simulate frames that have nothing in common, and find their molecules."""
    simulator, camera = experiment.simulator(), experiment.camera
    generator = torch.Generator().manual_seed(2020)
    counts, found, truth = [], [], []
    network = model.for_inference()
    for first in range(0, n_frames, FRAMES_PER_CALL):
        n = min(FRAMES_PER_CALL, n_frames - first)
        batch = simulator.batch(n, experiment.image_px, generator)
        with torch.inference_mode():
            prediction = network(camera.to_photons(batch.frames))
            logits = prediction[:, 3 * model.n_planes :]
            table = network.to_localizations(prediction, threshold)
        true = model.targets(batch.truth, logits).is_positive
        counts.append(confusion_of((logits.sigmoid() > threshold).numpy(), true.numpy()))
        truth.append(batch.truth.with_columns(frame=batch.truth.frame + first))
        found.append(table.with_columns(frame=table.frame + first))
    total = Confusion(*(sum(column) for column in zip(*counts, strict=True)))
    tables = (Localizations.concatenate(tables).to_numpy() for tables in (found, truth))
    return Result(total, *tables)


def nearest_nm(found: Localizations, truth: Localizations) -> NDArray[np.float64]:
    """Return (N, 3) differences to the nearest true molecule of the same frame, nm."""
    ours, theirs = (
        np.stack([t.x_nm, t.y_nm, t["z_nm"], t.frame * 1e6], 1).astype(float)
        for t in (found, truth)
    )
    return cast("NDArray[np.float64]", (ours - theirs[cKDTree(theirs).query(ours)[1]])[:, :3])


def row(result: Result) -> str:
    """Return one line of a table."""
    error = nearest_nm(result.found, result.truth)
    scores = match(result.found, result.truth).scores()
    nearest = " | ".join(
        f"{m:.1f} ± {s:.1f}" for m, s in zip(error.mean(0), error.std(0), strict=True)
    )
    molecules = f"{scores['jaccard']:.3f} | {scores['rmse_lateral_nm']:.1f}"
    return (
        f"{result.confusion.jaccard:.3f} | {molecules} | {scores['rmse_axial_nm']:.1f} | {nearest}"
    )


def main() -> None:
    """Judge a model and print tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--frames", type=int, default=500)
    parser.add_argument("--threshold", type=float, default=0.5)
    chosen = parser.parse_args()
    model = cast("VoxelRegression", find_model(chosen.model).load())
    paper = ds.Experiment.from_preset("voxel-wise")
    confusion = run(model, paper, chosen.frames, chosen.threshold).confusion
    for name, count in confusion._asdict().items():
        print(f"{name}: {count}")
    print(f"voxel Jaccard: {confusion.jaccard:.3f}\n")
    head = "voxel JI | JI | RMSE lateral | axial | nearest x | y | z"
    variants = [(f"{d:g} per um2", {"density_per_um2": (d, d)}) for d in DENSITIES_PER_UM2] + [
        (f"planes ± {s:g} nm", {"plane_shift_nm": s}) for s in PLANE_SHIFTS_NM
    ]
    print(f"| | {head} |\n| --- |" + " ---: |" * 7)
    for name, change in variants:
        varied = paper.replace(simulation=paper.simulation.replace(**change))
        print(f"| {name} | {row(run(model, varied, chosen.frames // 5, chosen.threshold))} |")


if __name__ == "__main__":
    main()
