"""Background: light between the molecules that varies smoothly over a frame."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


def smooth_pattern(
    n: int, shape: tuple[int, int], feature_px: float, generator: torch.Generator
) -> Tensor:
    """Return (n, 1, H, W) gradient noise in [-1, 1], of mean 0 over many draws.

    Perlin's noise (1985, doi:10.1145/325165.325247) with the fade of his 2002 improvement,
    doi:10.1145/566654.566636: random unit gradients on a lattice, faded into each other. Its
    bound in two dimensions is 1/√2, so it is scaled by √2.

    Parameters
    ----------
    feature_px : distance of lattice points, camera pixels.
    """
    device = generator.device
    offset = torch.rand(2, generator=generator, device=device)
    rows, columns = (
        (torch.arange(side, device=device) + 0.5) / feature_px + shift
        for side, shift in zip(shape, offset, strict=True)
    )
    lattice = [int(places[-1].floor()) + 2 for places in (rows, columns)]
    angle = torch.rand(n, *lattice, generator=generator, device=device) * 2 * math.pi
    gradient_y, gradient_x = angle.sin(), angle.cos()
    row, column = rows.floor().long()[:, None], columns.floor().long()
    dy, dx = (rows - rows.floor())[:, None], columns - columns.floor()

    def pull(down: int, right: int) -> Tensor:
        at = (slice(None), row + down, column + right)
        pulled: Tensor = gradient_y[at] * (dy - down) + gradient_x[at] * (dx - right)
        return pulled

    top = torch.lerp(pull(0, 0), pull(0, 1), _fade(dx))
    bottom = torch.lerp(pull(1, 0), pull(1, 1), _fade(dx))
    return math.sqrt(2) * torch.lerp(top, bottom, _fade(dy))[:, None]


def _fade(t: Tensor) -> Tensor:
    return t**3 * (t * (6 * t - 15) + 10)
