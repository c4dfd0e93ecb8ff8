"""Sparse recovery: molecules on a fine grid by an l0 penalty, relaxed to CEL0.

The comparison that Deep-STORM was published with. A frame d is A x plus noise, with A the image of
a molecule in every pixel of the fine grid, and few x above zero. CEL0 (Soubies et al. 2015,
doi:10.1137/151003714) replaces the l0 penalty by one that is continuous and has the same global
minimum; it is minimised by reweighted l1 problems (Gazagnes et al. 2017,
doi:10.1109/ISBI.2017.7950460), each by FISTA (Beck & Teboulle 2009, doi:10.1137/080716542).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from pydantic import Field

from napari_deepsmlm._base import FrozenModel

if TYPE_CHECKING:
    from torch import Tensor


class SparseRecovery(FrozenModel):
    """Choices of the recovery, for a Gaussian PSF."""

    sigma_px: float = Field(gt=0, description="Of the PSF, camera pixels.")
    upsampling: int = Field(8, ge=1, le=16, description="Fine pixels per camera pixel.")
    least_photons: float = Field(
        200.0, gt=0, description="A lone molecule with less light is not worth its penalty."
    )
    n_reweightings: int = Field(4, ge=1, description="Weighted l1 problems, one after the other.")
    n_steps: int = Field(60, ge=1, description="Steps of FISTA for each of them.")

    def recover(self, frames: Tensor) -> Tensor:
        """Return (T, r H, r W) photons on the fine grid.

        Parameters
        ----------
        frames : (T, H, W) photons, background taken off.
        """
        rows, columns = (spread(side, self.upsampling, self.sigma_px) for side in frames.shape[1:])
        norm = torch.outer(rows.norm(dim=0), columns.norm(dim=0))
        # A molecule of N photons lowers the misfit by (N |a|)^2 / 2, which must exceed lambda.
        root_2_lambda = self.least_photons * float(norm.max())
        smoothness = float(torch.linalg.matrix_norm(rows, 2) ** 2)
        smoothness *= float(torch.linalg.matrix_norm(columns, 2) ** 2)
        x = torch.zeros(len(frames), rows.shape[1], columns.shape[1])
        for _ in range(self.n_reweightings):
            # Slope of CEL0 at x: where a molecule is worth its penalty, more light costs nothing.
            weights = (root_2_lambda * norm - norm.square() * x).clamp(min=0)
            x = _fista(x, frames, (rows, columns), weights / smoothness, smoothness, self.n_steps)
        return x


def spread(side_px: int, upsampling: int, sigma_px: float) -> Tensor:
    """Return (H, r H): light on each camera pixel of a molecule in the middle of each fine one."""
    fine = (torch.arange(side_px * upsampling) + 0.5) / upsampling
    edges = torch.arange(side_px + 1)
    below = torch.erf((edges[:, None] - fine) / (sigma_px * math.sqrt(2)))
    return below.diff(dim=0) / 2


def _fista(
    x: Tensor,
    frames: Tensor,
    spreads: tuple[Tensor, Tensor],
    shrink: Tensor,
    smoothness: float,
    n_steps: int,
) -> Tensor:
    """Minimise |A x - d|^2 / 2 + weights x over x >= 0; `shrink` is weights / smoothness."""
    rows, columns = spreads
    ahead, momentum = x, 1.0
    for _ in range(n_steps):
        misfit = rows @ ahead @ columns.T - frames
        slope = rows.T @ misfit @ columns
        stepped = (ahead - slope / smoothness - shrink).clamp(min=0)
        faster = (1 + math.sqrt(1 + 4 * momentum**2)) / 2
        ahead = stepped + (momentum - 1) / faster * (stepped - x)
        x, momentum = stepped, faster
    return x
