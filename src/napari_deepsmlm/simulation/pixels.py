"""Pixels: those of an sCMOS differ in gain, offset and read noise, and nobody is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from napari_deepsmlm.camera import SCMOS

# Gains differ by a share, offsets by so many ADU, and read noise by a log-normal factor, so that a
# few pixels are far noisier than the rest (as those of Huang et al. 2013, doi:10.1038/nmeth.2488).
# Spreads of a sample are drawn up to these.
MAPPED_GAIN, MAPPED_OFFSET_ADU, MAPPED_READ = 0.03, 3.0, 0.6


def as_mapped(
    adu: Tensor, camera: SCMOS, n_summed: Tensor, generator: torch.Generator, *, share: float
) -> Tensor:
    """Return frames as pixels that differ would have read them, in a share of the samples.

    Parameters
    ----------
    adu : as the camera reads them with pixels that are all alike.
    n_summed : frames in them.
    """
    chance, *spreads = torch.rand(4, generator=generator, device=adu.device).tolist()
    if chance >= share:
        return adu

    def normal() -> Tensor:
        return torch.randn(adu.shape, generator=generator, device=adu.device)

    gain = 1 + spreads[0] * MAPPED_GAIN * normal()
    offset = spreads[1] * MAPPED_OFFSET_ADU * normal()
    # What a pixel reads more noisily than the mean; one that is quieter is left as it is.
    noisier = (2 * spreads[2] * MAPPED_READ * normal()).exp() - 1
    more_adu = camera.read_noise_e / camera.e_per_adu * (noisier.clamp(min=0) * n_summed).sqrt()
    dark = camera.baseline * n_summed
    read: Tensor = dark + (adu - dark) * gain + offset * n_summed + more_adu * normal()
    return read
