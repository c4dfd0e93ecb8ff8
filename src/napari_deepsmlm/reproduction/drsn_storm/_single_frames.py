"""Single frames of the paper's kind, and how well image networks draw them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.metrics import count_image, nmse_percent
from napari_deepsmlm.reproduction.movies import HELD_OUT_SEED, varied

if TYPE_CHECKING:
    from napari_deepsmlm.models import SMLMModel

DENSITIES_PER_UM2 = (50.0, 100.0, 200.0)
# FWHM of 100 to 360 nm and 2,000 to 2,600 photons, as the paper's test frames have.
TEST = {"photons": (2000.0, 2600.0)}
TEST_SIGMA_NM = (42.5, 152.9)
BLUR_NM = 20.0
"""A pixel at x4: what both images are blurred with in the rows that say so."""
FRAMES_AT_ONCE = 4


def frames_of(density_per_um2: float) -> Experiment:
    """Return the test frames of a density."""
    paper = Experiment.from_preset("drsn")
    psf = paper.psf.model_copy(update={"sigma_nm": TEST_SIGMA_NM})
    dense = {"density_per_um2": (density_per_um2, density_per_um2)}
    return varied(paper.replace(psf=psf), **TEST, **dense)


def networks(**drsn: Any) -> dict[str, Experiment]:
    """Return what trains both networks at x4 on the paper's densities together."""
    paper = Experiment.from_preset("drsn")
    paper = varied(paper, density_per_um2=(50.0, 200.0))
    short = paper.training.replace(validation_frames=8)
    ours = paper.replace(model={"upsampling": 4, **drsn}, training=short)
    # A step of Deep-STORM is eight times as quick, and large batches do not help it.
    theirs = ours.replace(network="deep-storm", model={"upsampling": 4})
    return {"DRSN-STORM": ours, "Deep-STORM": theirs}


def nmse_of(
    model: SMLMModel, experiment: Experiment, n_frames: int, side_px: int, *, blur_nm: float = 0.0
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the NMSE of each of n frames, %, least-squares scale."""
    generator = torch.Generator().manual_seed(HELD_OUT_SEED)
    network: Any = model.for_inference()
    values: list[float] = []
    for first in range(0, n_frames, FRAMES_AT_ONCE):
        n = min(FRAMES_AT_ONCE, n_frames - first)
        batch = experiment.simulator().batch(n, (side_px, side_px), generator)
        with torch.inference_mode():
            images = network.to_image(network(experiment.camera.to_photons(batch.frames))).numpy()
        for frame, image in enumerate(images):
            truth = batch.truth[batch.truth.frame == frame].to_numpy()
            counts = count_image(truth, image.shape, network.sr_pixel_nm)
            blur_px = blur_nm / network.sr_pixel_nm
            values.append(nmse_percent(image, counts, blur_sigma_px=blur_px))
    return np.array(values)
