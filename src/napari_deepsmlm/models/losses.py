"""Losses and targets that several networks share, as plain functions of tensors."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

    from napari_deepsmlm.localizations import Localizations


def spike_image(truth: Localizations, shape: tuple[int, int, int], pixel_nm: float) -> Tensor:
    """Return ones where a molecule lies, zeros elsewhere.

    A molecule belongs to the pixel that contains it (floor of position / pixel); two in one
    pixel count once.

    Parameters
    ----------
    truth : torch table; `frame` is the index in the batch.
    shape : (B, rows, columns) of the image.
    pixel_nm : its pixel, nm.
    """
    image = torch.zeros(shape, device=truth.frame.device)
    image[_pixel_of(truth, shape, pixel_nm)] = 1.0
    return image


def weighted_spikes(
    truth: Localizations, weights: Tensor, shape: tuple[int, int, int], pixel_nm: float
) -> Tensor:
    """Return the sum of the molecules' weights in each pixel.

    Parameters are those of :func:`spike_image`, whose molecules count once per pixel; `weights`
    is (N,).
    """
    image = torch.zeros(shape, device=truth.frame.device)
    places = _pixel_of(truth, shape, pixel_nm)
    return image.index_put_(places, weights.to(image), accumulate=True)


def _pixel_of(
    truth: Localizations, shape: tuple[int, int, int], pixel_nm: float
) -> tuple[Tensor, Tensor, Tensor]:
    row = (truth.y_nm / pixel_nm).floor().long().clamp_(0, shape[1] - 1)
    column = (truth.x_nm / pixel_nm).floor().long().clamp_(0, shape[2] - 1)
    return truth.frame, row, column


def gaussian_blur(image: Tensor, sigma_px: float = 1.0, size: int = 7) -> Tensor:
    """Convolve (B, H, W) with a size x size Gaussian of sum 1, zeros outside the image."""
    kernel = _gaussian(sigma_px, size).to(image)
    rows = functional.conv2d(image[:, None], kernel[:, None].expand(1, 1, -1, 1), padding="same")
    return functional.conv2d(rows, kernel.expand(1, 1, 1, -1), padding="same")[:, 0]


@lru_cache(maxsize=8)
def _gaussian(sigma_px: float, size: int) -> Tensor:
    with torch.inference_mode(False):  # it is kept, and training may be the next to use it
        x = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
        weights = torch.exp(-x.square() / (2 * sigma_px**2))
        return (weights / weights.sum()).float()
