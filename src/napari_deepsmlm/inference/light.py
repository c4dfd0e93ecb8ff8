"""Light: how much of it stands above the background in frames, at the very most."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

# The background of a frame is this quantile of means over squares of this many pixels: single
# pixels are too noisy, and larger squares all contain molecules.
FAINT_SHARE = 0.1
BOX_PX = 3
# Squares that are enough for the quantile; larger frames use every second, third ... square.
ENOUGH_PLACES = 1 << 9


def light_above_background(frames: Tensor) -> Tensor:
    """Return (B,) light of each frame above its faintest tenth, all channels together.

    More cannot come from molecules. It is generous: an uneven background counts as light of
    molecules, and so does a part of the noise.

    Parameters
    ----------
    frames : (B, C, H, W) in any unit, which is that of the result.

    Examples
    --------
    >>> import torch
    >>> frame = torch.full((1, 1, 32, 32), 100.0)
    >>> frame[0, 0, 8, 8] += 500
    >>> light_above_background(frame).tolist()
    [500.0]
    """
    B, C, H, W = frames.shape
    frames = frames.float()
    smooth, side = frames, min(BOX_PX, H, W)
    rows, columns = H - side + 1, W - side + 1
    step = max(1, round((rows * columns / ENOUGH_PLACES) ** 0.5))
    for axis, n in ((2, rows), (3, columns)):  # a pooling, but ten times as fast on a CPU
        cut = (slice(None),) * axis
        smooth = reduce(torch.add, [smooth[*cut, k : k + n : step] for k in range(side)]) / side
    places = smooth.reshape(B, C, -1)
    rank = max(1, round(FAINT_SHARE * places.shape[-1]))
    faint = places.kthvalue(rank, dim=-1).values
    above = frames.sum((2, 3)) - H * W * faint
    return above.clamp(min=0).sum(1)
