"""Deep-STORM beside sparse recovery on the same frames: NMSE of 37 % against 72 %."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.metrics import count_image, nmse_percent
from napari_deepsmlm.reproduction.drawing import images
from napari_deepsmlm.reproduction.figure import Outcome, PaperFigure, Row, ratio
from napari_deepsmlm.reproduction.movies import HELD_OUT_SEED, seen
from napari_deepsmlm.reproduction.sparse_recovery import SparseRecovery

if TYPE_CHECKING:
    from napari_deepsmlm.reproduction.scale import Bench

MODEL = "deep-storm:2d-100nm"
PAPER_NMSE, PAPER_CEL0_NMSE = 37.0, 72.0
PAPER_SPEED_RATIO = 18677 / 123
LEAST_PHOTONS = (200.0, 400.0, 800.0)
"""Penalties that are tried on a movie of its own; the best is used, as by trial and error."""
TUNING_SEED = 8000
FRAMES_AT_ONCE = 4
BLURRED = "not in the paper: without blur, a molecule beside its pixel counts as wrong twice"


def make(bench: Bench) -> Outcome:
    """Judge both on the same movie."""
    model = bench.built_in(MODEL)
    n_frames = bench.pick(tiny=2, small=361, full=361)
    effort = bench.pick(
        tiny={"n_reweightings": 2, "n_steps": 10},
        small={"n_reweightings": 4, "n_steps": 60},
        full={"n_reweightings": 20, "n_steps": 200},
    )
    experiment = Experiment.from_preset("microtubules")
    if bench.scale == "tiny":
        experiment = experiment.replace(image_px=(24, 24))
    recovery = _tuned(bench, experiment, effort)
    bench.says("Deep-STORM")
    movie = seen(experiment, model.path, n_frames)
    began = time.perf_counter()
    image = _recovered(recovery, experiment, n_frames, HELD_OUT_SEED, bench)
    seconds = time.perf_counter() - began
    truth = movie.truth_image
    nmse = nmse_percent(image, truth)
    lower = (
        "the paper's movie is of the challenge, ours is bundles like it; least-squares scale. The "
        "error of a sum falls as frames fill the image (62 and 72 % with 60 of these); the paper "
        f"has 361, here are {n_frames}"
    )
    rows = (
        Row("NMSE of Deep-STORM", PAPER_NMSE, movie.nmse_percent(), "%", lower),
        Row("NMSE of sparse recovery", PAPER_CEL0_NMSE, nmse, "%", lower),
        Row("NMSE of Deep-STORM, blurred by 1 pixel", None, movie.nmse_percent(1.0), "%", BLURRED),
        Row("NMSE of sparse recovery, blurred by 1 pixel", None,
            nmse_percent(image, truth, blur_sigma_px=1.0), "%", BLURRED),
        Row("time of sparse recovery / Deep-STORM", PAPER_SPEED_RATIO,
            ratio(seconds, movie.seconds), "",
            f"the paper: 200 x 200 iterations; ours: {effort['n_reweightings']} x "
            f"{effort['n_steps']}, both on the same cores"),
    )  # fmt: skip
    setup = (
        f"{n_frames} frames of bundled microtubules, 5.5 molecules per µm², seed {HELD_OUT_SEED}; "
        f"{model.words}. Sparse recovery: CEL0 on the same grid of 12.5 nm, knowing camera, "
        f"background and PSF, its penalty (a molecule of {recovery.least_photons:g} photons) the "
        f"best of {len(LEAST_PHOTONS)} on a movie of seed {TUNING_SEED}."
    )
    pictures = {"truth": truth, "Deep-STORM": movie.image, "sparse recovery": image}
    return Outcome(rows, setup, images(pictures))


def _tuned(bench: Bench, experiment: Experiment, effort: dict[str, int]) -> SparseRecovery:
    """Return the recovery with the penalty that suits a movie of its own."""
    psf: Any = experiment.psf
    n_frames = bench.pick(tiny=1, small=8, full=20)
    _, truth = experiment.simulate(n_frames, seed=TUNING_SEED)
    tried = []
    for least in bench.pick(tiny=LEAST_PHOTONS[:1], small=LEAST_PHOTONS, full=LEAST_PHOTONS):
        recovery = SparseRecovery(
            sigma_px=psf.sigma_nm[0] / psf.pixel_size_nm, least_photons=least, **effort
        )
        image = _recovered(recovery, experiment, n_frames, TUNING_SEED, bench)
        counts = count_image(truth, image.shape, psf.pixel_size_nm / recovery.upsampling)
        tried.append((nmse_percent(image, counts), recovery))
    return min(tried, key=lambda one: one[0])[1]


def _recovered(
    recovery: SparseRecovery, experiment: Experiment, n_frames: int, seed: int, bench: Bench
) -> np.ndarray[Any, Any]:
    """Return the summed image of a movie."""
    stack, _ = experiment.simulate(n_frames, seed=seed)
    photons = experiment.camera.to_photons(torch.from_numpy(stack[:, 0].astype(np.float32)))
    photons = photons - experiment.simulation.background[0]
    image: Any = 0.0
    for first in range(0, n_frames, FRAMES_AT_ONCE):
        bench.says("sparse recovery", first, n_frames)
        image = image + recovery.recover(photons[first : first + FRAMES_AT_ONCE]).sum(0)
    return np.asarray(image)


FIGURE = PaperFigure(
    "deep-storm", "sparse-recovery", "Deep-STORM beside sparse recovery",
    "Figs. 3 and 4: NMSE of 37 % against 72 % for CEL0; Table 1: 150 times as fast on the CPU.",
    make,
)  # fmt: skip
