"""Preview: what a network in training makes of a few frames, as images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from napari_deepsmlm.models import ImageModel
from napari_deepsmlm.render import gaussian

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from napari_deepsmlm.models import SMLMModel

SR_PIXELS_PER_PX = 4


@torch.no_grad()
def preview_images(model: SMLMModel, frames: Tensor) -> tuple[np.ndarray[Any, Any], ...]:
    """Return (r H, r W) molecules per super-resolution pixel for each frame.

    Parameters
    ----------
    model : in evaluation mode.
    frames : (B, C, H, W) photons. The molecules of localizing networks are drawn with
        r = 4, as Gaussians with a standard deviation of one pixel.
    """
    weights = next(model.parameters())
    prediction = model(frames.to(weights.device))
    if isinstance(model, ImageModel):
        return tuple(model.to_image(prediction).float().cpu().numpy())
    found = model.to_localizations(prediction)
    H, W = frames.shape[-2:]
    shape = SR_PIXELS_PER_PX * H, SR_PIXELS_PER_PX * W
    pixel_nm = model.pixel_size_nm / SR_PIXELS_PER_PX
    return tuple(
        gaussian(found.in_frames(n, n + 1), shape, sr_pixel_nm=pixel_nm, sigma_nm=pixel_nm)
        .cpu()
        .numpy()
        for n in range(len(frames))
    )
