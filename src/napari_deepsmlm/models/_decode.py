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


def _highest_of_three(image: Tensor, axis: int) -> Tensor:
    """Maxima of three neighbours along an axis, which loses its ends (a pooling, but faster)."""
    n = image.shape[axis] - 2
    first, second, third = (image.narrow(axis, start, n) for start in range(3))
    return torch.maximum(torch.maximum(first, second), third)


def merged_neighbours(
    voxel: Tensor, position: Tensor, probability: Tensor, shape: torch.Size, distance: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Join detections in adjacent voxels that lie closer together than `distance`.

    Greedy by probability: the highest takes all its neighbours within reach, then the highest of
    those left, and so on; of equals the first. All detections that are the highest around them
    are settled at once, so there are as many rounds as the longest chain has links, a few.

    Parameters
    ----------
    voxel : (N, 4) frame, plane, row and column of each detection, in this order sorted.
    position : (N, 2 or 3) predicted positions, voxel sides.
    probability : (N,).
    shape : (B, P, H, W) of the voxels.
    distance : voxel sides.

    Returns
    -------
    kept : (M,) rows that took others or stand alone.
    position : (M, 2 or 3) means over what each row took, weighted by probability.
    probability : (M,) sums over it, at most 1.
    """
    near, neighbour = _near_neighbours(voxel, position, shape, distance)
    rank = torch.empty_like(voxel[:, 0])
    best_first = probability.argsort(descending=True, stable=True)
    rank[best_first] = torch.arange(len(rank), device=rank.device)
    owner = torch.full_like(rank, -1)  # the row that a detection became part of
    is_open = torch.ones_like(rank, dtype=torch.bool)
    itself = torch.arange(len(rank), device=rank.device)
    while bool(is_open.any()):
        rivals = torch.where(near & is_open[neighbour], rank[neighbour], len(rank))
        is_peak = is_open & (rank < rivals.amin(1))
        owner[is_peak] = itself[is_peak]
        taker_rank = torch.where(near & is_peak[neighbour], rank[neighbour], len(rank)).amin(1)
        is_taken = is_open & (taker_rank < len(rank))
        owner[is_taken] = best_first[taker_rank[is_taken]]
        is_open = is_open & ~is_peak & ~is_taken
    kept = torch.nonzero(owner == itself)[:, 0]
    parts = neighbour[kept]  # (M, 26)
    share = probability[parts] * (near[kept] & (owner[parts] == kept[:, None]))
    total = probability[kept] + share.sum(1)
    mean = position[kept] * probability[kept, None] + (position[parts] * share[..., None]).sum(1)
    return kept, mean / total[:, None], total.clamp(max=1.0)


def _near_neighbours(
    voxel: Tensor, position: Tensor, shape: torch.Size, distance: float
) -> tuple[Tensor, Tensor]:
    """Whether each of the 26 neighbours is a detection within reach, and its row: (N, 26) both."""
    B, P, H, W = shape
    padded = voxel.new_full((B, P + 2, H + 2, W + 2), -1)
    frame, plane, row, column = voxel.unbind(1)
    padded[frame, plane + 1, row + 1, column + 1] = torch.arange(len(voxel), device=voxel.device)
    step = torch.arange(3, device=voxel.device)
    steps = torch.cartesian_prod(step, step, step)
    steps = steps[torch.arange(27, device=voxel.device) != 13]  # all but the voxel itself
    z, y, x = (axis[:, None] + steps[:, i] for i, axis in enumerate((plane, row, column)))
    neighbour = padded[frame[:, None], z, y, x]
    apart = (position[neighbour] - position[:, None]).square().sum(-1)
    return (neighbour >= 0) & (apart < distance**2), neighbour.clamp(min=0)
