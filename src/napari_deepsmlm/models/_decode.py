"""Reading molecules out of predictions, on the device."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.models._losses import gaussian_blur

if TYPE_CHECKING:
    from torch import Tensor


def sharpen(
    image: Tensor, power: float, *, reach_px: float = 2.5, faintest: float = 0.01
) -> Tensor:
    """Draw the mass of each blob together without moving or brightening it.

    A network trained on squared error answers with the mean over all places where a molecule may
    be: a blob as wide as its uncertainty, around a centre that is itself off by as much. Summed
    over frames the uncertainty counts twice. Raised to a power n, a Gaussian blob gets narrower by
    the root of n; multiplying with the ratio of local masses before and after gives it back its
    mass. What is much fainter than `faintest` is haze and goes.

    Parameters
    ----------
    image : (B, H, W) >= 0, about 1 at the peak of a certain molecule.
    power : 1 only removes haze.
    reach_px : standard deviation of the Gaussian that defines "local", pixels.
    faintest : level at which mass is halved.
    """
    powered: Tensor = image.pow(power)
    size = 2 * round(3 * reach_px) + 1
    before = gaussian_blur(image, reach_px, size)
    after = gaussian_blur(powered, reach_px, size)
    return powered * (before / (after + faintest**power))


def peaks(image: Tensor, *, pixel_nm: float, threshold: float) -> Localizations:
    """Return one molecule for each local maximum of an image of molecules per pixel.

    A pixel that is not below any of its eight neighbours is a peak; its 3x3 neighbourhood gives
    the probability (its sum, at most 1) and the position (its centre of gravity). Of equal
    neighbours the first in reading order counts.

    Parameters
    ----------
    image : (B, H, W) molecules per pixel, >= 0.
    pixel_nm : side of its pixels, nm.
    threshold : least probability.

    Returns
    -------
    Columns frame (index in the batch), x_nm, y_nm, probability; sorted by frame.
    """
    mass = 9 * functional.avg_pool2d(image[:, None], 3, stride=1, padding=1)[:, 0]
    is_peak = (mass >= threshold) & (image > 0) & _is_largest(image)
    frame, row, column = torch.nonzero(is_peak, as_tuple=True)
    padded = functional.pad(image, (1, 1, 1, 1))
    step = torch.arange(3, device=image.device)
    window = padded[
        frame[:, None, None], (row[:, None] + step)[:, :, None], (column[:, None] + step)[:, None]
    ]
    total = window.sum((1, 2))
    offset = step.to(image.dtype) - 1
    y = (row + 0.5 + (window.sum(2) * offset).sum(1) / total) * pixel_nm
    x = (column + 0.5 + (window.sum(1) * offset).sum(1) / total) * pixel_nm
    return Localizations(frame=frame, x_nm=x, y_nm=y, probability=total.clamp(max=1.0))


def _is_largest(image: Tensor) -> Tensor:
    """Whether a pixel exceeds the neighbours before it and is not below those after it."""
    height, width = image.shape[-2:]
    padded = functional.pad(image, (1, 1, 1, 1), value=-torch.inf)
    result = torch.ones_like(image, dtype=torch.bool)
    for dy in range(3):
        for dx in range(3):
            if (dy, dx) == (1, 1):
                continue
            neighbour = padded[..., dy : dy + height, dx : dx + width]
            is_before = (dy, dx) < (1, 1)
            result &= (image > neighbour) if is_before else (image >= neighbour)
    return result
