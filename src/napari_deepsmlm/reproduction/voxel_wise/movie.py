"""Figs. 10 and 11: a quad-plane movie with beads, masked, to a volume of 24 × 24 × 50 nm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.metrics import match
from napari_deepsmlm.reconstruction import reconstruct
from napari_deepsmlm.reproduction.drawing import images
from napari_deepsmlm.reproduction.figure import Outcome, PaperFigure, Row
from napari_deepsmlm.reproduction.movies import HELD_OUT_SEED, varied
from napari_deepsmlm.reproduction.voxel_wise._frames import BUILT_IN
from napari_deepsmlm.simulation.light import expected_light

if TYPE_CHECKING:
    from napari_deepsmlm.localizations import Localizations
    from napari_deepsmlm.reproduction.scale import Bench, Used

    Frames = np.ndarray[Any, Any]

VOXEL_NM = (24.0, 24.0, 50.0)
DEPTH_NM = (-800.0, 800.0)
BEAD_PHOTONS = 60_000.0
BEADS_PER_UM2 = 0.005
MASK_RADIUS_PX = 8
THRESHOLD = 0.9
NO_TRUTH = "a recorded movie in the paper, whose truth nobody knows"


def sample(side_px: int) -> Experiment:
    """Return microtubules through the whole depth, in four planes."""
    paper = varied(
        Experiment.from_preset("voxel-wise"),
        structure={"kind": "microtubules", "filaments": (8, 12), "z_nm": (-700.0, 700.0)},
        density_per_um2=(0.3, 0.3),
    )
    return paper.replace(image_px=(side_px, side_px))


def with_beads(stack: Frames, experiment: Experiment, xy_nm: Frames) -> Frames:
    """Return the frames with beads in focus of the whole movie."""
    n = len(xy_nm)
    place = torch.zeros(1, n, 3)
    place[0, :, :2] = torch.from_numpy(xy_nm).float()
    light = expected_light(
        experiment.psf, place, torch.full((1, n), BEAD_PHOTONS), experiment.image_px
    )
    generator = torch.Generator().manual_seed(HELD_OUT_SEED)
    camera = experiment.camera
    exposed = camera.expose(light.expand(len(stack), -1, -1, -1), generator).numpy()
    bright = np.clip(stack + exposed - camera.baseline, 0, camera.full_scale_adu)
    return np.asarray(bright, np.uint16)


def beads_of(stack: Frames) -> Frames:
    """Return (H, W) which pixels are near a bead: what is bright in every frame.

    Molecules come and go, so the dimmest of many frames shows what stays.
    """
    from scipy.ndimage import distance_transform_edt

    lasting = stack.min(0).max(0).astype(np.float64)
    middle = np.median(lasting)
    spread = 1.4826 * np.median(np.abs(lasting - middle)) + 1.0
    is_bright = lasting > middle + 20 * spread
    if not is_bright.any():
        return np.zeros(lasting.shape, bool)
    return np.asarray(distance_transform_edt(~is_bright) <= MASK_RADIUS_PX)


def masked(stack: Frames, is_bead: Frames) -> Frames:
    """Return the frames with the background of their plane where beads are."""
    background = np.median(stack, axis=(0, 2, 3), keepdims=True)
    return np.where(is_bead, background, stack).astype(stack.dtype)


def volume(table: Localizations, side_nm: float) -> Frames:
    """Return (Z, Y, X) molecules per voxel of 24 x 24 x 50 nm."""
    edges = [
        np.arange(DEPTH_NM[0], DEPTH_NM[1] + 1, VOXEL_NM[2]),
        *(np.arange(0, side_nm + VOXEL_NM[0], VOXEL_NM[0]),) * 2,
    ]
    return np.histogramdd(np.stack([table["z_nm"], table.y_nm, table.x_nm], 1), edges)[0]


def make(bench: Bench) -> Outcome:
    """Mask beads, localize, and draw the volume."""
    side = bench.pick(tiny=48, small=128, full=256)
    n_frames = bench.pick(tiny=4, small=100, full=30_000)
    experiment = sample(side)
    used = bench.built_in(BUILT_IN)
    side_nm = side * experiment.psf.pixel_size_nm
    bench.says("simulating")
    stack, truth = experiment.simulate(n_frames, seed=HELD_OUT_SEED)
    rng = np.random.default_rng(HELD_OUT_SEED)
    n_beads = max(1, round(BEADS_PER_UM2 * (side_nm / 1e3) ** 2))
    xy_nm = rng.uniform(0.2, 0.8, (n_beads, 2)) * side_nm
    bright = with_beads(stack, experiment, xy_nm)
    is_bead = beads_of(bright)
    rows, volumes = [], {}
    for name, frames in (("beads left", bright), ("beads masked", masked(bright, is_bead))):
        bench.says(name)
        found = _localized(frames, experiment, used, bench)
        scores = match(_away(found, is_bead), _away(truth, is_bead)).scores()
        n_near = len(found) - len(_away(found, is_bead))
        rows += [
            Row(f"{name}: molecules found within {MASK_RADIUS_PX} pixels of beads", None,
                n_near / n_frames, "per frame", "the paper masks beads to zero for its picture"),
            Row(f"{name}: found elsewhere", None, scores["recall"], "", f"threshold {THRESHOLD}"),
            Row(f"{name}: of what is found elsewhere, right", None, scores["precision"], "",
                "the paper shows a picture of the volume"),
            Row(f"{name}: RMSE lateral", None, scores["rmse_lateral_nm"], "nm", NO_TRUTH),
            Row(f"{name}: RMSE axial", None, scores["rmse_axial_nm"], "nm", NO_TRUTH),
        ]  # fmt: skip
        volumes[name] = volume(found, side_nm)
    deep = volumes["beads masked"]
    rows.append(Row("voxels of the volume", None, float(deep.size), "",
                    "24 x 24 x 50 nm, as the paper's"))  # fmt: skip
    setup = (
        f"A simulated stand-in, as the paper's movie is not public: microtubules over 1.4 µm of "
        f"depth, {n_frames:,} frames of {side} x {side} pixels of 192 nm in four planes, {n_beads} "
        f"beads of {BEAD_PHOTONS:,.0f} photons, seed {HELD_OUT_SEED}; {used.words}."
    )
    pictures = {name: each.sum(0) for name, each in volumes.items()}
    pictures["side view, beads masked"] = np.repeat(deep.sum(1), 8, axis=0)
    return Outcome(tuple(rows), setup, images(pictures))


def _localized(frames: Frames, experiment: Experiment, used: Used, bench: Bench) -> Localizations:
    return reconstruct(
        frames, model=str(used.path), camera=experiment.camera, device=bench.device, force=True,
        pixel_size_nm=experiment.psf.pixel_size_nm, threshold=THRESHOLD,
    ).localizations  # fmt: skip


def _away(table: Localizations, is_bead: Frames) -> Localizations:
    """Return the molecules that do not lie near a bead."""
    pixel = 192.0
    limit = np.array(is_bead.shape) - 1
    rows = np.clip((np.asarray(table.y_nm) // pixel).astype(int), 0, limit[0])
    columns = np.clip((np.asarray(table.x_nm) // pixel).astype(int), 0, limit[1])
    away: Localizations = table[~is_bead[rows, columns]]
    return away


FIGURE = PaperFigure(
    "voxel-wise", "movie", "Voxel-wise regression: a quad-plane movie with beads",
    "Figs. 10 and 11: 30,000 frames of 256 x 256 x 4, beads masked, threshold 0.9, a volume of "
    "24 x 24 x 50 nm.",
    make,
)  # fmt: skip
