"""Training data: a fresh simulated batch for every step, the same one for the same step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_deepsmlm.metrics import truth_bounds
from napari_deepsmlm.simulation.batch import Batch

if TYPE_CHECKING:
    from torch import Tensor

    from napari_deepsmlm.localizations import Localizations
    from napari_deepsmlm.models import SMLMModel
    from napari_deepsmlm.simulation import Simulator


BOUND_MOLECULES = 200


class SimulatedBatches:
    """Batches of frames, or sums of frames, in photons: a function of seed and step alone.

    So a resumed run sees what an uninterrupted one would have seen, and nothing is ever repeated.

    Parameters
    ----------
    simulator : makes frames in ADU; its camera turns them back into photons.
    shape : (H, W) of the patches, camera pixels. On a camera with maps, each lies anywhere.
    context : frames before and after the one whose molecules are the truth, stacked as channels.
    model : what frames are for: they come as it reads them, and photons of the truth likewise.
    """

    def __init__(
        self,
        simulator: Simulator,
        *,
        batch_size: int,
        shape: tuple[int, int],
        seed: int,
        device: torch.device | str = "cpu",
        context: int = 0,
        model: SMLMModel | None = None,
    ) -> None:
        self.simulator = simulator
        self.batch_size = batch_size
        self.shape = shape
        self.seed = seed
        self.device = torch.device(device)
        self.context = context
        self.model = model

    def at(self, step: int) -> Batch:
        """Return the batch of one training step."""
        return self._draw(self.batch_size, self.shape, 2 * mixed_seed(self.seed, step))

    def validation(self, n_frames: int, shape: tuple[int, int] | None = None) -> Batch:
        """Return the validation set, drawn apart from every training batch.

        Parameters
        ----------
        shape : (H, W) of its frames; that of the patches if not given.
        """
        # Odd seeds: no training step has one.
        return self._draw(n_frames, shape or self.shape, 2 * mixed_seed(self.seed, 0) + 1)

    def bounds(self, truth: Localizations) -> dict[str, float]:
        """Return the smallest RMSE that light, background and optics allow, each molecule alone.

        Returns
        -------
        `bound_lateral_nm` and, if the PSF tells depth, `bound_axial_nm`: Cramér-Rao bounds as
        root mean squares; nothing where frames are summed, or there is no molecule.
        """
        if self.simulator.simulation.sum_frames[1] > 1:
            return {}
        some = truth.to_numpy()[:: max(1, len(truth) // BOUND_MOLECULES)]
        bounds = truth_bounds(some, self.simulator.psf, self.simulator.camera)
        bounds = bounds[np.isfinite(bounds).all(1)]
        if not len(bounds):
            return {}
        x, y, *z = np.sqrt(np.square(bounds).mean(0))
        axial = {"bound_axial_nm": float(z[0])} if z else {}
        return {"bound_lateral_nm": float(np.hypot(x, y)), **axial}

    def _draw(self, n_frames: int, shape: tuple[int, int], seed: int) -> Batch:
        generator = torch.Generator(self.device).manual_seed(seed)
        camera = self.simulator.camera
        origin_px = camera.draw_origin_px(n_frames, shape, generator)
        n_summed = self.simulator.draw_sums(n_frames, generator)
        batch = self.simulator.batch(
            n_frames,
            shape,
            generator,
            context=self.context,
            origin_px=origin_px,
            n_summed=n_summed,
        )
        photons = camera.to_photons(batch.frames, origin_px=origin_px, n_frames=n_summed)
        return self.as_input(batch._replace(frames=photons), origin_px=origin_px, n_summed=n_summed)

    def as_input(
        self, batch: Batch, *, origin_px: Tensor | None = None, n_summed: Tensor | None = None
    ) -> Batch:
        """Return a batch of photons as the model reads it."""
        if self.model is None or not self.model.reads_noise_units:
            return batch
        camera, truth = self.simulator.camera, batch.truth
        frames = self.model.frames_in(camera, batch.frames, origin_px=origin_px, n_frames=n_summed)
        photons = truth["photons"] / self.model.photons_in(camera)
        return Batch(frames, truth.with_columns(photons=photons))


def mixed_seed(seed: int, step: int) -> int:
    """Return 31 well-mixed bits: the CPU generator looks at the low 32 bits of its seed only."""
    return int(np.random.SeedSequence([seed, step]).generate_state(1)[0]) >> 1
