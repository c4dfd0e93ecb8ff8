"""Reading molecules out of predictions, on the device."""

from __future__ import annotations

import math
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
    image : (B, H, W) >= 0, about 1 at the peak of a certain molecule; H and W even.
    power : 1 only removes haze.
    reach_px : standard deviation of the Gaussian that defines "local", pixels.
    faintest : level at which mass is halved.
    """
    powered: Tensor = image.pow(power)
    # Local masses vary slowly: on pixels of twice the size they cost an eighth.
    before, after = (_coarse_blur(x, reach_px / 2) for x in (image, powered))
    ratio = before / (after + faintest**power)
    return powered * functional.interpolate(ratio[:, None], scale_factor=2)[:, 0]


def _coarse_blur(image: Tensor, sigma_px: float) -> Tensor:
    """(B, H, W), H and W even, -> (B, H / 2, W / 2), blurred by a sigma in its pixels."""
    coarse = functional.avg_pool2d(image[:, None], 2)[:, 0]
    return gaussian_blur(coarse, sigma_px, 2 * math.ceil(3 * sigma_px) + 1)


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
    padded = functional.pad(image, (1, 1, 1, 1))
    is_highest = (image > 0) & (image == _highest_of_three(_highest_of_three(padded, 2), 1))
    frame, row, column = torch.nonzero(is_highest, as_tuple=True)
    step = torch.arange(3, device=image.device)
    window = padded[
        frame[:, None, None], (row[:, None] + step)[:, :, None], (column[:, None] + step)[:, None]
    ]  # (N, 3, 3)
    mass = window.sum((1, 2))
    has_equal_before = (window.flatten(1)[:, :4] == window[:, 1, 1, None]).any(1)
    kept = (mass >= threshold) & ~has_equal_before
    frame, row, column, window, mass = (x[kept] for x in (frame, row, column, window, mass))
    offset = step.to(image.dtype) - 1
    y = (row + 0.5 + (window.sum(2) * offset).sum(1) / mass) * pixel_nm
    x = (column + 0.5 + (window.sum(1) * offset).sum(1) / mass) * pixel_nm
    return Localizations(frame=frame, x_nm=x, y_nm=y, probability=mass.clamp(max=1.0))


def counting_scale(found: Tensor, truth: Localizations) -> float | None:
    """Return the factor that makes sums of images numbers of molecules; None if all are empty.

    Networks find a few too many in sparse frames and too few where they crowd: relative misses
    are made least, those of nearly empty frames counting less.

    Parameters
    ----------
    found : (B,) sums of images.
    truth : torch table; `frame` is the index in the batch.
    """
    true = torch.bincount(truth.frame, minlength=len(found)).double()
    weight = 1 / (10 + true).square()
    power = (weight * found.double().square()).sum()
    if power == 0 or len(truth) == 0:
        return None
    return float((weight * found * true).sum() / power)


def _highest_of_three(image: Tensor, axis: int) -> Tensor:
    """Maxima of three neighbours along an axis, which loses its ends (a pooling, but faster)."""
    n = image.shape[axis] - 2
    first, second, third = (image.narrow(axis, start, n) for start in range(3))
    return torch.maximum(torch.maximum(first, second), third)
