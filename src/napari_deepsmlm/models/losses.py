"""Losses and targets that several networks share, as plain functions of tensors."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

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
    if torch.is_grad_enabled() and image.requires_grad:
        blurred: Tensor = _Blur.apply(image, sigma_px, size)  # type: ignore[no-untyped-call]
        return blurred
    return _blurred(image, sigma_px, size)


class _Blur(torch.autograd.Function):
    """A blur with an even kernel is its own transpose: gradients are blurred as images are."""

    @staticmethod
    def forward(ctx: Any, image: Tensor, sigma_px: float, size: int) -> Tensor:
        ctx.kernel = sigma_px, size
        return _blurred(image, sigma_px, size)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return _blurred(gradients[0], *ctx.kernel), None, None


def _blurred(image: Tensor, sigma_px: float, size: int) -> Tensor:
    """Add up shifted images: a convolution of one channel is ten times as slow on a CPU."""
    weights, reach = _gaussian(sigma_px, size), size // 2
    for axis, border in ((1, (0, 0, reach, reach)), (2, (reach, reach))):
        padded, n = functional.pad(image, border), image.shape[axis]
        image = padded.narrow(axis, reach, n) * weights[reach]
        for step in range(1, reach + 1):
            sides = [padded.narrow(axis, reach + side, n) for side in (-step, step)]
            image.add_(sides[0] + sides[1], alpha=weights[reach + step])
    return image


@lru_cache(maxsize=8)
def _gaussian(sigma_px: float, size: int) -> tuple[float, ...]:
    """Return the weights of a row of an odd number of pixels."""
    x = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    weights = torch.exp(-x.square() / (2 * sigma_px**2))
    return tuple((weights / weights.sum()).tolist())
