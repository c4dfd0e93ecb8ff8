"""Spots: where a matched filter sees more light than noise explains."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch.nn import functional

from napari_deepsmlm.fitting.noise import Noise

if TYPE_CHECKING:
    from torch import Tensor

    from napari_deepsmlm.psf import PSF

DEPTHS = 5
"""Filters over the depth range of a PSF that has one."""


class Spots(NamedTuple):
    """Candidates, sorted by frame."""

    frame: Tensor
    """(M,) index in the frames that were searched."""
    row: Tensor
    """(M,) pixel."""
    column: Tensor
    """(M,) pixel."""
    contrast: Tensor
    """(M,) light over its standard deviation in an empty frame."""


def find_spots(
    frames: Tensor,
    psf: PSF,
    *,
    threshold: float,
    noise: Noise | None = None,
    window_px: int | None = None,
    min_distance_px: int | None = None,
    border_px: int = 2,
) -> Spots:
    """Return local maxima of the light that a molecule at each pixel would explain.

    The filter is the PSF's image without its mean, so that an even background drops out: its
    response, scaled, is the least-squares estimate of a molecule's photons. The standard
    deviation of that estimate follows from the camera's noise at the local mean of the frame,
    so one threshold serves bright and dim backgrounds. With depth, the best of 5 filters counts.

    Parameters
    ----------
    frames : (B, C, H, W) photons.
    threshold : least contrast, in standard deviations.
    noise : of the camera; shot noise only if left out.
    window_px : side of the filter, odd; as far as the PSF reaches if left out.
    min_distance_px : of two maxima closer than this along both axes the larger one counts.
    border_px : maxima nearer to the edge are left out: half of their light is missing.
    """
    noise = noise or Noise()
    side = window_px or default_window_px(psf)
    separation = min_distance_px or max(2, psf.reach_px // 2)
    contrast = _contrast(frames, _filters(psf, side).to(frames), noise)
    highest = functional.max_pool2d(contrast, 2 * separation + 1, stride=1, padding=separation)
    is_spot = (contrast == highest) & (contrast > threshold)
    is_inside = torch.zeros_like(is_spot)
    H, W = is_spot.shape[-2:]
    is_inside[..., border_px : H - border_px, border_px : W - border_px] = True
    frame, _, row, column = torch.nonzero(is_spot & is_inside, as_tuple=True)
    return Spots(frame, row, column, contrast[frame, 0, row, column])


def default_window_px(psf: PSF) -> int:
    """Return the side of a window that holds a molecule's light."""
    return 2 * psf.reach_px + 1


def _filters(psf: PSF, side: int) -> Tensor:
    """(D, C, side, side) images of one photon without their mean, over the depths."""
    middle = side / 2 * psf.pixel_size_nm
    depths = torch.zeros(1, dtype=torch.float64)
    if psf.depth_range_nm is not None:
        depths = torch.linspace(*psf.depth_range_nm, DEPTHS, dtype=torch.float64)
    xyz_nm = torch.stack([torch.full_like(depths, middle)] * 2 + [depths], dim=-1)
    image = psf.render(xyz_nm[:, None], xyz_nm.new_ones(len(depths), 1), (side, side))
    level = image - image.mean((2, 3), keepdim=True)
    return level / level.square().sum((1, 2, 3), keepdim=True)


def _contrast(frames: Tensor, filters: Tensor, noise: Noise) -> Tensor:
    """(B, C, H, W) -> (B, 1, H, W) photons over their standard deviation."""
    half = filters.shape[-1] // 2
    # Twice as wide as the filter: a molecule's own light hardly raises the mean.
    local = functional.avg_pool2d(
        frames, 4 * half + 1, stride=1, padding=2 * half, count_include_pad=False
    )
    # Beyond the edge the frame goes on as its outermost pixels do.
    rim = (half,) * 4
    light = functional.conv2d(functional.pad(frames, rim, mode="replicate"), filters)
    spread = functional.pad(noise.variance(local), rim, mode="replicate")
    variance = functional.conv2d(spread, filters.square())
    return (light / variance.clamp(min=1e-12).sqrt()).amax(1, keepdim=True)
