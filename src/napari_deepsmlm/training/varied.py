"""Varied training data: each frame of a batch from a microscope of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from napari_deepsmlm.simulation.batch import Batch
from napari_deepsmlm.training.data import mixed_seed

if TYPE_CHECKING:
    from napari_deepsmlm.localizations import Localizations
    from napari_deepsmlm.models import SMLMModel
    from napari_deepsmlm.simulation.variety import VariedSimulator


class VariedBatches:
    """Batches of frames of many microscopes, a function of seed and step alone.

    Parameters
    ----------
    simulator : draws microscope, sample and camera of each frame.
    model : what frames are for: they come as it reads them, and photons of the truth likewise.
    shape : (H, W) of the patches, camera pixels.
    """

    def __init__(
        self,
        simulator: VariedSimulator,
        model: SMLMModel,
        *,
        batch_size: int,
        shape: tuple[int, int],
        seed: int,
        device: torch.device | str = "cpu",
    ) -> None:
        if model.context > 0:
            raise ValueError("Varied microscopes show single frames: set the model's frames to 1.")
        self.simulator = simulator
        self.model = model
        self.batch_size = batch_size
        self.shape = shape
        self.seed = seed
        self.device = torch.device(device)

    def at(self, step: int) -> Batch:
        """Return the batch of one training step."""
        return self._draw(self.batch_size, self.shape, 2 * mixed_seed(self.seed, step))

    def validation(self, n_frames: int, shape: tuple[int, int] | None = None) -> Batch:
        """Return the validation set, drawn apart from every training batch."""
        # Odd seeds: no training step has one.
        return self._draw(n_frames, shape or self.shape, 2 * mixed_seed(self.seed, 0) + 1)

    def bounds(self, truth: Localizations) -> dict[str, float]:
        """Nothing: each molecule has a bound of its own, and their mean says little."""
        return {}

    def _draw(self, n_frames: int, shape: tuple[int, int], seed: int) -> Batch:
        generator = torch.Generator(self.device).manual_seed(seed)
        drawn = self.simulator.batch(n_frames, shape, generator)
        frames = torch.cat(
            [
                self.model.frames_in(camera, photons[None], n_frames=n_summed[None])
                for camera, photons, n_summed in zip(
                    drawn.cameras, drawn.photons, drawn.n_summed, strict=True
                )
            ]
        )
        per_photon = frames.new_tensor([self.model.photons_in(c) for c in drawn.cameras])
        photons = drawn.truth["photons"] / per_photon[drawn.truth.frame]
        return Batch(frames, drawn.truth.with_columns(photons=photons))
