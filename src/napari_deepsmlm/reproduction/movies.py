"""Movies that no training has seen, through a model and beside their truth."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.metrics import count_image, match, nmse_percent
from napari_deepsmlm.reconstruction import reconstruct

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_deepsmlm.experiment import Experiment

    Image = np.ndarray[Any, Any]

# No training run draws from the streams of movies, and seeds as high as these were used for no
# choice in the package.
HELD_OUT_SEED = 8100


class Seen(NamedTuple):
    """A reconstruction and what is true of it."""

    image: Image
    truth_image: Image
    """Molecules per pixel, of the same grid."""
    sr_pixel_nm: float
    found: Localizations
    truth: Localizations
    seconds: float
    """Of the reconstruction by the clock, with reading, decoding and images."""
    cpu_seconds: float
    """Of all cores together, whatever else the machine did, with a look at the frames."""

    def nmse_percent(self, blur_sigma_px: float = 0.0) -> float:
        """Least-squares scale, floor bins."""
        return nmse_percent(self.image, self.truth_image, blur_sigma_px=blur_sigma_px)


def seen(
    experiment: Experiment, model: Any, n_frames: int, *, seed: int = HELD_OUT_SEED, **options: Any
) -> Seen:
    """Simulate a movie, reconstruct it with the camera known, and keep its truth."""
    stack, truth = experiment.simulate(n_frames, seed=seed)
    began = time.process_time()
    result = reconstruct(
        stack,
        model=str(model),
        camera=experiment.camera,
        pixel_size_nm=experiment.psf.pixel_size_nm,
        force=True,
        **options,
    )
    cpu_seconds = time.process_time() - began
    counts = count_image(truth, result.image.shape, result.sr_pixel_nm)
    seconds = n_frames / result.report["frames_per_second"]
    return Seen(
        image=np.asarray(result.image),
        truth_image=counts,
        sr_pixel_nm=result.sr_pixel_nm,
        found=result.localizations,
        truth=truth,
        seconds=seconds,
        cpu_seconds=cpu_seconds,
    )


def scores_of(
    experiment: Experiment, model: Any, n_frames: int, seeds: Iterable[int], **options: Any
) -> dict[str, float]:
    """Return the scores of all molecules of several movies together."""
    found: list[Localizations] = []
    true: list[Localizations] = []
    for number, seed in enumerate(seeds):
        movie = seen(experiment, model, n_frames, seed=seed, **options)
        for tables, table in ((found, movie.found), (true, movie.truth)):
            tables.append(table.with_columns(frame=table.frame + number * n_frames))
    predicted, truth = Localizations.concatenate(found), Localizations.concatenate(true)
    scores: dict[str, float] = match(
        predicted, truth if predicted.is_3d else truth.without("z_nm")
    ).scores()
    return scores


def varied(experiment: Experiment, **simulation: Any) -> Experiment:
    """Return the experiment with some of its simulation changed."""
    return experiment.replace(simulation=experiment.simulation.replace(**simulation))
