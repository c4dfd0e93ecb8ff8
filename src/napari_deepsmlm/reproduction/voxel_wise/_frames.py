"""Frames of the paper's generator through a network: voxels and molecules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import torch
from scipy.spatial import cKDTree

from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.reproduction.movies import HELD_OUT_SEED, varied

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_deepsmlm.models.voxel_regression import VoxelRegression
    from napari_deepsmlm.reproduction.scale import Bench, Used

BUILT_IN = "voxel-regression:quad-plane-192nm"
PRESET = "voxel-wise-paper"
PAPER_STEPS = 40_000
"""20 epochs of 100,000 frames in batches of 50."""
FRAMES_AT_ONCE = 10
NEAR_NM, NEAR_AXIAL_NM = 250.0, 500.0
SETUP = (
    "noise and plane shifts of the authors' generator (preset voxel-wise-paper), 0.331 molecules "
    f"per µm² (50 in 64 x 64 pixels) where nothing else is said, seed {HELD_OUT_SEED}"
)


class Result(NamedTuple):
    """Voxels counted before merging, molecules after it."""

    said: NDArray[np.bool_]
    """(T, P, H, W) voxels that are said to hold a molecule."""
    true: NDArray[np.bool_]
    """(T, P, H, W) voxels that do."""
    found: Localizations
    truth: Localizations

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """True positives, false positives, false negatives and true negatives."""
        said, true = self.said, self.true
        pairs = (said & true, said & ~true, ~said & true, ~said & ~true)
        positive, wrong, missed, negative = (int(pair.sum()) for pair in pairs)
        return positive, wrong, missed, negative

    @property
    def voxel_jaccard(self) -> float:
        """Share of the true positives in all voxels that are positive in either way."""
        positive, wrong, missed, _ = self.counts
        return positive / max(1, positive + wrong + missed)


def paper_frames(bench: Bench) -> Experiment:
    """Return the frames of the paper; of a few pixels in tests."""
    experiment = Experiment.from_preset(PRESET)
    return experiment.replace(image_px=(16, 16)) if bench.scale == "tiny" else experiment


def paper_network(bench: Bench, *, is_shifted: bool = True) -> Used:
    """Return the built-in model trained on for the paper's noise, or in full one from nothing.

    Its training frames have planes shifted as in the authors' code, or none.
    """
    experiment = Experiment.from_preset(PRESET)
    if not is_shifted:
        experiment = varied(experiment, plane_shift_choices_nm=())
    key = "voxel-wise" if is_shifted else "voxel-wise-without-shifts"
    if bench.scale == "full":
        training = experiment.training.replace(batch_size=50, patch_px=64, learning_rate=1e-3)
        return bench.trained(key, experiment.replace(training=training), PAPER_STEPS)
    training = experiment.training.replace(learning_rate=2e-3)
    experiment = experiment.replace(start_from=BUILT_IN, training=training)
    return bench.trained(key, experiment, bench.pick(tiny=1, small=200, full=PAPER_STEPS))


def run(model: Any, experiment: Experiment, n_frames: int, threshold: float = 0.5) -> Result:
    """Simulate frames that have nothing in common, and find their molecules."""
    simulator, camera = experiment.simulator(), experiment.camera
    generator = torch.Generator().manual_seed(HELD_OUT_SEED)
    said, true, found, truth = [], [], [], []
    network: VoxelRegression = cast("VoxelRegression", model.for_inference())
    for first in range(0, n_frames, FRAMES_AT_ONCE):
        n = min(FRAMES_AT_ONCE, n_frames - first)
        batch = simulator.batch(n, experiment.image_px, generator)
        with torch.inference_mode():
            prediction = network(camera.to_photons(batch.frames))
            logits = prediction[:, 3 * network.n_planes :]
            table = network.to_localizations(prediction, threshold)
        said.append((logits.sigmoid() > threshold).numpy())
        true.append(network.targets(batch.truth, logits).is_positive.numpy())
        truth.append(batch.truth.with_columns(frame=batch.truth.frame + first))
        found.append(table.with_columns(frame=table.frame + first))
    tables = (Localizations.concatenate(tables).to_numpy() for tables in (found, truth))
    return Result(np.concatenate(said), np.concatenate(true), *tables)


def nearest_nm(found: Localizations, truth: Localizations) -> NDArray[np.float64]:
    """Return (N, 3) differences to the nearest true molecule of the same frame, nm.

    Those with none within the distance of a match, 250 nm laterally and 500 nm axially, are left
    out: they are no errors of positions but false molecules, and in the paper there are none
    (Table 5). One of them, micrometres off, would outweigh a thousand others in a spread.
    """
    if not len(found) or not len(truth):
        return np.zeros((0, 3))
    ours, theirs = (
        np.stack([t.x_nm, t.y_nm, t["z_nm"], t.frame * 1e6], 1).astype(float)
        for t in (found, truth)
    )
    apart = (ours - theirs[cKDTree(theirs).query(ours)[1]])[:, :3]
    near = np.hypot(apart[:, 0], apart[:, 1]) <= NEAR_NM
    near &= np.abs(apart[:, 2]) <= NEAR_AXIAL_NM
    return cast("NDArray[np.float64]", apart[near])
