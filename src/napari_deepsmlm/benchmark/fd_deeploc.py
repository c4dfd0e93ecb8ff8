"""A U-Net of the kind and size of FD-DeepLoc, beside which the DilatedLoc paper sets its speed.

Two U-Nets of two stages, the second with the pixel's coordinates (CoordConv), and a head for each
output: 2,522,746 parameters, as the paper's Table 3 counts (Fu et al. 2023,
doi:10.1038/s41592-023-01775-5). It has no weights: it is there to be timed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor

WIDTH = 48
STAGES = 2
HEADS = (1, 4, 4, 1)
"""Probability; x, y, z and photons; their standard deviations; background."""


class FDDeepLocLike(nn.Module):
    """(B, 1, H, W) frames -> (B, 10, H, W), H and W multiples of 4.

    Examples
    --------
    >>> sum(p.numel() for p in FDDeepLocLike().parameters())
    2522746
    """

    def __init__(self) -> None:
        super().__init__()
        self.frame = _UNet(1)
        self.field = _UNet(WIDTH + 2)
        self.heads = nn.ModuleList(
            nn.Sequential(_conv(WIDTH, WIDTH), nn.ELU(), nn.Conv2d(WIDTH, n, 1)) for n in HEADS
        )

    def forward(self, frames: Tensor) -> Tensor:
        """Return all outputs as channels."""
        B, _, H, W = frames.shape
        rows, columns = torch.meshgrid(
            torch.linspace(-1, 1, H, device=frames.device),
            torch.linspace(-1, 1, W, device=frames.device),
            indexing="ij",
        )
        place = torch.stack([columns, rows]).expand(B, 2, H, W)
        features = self.field(torch.cat([self.frame(frames), place], 1))
        return torch.cat([head(features) for head in self.heads], 1)


class _UNet(nn.Module):
    def __init__(self, in_channels: int) -> None:
        super().__init__()
        widths = [WIDTH * 2**stage for stage in range(STAGES + 1)]
        self.first = nn.ModuleList([_conv(in_channels, WIDTH), _conv(WIDTH, WIDTH)])
        self.down = nn.ModuleList(
            nn.ModuleList([nn.Conv2d(w, w, 2, stride=2), _conv(w, 2 * w), _conv(2 * w, 2 * w)])
            for w in widths[:-1]
        )
        self.up = nn.ModuleList(
            nn.ModuleList([_conv(2 * w, w), _conv(2 * w, w), _conv(w, w)])
            for w in reversed(widths[:-1])
        )

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.first:
            x = functional.elu(layer(x))
        kept = []
        for layers in self.down:
            kept.append(x)
            for layer in cast("Iterable[nn.Module]", layers):
                x = functional.elu(layer(x))
        for layers in self.up:
            narrow, join, last = cast("Iterable[nn.Module]", layers)
            x = functional.elu(narrow(functional.interpolate(x, scale_factor=2)))
            x = functional.elu(join(torch.cat([x, kept.pop()], 1)))
            x = functional.elu(last(x))
        return x


def _conv(in_channels: int, out_channels: int) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 3, padding=1)
