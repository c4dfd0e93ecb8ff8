"""Likelihood of molecules under cells that each may hold one, after DECODE.

Speiser et al. 2021, doi:10.1038/s41592-021-01236-x: a cell holds a molecule with a probability p,
at a normally distributed place. The loss is the negative logarithm of the probability of the true
number of molecules and of the density of their true places.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor


def count_loss(probability: Tensor, counted: Tensor) -> Tensor:
    """Return -log of the probability of the true numbers of molecules, summed over frames.

    The number is a sum of Bernoulli variables, taken as a Gaussian of mean sum(p) and variance
    sum(p - p^2).

    Parameters
    ----------
    probability : (B, H, W) that a cell holds a molecule.
    counted : (B,) true numbers.
    """
    mean = probability.sum((1, 2))
    variance = (probability - probability.square()).sum((1, 2)) + 1e-6
    terms = (counted - mean).square() / variance + (2 * math.pi * variance).log()
    return 0.5 * terms.sum()


def weighted_cross_entropy(logit: Tensor, occupied: Tensor) -> Tensor:
    """Cross-entropy summed over cells, weight 0.65 where there is a molecule, else 0.35."""
    weight = 0.35 + 0.30 * occupied
    return functional.binary_cross_entropy_with_logits(logit, occupied, weight, reduction="sum")


def mixture_loss(
    logit: Tensor,
    offset: Tensor,
    sigma: Tensor,
    frame: Tensor,
    true: Tensor,
    *,
    reach: int,
    is_squared: bool = True,
) -> Tensor:
    """Return -log of the density of the true molecules under a mixture over cells, summed.

    Cell k of a frame has weight p_k / sum(p) and a normal distribution around its centre plus
    offset. Only cells up to `reach` from a molecule's own are looked at.

    Parameters
    ----------
    logit : (B, H, W) of the probabilities p.
    offset, sigma : (B, D, H, W) means, the first two (x, y) relative to the cell's centre in
        cells, and standard deviations.
    frame : (N,) index in the batch.
    true : (N, D) values of the molecules, the first two in cells from the frame's corner.
    is_squared : exponent d^2 / (2 s^2), or |d| / (2 s^2) with the same normalisation, which is
        no density but what the authors' code does.
    """
    _, D, H, W = offset.shape
    step = torch.arange(-reach, reach + 1, device=logit.device)
    row = true[:, 1].floor().long()[:, None, None] + step[:, None]
    column = true[:, 0].floor().long()[:, None, None] + step
    is_inside = (row >= 0) & (row < H) & (column >= 0) & (column < W)  # (N, K, K)
    row, column = row.clamp(0, H - 1), column.clamp(0, W - 1)
    row, column = row.expand_as(is_inside).flatten(1), column.expand_as(is_inside).flatten(1)
    place = (frame[:, None] * H + row) * W + column  # (N, K * K)

    log_total = logit.sigmoid().sum((1, 2)).clamp(min=1e-6).log()
    log_weight = functional.logsigmoid(logit).flatten()[place] - log_total[frame][:, None]
    # (B, D, H, W) -> (B*H*W, D), picked: (N, K * K, D)
    mean, spread = (v.permute(0, 2, 3, 1).reshape(-1, D)[place] for v in (offset, sigma))
    centre = torch.zeros_like(mean)
    centre[..., 0], centre[..., 1] = column + 0.5, row + 0.5
    distance = true[:, None] - (centre + mean)
    distance = distance.square() if is_squared else distance.abs()
    log_density = -distance / (2 * spread.square()) - spread.log() - 0.5 * math.log(2 * math.pi)
    terms = (log_weight + log_density.sum(-1)).masked_fill(~is_inside.flatten(1), -math.inf)
    return -terms.logsumexp(1).sum()
