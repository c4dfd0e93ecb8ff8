"""Training data: a fresh simulated batch for every step, the same one for the same step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from napari_deepsmlm.simulation import Simulator
    from napari_deepsmlm.simulation.simulator import Batch

# Validation draws from seeds that no training step can have.
VALIDATION_STREAM = 1 << 62


class SimulatedBatches:
    """Batches of frames in photons, each a function of seed and step alone.

    So a resumed run sees what an uninterrupted one would have seen, and nothing is ever repeated.

    Parameters
    ----------
    simulator : makes frames in ADU; its camera turns them back into photons.
    shape : (H, W) of the patches, camera pixels. On a camera with maps, each lies anywhere.
    context : frames before and after the one whose molecules are the truth, stacked as channels.
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
    ) -> None:
        self.simulator = simulator
        self.batch_size = batch_size
        self.shape = shape
        self.seed = seed
        self.device = torch.device(device)
        self.context = context

    def at(self, step: int) -> Batch:
        """Return the batch of one training step."""
        return self._draw(self.batch_size, (self.seed << 40) + step)

    def validation(self, n_frames: int) -> Batch:
        """Return the validation set, drawn apart from every training batch."""
        return self._draw(n_frames, VALIDATION_STREAM + self.seed)

    def _draw(self, n_frames: int, seed: int) -> Batch:
        generator = torch.Generator(self.device).manual_seed(seed)
        camera = self.simulator.camera
        origin_px = camera.draw_origin_px(n_frames, self.shape, generator)
        batch = self.simulator.batch(
            n_frames, self.shape, generator, context=self.context, origin_px=origin_px
        )
        return batch._replace(frames=camera.to_photons(batch.frames, origin_px=origin_px))
