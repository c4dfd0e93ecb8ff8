"""Noise units: frames in standard deviations above their background, whatever the camera.

And a robust range, for networks that look at contrast alone.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

BLOCK_PX = 16
"""Side of the blocks in which the background is looked for, camera pixels."""
FAINT_SHARE = 0.25
"""Share of a block's pixels that are taken to be fainter than its background."""
KNEE = 6.0
"""Standard deviations above which brightness is compressed, to about its logarithm."""
BRIGHT_SHARE = 0.995
"""Share of a frame's pixels that are fainter than its bright spots."""
LEAST_SPAN = 4.0
"""Bright spots stand out by so many standard deviations or are taken to."""
CLIPPED = 4.0
"""Brightness over that of bright spots above which it is compressed, to about its logarithm."""
NORMAL_MAD = 0.6745
"""Median absolute deviation of a normal distribution, in standard deviations."""


class NoiseUnits(NamedTuple):
    """Frames freed of their background, and what is left to know of it."""

    frames: Tensor
    """(B, C, H, W) standard deviations of the noise above the background, compressed beyond
    `KNEE`."""
    noise: Tensor
    """(B, C, H, W) standard deviation of the background, equivalent photons."""


def to_noise_units(equivalent: Tensor) -> NoiseUnits:
    """Return frames in units of their noise.

    The root of Poisson numbers has the same variance everywhere (Anscombe 1948,
    doi:10.1093/biomet/35.3-4.246): 2 √(x + 3/8) has about 1. Offset, gain and level of the
    background so cancel but for what the level tells of brightness, which is stated apart.

    Parameters
    ----------
    equivalent : (B, C, H, W) photons of a perfect camera: see `camera.to_equivalent`.

    Examples
    --------
    >>> flat = torch.poisson(torch.full((1, 1, 64, 64), 400.0))
    >>> units = to_noise_units(flat)
    >>> 0.9 < units.frames.std().item() < 1.1, round(units.noise.mean().item())
    (True, 20)
    """
    root = 2 * (equivalent.clamp(min=0) + 0.375).sqrt()
    level = background_level(root)
    above = root - level
    return NoiseUnits(KNEE * torch.asinh(above / KNEE), level / 2)


def to_robust_range(frames: Tensor) -> tuple[Tensor, Tensor]:
    """Scale frames so that the background is 0 and bright spots are 1, whatever the camera.

    Bright spots are the brightest half percent of the medians over 3x3 pixels, so one hot pixel
    is none; where nothing stands out of the noise, it is 4 of its standard deviations.

    Parameters
    ----------
    frames : (B, 1, H, W), in any unit.

    Returns
    -------
    scaled : (B, 1, H, W), compressed above 4.
    span : (B, 1, 1, 1) what they were divided by; 0 for constant frames, which become 0.
    """
    above = frames - background_level(frames)
    H, W = (int(side) for side in frames.shape[-2:])  # plain numbers, also while traced
    around = functional.pad(above, (1, 1, 1, 1), mode="replicate")
    nine = [around[..., i : i + H, j : j + W] for i in range(3) for j in range(3)]
    middle = torch.stack(nine).kthvalue(5, dim=0).values.flatten(1)
    bright = _quantile(middle, BRIGHT_SHARE, H * W)
    # Differences of neighbours are noise and little else.
    differences = (frames[..., 1:] - frames[..., :-1]).abs().flatten(1)
    median = differences.kthvalue((H * (W - 1) + 1) // 2, dim=1).values
    noise = median / (NORMAL_MAD * math.sqrt(2))
    span = bright.maximum(LEAST_SPAN * noise)[:, None, None, None]
    scaled = torch.where(span > 0, above / span, torch.zeros_like(above))
    return CLIPPED * torch.asinh(scaled / CLIPPED), span


def _quantile(values: Tensor, share: float, n: int) -> Tensor:
    """(B, n) -> (B,) as torch's own, which ONNX has not."""
    below, part = divmod(share * (n - 1), 1)
    first = values.kthvalue(int(below) + 1, dim=1).values
    second = values.kthvalue(min(int(below) + 2, n), dim=1).values
    return first + part * (second - first)


def background_level(frames: Tensor) -> Tensor:
    """Return (B, C, H, W) a slowly varying level that few pixels around are fainter than.

    The faint quarter of blocks of about 16 pixels, smoothed over a pixel's neighbours before and
    over a block's neighbours after, and interpolated. The noise of the smoothed pixels is a
    third, so the level of empty frames lies a fifth of a standard deviation below their mean.
    """
    H, W = (int(side) for side in frames.shape[-2:])  # plain numbers, also while traced
    rows, columns = (max(1, round(side / BLOCK_PX)) for side in (H, W))
    height, width = math.ceil(H / rows), math.ceil(W / columns)
    around = functional.pad(frames, (1, 1, 1, 1), mode="replicate")
    smooth = functional.avg_pool2d(around, 3, 1)
    smooth = functional.pad(
        smooth, (0, columns * width - W, 0, rows * height - H), mode="replicate"
    )
    # (B, C, rows * height, columns * width) -> (B, C, rows, columns, height * width)
    blocks = smooth.unflatten(3, (columns, width)).unflatten(2, (rows, height))
    blocks = blocks.permute(0, 1, 2, 4, 3, 5).flatten(4)
    faint = blocks.kthvalue(max(1, round(FAINT_SHARE * height * width)), dim=4).values
    even = functional.avg_pool2d(functional.pad(faint, (1, 1, 1, 1), mode="replicate"), 3, 1)
    level: Tensor = functional.interpolate(
        even, size=(rows * height, columns * width), mode="bilinear", align_corners=False
    )
    return level[:, :, :H, :W]
