"""Reading molecules out of predictions, on the device."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch.nn import functional

from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.models.losses import gaussian_blur

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
    in_fours = powered.unflatten(2, (-1, 2)).unflatten(1, (-1, 2))
    sharp: Tensor = in_fours * ratio[:, :, None, :, None]
    return sharp.reshape(image.shape)


def _coarse_blur(image: Tensor, sigma_px: float) -> Tensor:
    """(B, H, W), H and W even, -> (B, H / 2, W / 2), blurred by a sigma in its pixels."""
    rows = image[:, ::2] + image[:, 1::2]
    coarse = (rows[:, :, ::2] + rows[:, :, 1::2]) / 4
    return gaussian_blur(coarse, sigma_px, 2 * math.ceil(3 * sigma_px) + 1)


def peaks(image: Tensor, *, pixel_nm: float, threshold: float) -> Localizations:
    """Return one molecule for each local maximum of an image of molecules per pixel.

    A pixel of the blurred image that is not below any other of the 5x5 around it is a peak; the
    image itself on these 5x5 gives the probability (its sum, at most 1) and the position (its
    centre of gravity). The blur is that of the losses: what is finer was never learnt, so two
    spikes side by side are one molecule. Of equal neighbours the first in reading order counts.

    Parameters
    ----------
    image : (B, H, W) molecules per pixel, >= 0.
    pixel_nm : side of its pixels, nm.
    threshold : least probability.

    Returns
    -------
    Columns frame (index in the batch), x_nm, y_nm, probability; sorted by frame.
    """
    padded, blurred = (_padded(x) for x in (image, gaussian_blur(image)))
    highest = blurred
    for axis in _REACH * (2, 1):
        highest = _highest_of_three(highest, axis)
    inner = blurred[:, _REACH:-_REACH, _REACH:-_REACH]
    is_peak = (inner > _LEAST_SEEN * threshold) & (inner == highest)
    place = torch.nonzero(is_peak, as_tuple=True)
    around = _around(blurred, place).flatten(1)
    has_equal_before = (around[:, : _WINDOW**2 // 2] == around[:, _WINDOW**2 // 2, None]).any(1)
    window = _around(padded, place)
    mass = window.sum((1, 2))
    kept = (mass >= threshold) & (mass > 0) & ~has_equal_before
    frame, row, column, window, mass = (x[kept] for x in (*place, window, mass))
    offset = torch.arange(-_REACH, _REACH + 1, device=image.device, dtype=image.dtype)
    y = (row + 0.5 + (window.sum(2) * offset).sum(1) / mass) * pixel_nm
    x = (column + 0.5 + (window.sum(1) * offset).sum(1) / mass) * pixel_nm
    return Localizations(frame=frame, x_nm=x, y_nm=y, probability=mass.clamp(max=1.0))


_REACH = 2
"""Pixels of an image that belong to a peak on each side of it."""
_WINDOW = 2 * _REACH + 1
_LEAST_SEEN = 0.99 * math.exp(-(_REACH**2)) / (2 * math.pi)
"""What the blur, whose sigma is a pixel, shows at a peak of the mass in its window, at least."""


def _padded(image: Tensor) -> Tensor:
    return functional.pad(image, (_REACH,) * 4)


def _around(padded: Tensor, place: tuple[Tensor, ...]) -> Tensor:
    """(B, H, W) padded, N places in it before padding -> (N, 5, 5) pixels around them."""
    frame, row, column = place
    step = torch.arange(_WINDOW, device=padded.device)
    rows, columns = row[:, None] + step, column[:, None] + step
    window: Tensor = padded[frame[:, None, None], rows[:, :, None], columns[:, None]]
    return window


def highest_cells(probability: Tensor, *, candidate: float = 0.3, second: float = 0.6) -> Tensor:
    """Return the probability of a molecule in cells that are found, 0 elsewhere, as published.

    A cell above `candidate` that is the highest of its 3x3 neighbourhood, or any above `second`,
    is found; the probability of its four neighbours is added, as a molecule near a border
    is shared by both cells.

    Parameters
    ----------
    probability : (B, H, W).
    """
    above = probability * (probability > candidate)
    highest = functional.max_pool2d(above[:, None], 3, 1, 1)[:, 0]
    is_highest = (above > 0) & (above == highest)
    padded = functional.pad(probability, (1, 1, 1, 1))
    shared = (
        probability
        + padded[:, :-2, 1:-1]
        + padded[:, 2:, 1:-1]
        + padded[:, 1:-1, :-2]
        + padded[:, 1:-1, 2:]
    )
    return (is_highest | (probability > second)) * shared.clamp(max=1)


MAX_APART = 80.0
"""Half a square of standard deviations."""


class Shares(NamedTuple):
    """Molecules as weighted means of neighbouring cells."""

    mass: Tensor
    """(M,) probability of each molecule: what its cells say together, at most 1."""
    cells: Tensor
    """(M, 9) cells that have a part in it, as indices of the N candidates; N: none."""
    weights: Tensor
    """(M, 9) parts of the cells, of sum 1."""

    def mean(self, values: Tensor) -> Tensor:
        """(N, D) values of the candidates -> (M, D) of the molecules."""
        padded = functional.pad(values, (0, 0, 0, 1))
        mean: Tensor = (self.weights[..., None] * _at(padded, self.cells)).sum(1)
        return mean


def share_out(
    probability: Tensor,
    position: Tensor,
    sigma: Tensor,
    cell: tuple[Tensor, Tensor, Tensor],
    *,
    threshold: float,
    is_bead: Tensor | None = None,
    least_distance: float = 0.3,
    one_place: float = 0.1,
    rounds: int = 4,
) -> Shares:
    """Gather the probability that neighbouring cells give to the same place into molecules.

    A molecule near the border of two cells shows in both: each has a part of the probability, and
    both predict the same position. Two close molecules show as two cells with different positions.
    Whether positions are the same is judged by their distance in units of their standard
    deviations. In each round, the cells that collect most probability from their neighbours become
    molecules; that probability, at most 1, is subtracted from the cells it came from, and the rest
    may form another molecule. Around a bead all cells are certain, which is enough for several
    molecules: there, a second molecule at the place of the first one is dropped.

    Parameters
    ----------
    probability : (N,) of candidate cells, in ascending order of frame, row and column.
    position : (N, 2) of what they speak of, in cells.
    sigma : (N, 2) standard deviations of `position`, in cells.
    cell : (N,) frame, row and column of the candidates.
    threshold : least mass of a molecule.
    least_distance : cells; positions nearer than this are the same place at any precision.
    is_bead : (N,) candidates that are brighter than a molecule; none if not given.
    one_place : cells; a bead is found once within this.
    """
    near, n = _neighbours(*cell), len(probability)
    left = functional.pad(probability, (0, 1))  # here and below, the last entry is of no cell
    # No more than all that the cells around hold can be collected: most cells never become one.
    around = _at(left, near).sum(1)
    own = torch.nonzero((around >= threshold) & (probability > 0))[:, 0]
    near = _at(near, own)
    same = _sameness(position, sigma, own, near, least_distance)
    placed, sides = position.new_full((n + 1, 2), math.inf), torch.arange(9, device=near.device)
    has_beads = is_bead is not None and bool(is_bead.any())
    found = [Shares(left[:0], near[:0], same[:0])]
    for _ in range(rounds):
        part = same * _at(left, near)
        mass = part.sum(1)
        # What is left only gets less, so who has too little now will never have enough.
        can = torch.nonzero((mass >= threshold) & (mass > 0) & (left[own] > 0))[:, 0]
        if not len(can):
            break
        own, near, same, part, mass = (_at(x, can) for x in (own, near, same, part, mass))
        first = torch.nonzero(_are_greatest(mass, own, near, n))[:, 0]
        collected, cells, share, part_taken = (_at(x, first) for x in (mass, near, same, part))
        shares = Shares(collected.clamp(max=1), cells, part_taken / collected[:, None])
        taken = left.new_zeros(n + 1, 9)  # of each cell, by each of those around it
        taken[cells, sides] = share / collected.clamp(min=1)[:, None]
        left = left * (1 - taken.sum(1)).clamp(min=0)
        if is_bead is not None and has_beads:
            place = shares.mean(position)
            away = (placed[cells] - place[:, None]).square().sum(-1).amin(1)
            is_new = (away >= one_place**2) | ~is_bead[own[first]]
            placed[own[first]] = place
            shares = Shares(*(column[is_new] for column in shares))
        found.append(shares)
    return Shares(*(torch.cat(parts) for parts in zip(*found, strict=True)))


def _sameness(
    position: Tensor, sigma: Tensor, own: Tensor, near: Tensor, least_distance: float
) -> Tensor:
    """(M, 9) how surely candidates `near` (M, 9) speak of the same place as `own` (M,)."""
    variance = functional.pad(sigma.square().mean(1), (0, 1))
    between = (_at(variance, near) + variance[own, None]).clamp(min=least_distance**2)
    apart = torch.zeros_like(between)
    for along in functional.pad(position.T, (0, 1)):
        apart += (_at(along, near) - along[own, None]).square()
    # Where positions are far apart a product with it is 0 all the same, which takes exp ten times
    # as long to work out.
    return torch.exp(-(apart / (2 * between)).clamp(max=MAX_APART))


def _are_greatest(mass: Tensor, own: Tensor, near: Tensor, n: int) -> Tensor:
    """(M,) which of `own` have more mass than all `near` (M, 9) of them; of equals the first."""
    masses = mass.new_zeros(n + 1)
    masses[own] = mass
    around = _at(masses, near)
    has_equal_before = (around[:, :4] == mass[:, None]).any(1)
    return (mass == around.amax(1)) & ~has_equal_before


def _at(values: Tensor, places: Tensor) -> Tensor:
    """Return values[places], which would take a CPU three times as long."""
    return values.index_select(0, places.flatten()).view(*places.shape, *values.shape[1:])


def _neighbours(frame: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """(N,) sorted places of candidates -> (N, 9) indices of those in the 3x3 around, or N."""
    n = len(frame)
    if n == 0:
        return frame.new_zeros(0, 9)
    rows, columns = int(row.max()) + 3, int(column.max()) + 3
    index = frame.new_full(((int(frame.max()) + 1) * rows * columns,), n)
    place = (frame * rows + row + 1) * columns + column + 1
    index[place] = torch.arange(n, device=frame.device)
    step = torch.arange(-1, 2, device=frame.device)
    return _at(index, place[:, None] + (step[:, None] * columns + step).flatten())


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
    n = len(voxel)
    one, other = _near_pairs(voxel, position, shape, distance)
    rank = torch.empty_like(voxel[:, 0])
    best_first = probability.argsort(descending=True, stable=True)
    rank[best_first] = torch.arange(n, device=rank.device)
    owner = torch.full_like(rank, -1)  # the row that a detection became part of
    is_open = torch.ones_like(rank, dtype=torch.bool)
    itself = torch.arange(n, device=rank.device)
    mine, theirs = one, other  # pairs of which both are open
    while bool(is_open.any()):
        is_peak = is_open & (rank < _least(rank[theirs], mine, n))
        owner[is_peak] = itself[is_peak]
        taken_by = is_peak[theirs]
        taker_rank = _least(rank[theirs[taken_by]], mine[taken_by], n)
        is_taken = is_open & ~is_peak & (taker_rank < n)
        owner[is_taken] = best_first[taker_rank[is_taken]]
        is_open = is_open & ~is_peak & ~is_taken
        are_open = is_open[mine] & is_open[theirs]
        mine, theirs = mine[are_open], theirs[are_open]
    is_part = owner[other] == one
    one, other = one[is_part], other[is_part]
    total = probability.index_add(0, one, probability[other])
    weighted = position * probability[:, None]
    mean = weighted.index_add(0, one, weighted[other])
    kept = torch.nonzero(owner == itself)[:, 0]
    return kept, mean[kept] / total[kept, None], total[kept].clamp(max=1.0)


def _least(values: Tensor, rows: Tensor, n: int) -> Tensor:
    """(n,) the smallest of the values of each row, n where there is none."""
    return values.new_full((n,), n).scatter_reduce(0, rows, values, "amin")


def _near_pairs(
    voxel: Tensor, position: Tensor, shape: torch.Size, distance: float
) -> tuple[Tensor, Tensor]:
    """Rows of detections in adjacent voxels that lie within reach, each pair in both orders."""
    B, P, H, W = shape
    padded = voxel.new_full((B * (P + 2) * (H + 2) * (W + 2),), -1)
    frame, plane, row, column = voxel.unbind(1)
    place = ((frame * (P + 2) + plane + 1) * (H + 2) + row + 1) * (W + 2) + column + 1
    padded[place] = torch.arange(len(voxel), device=voxel.device)
    step = torch.arange(-1, 2, device=voxel.device)
    steps = torch.cartesian_prod(step, step, step)
    steps = (steps[:, 0] * (H + 2) + steps[:, 1]) * (W + 2) + steps[:, 2]
    neighbour = _at(padded, place[:, None] + steps[steps != 0])  # (N, 26)
    one, which = torch.nonzero(neighbour >= 0, as_tuple=True)
    other = neighbour[one, which]
    is_near = (_at(position, other) - _at(position, one)).square().sum(-1) < distance**2
    return one[is_near], other[is_near]
