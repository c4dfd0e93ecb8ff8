"""Blocks with batch norm last (convolution, ReLU, batch norm), and equal ones for inference."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, TypeVar, cast

from torch import nn

from napari_deepsmlm.models.blocks import (
    DilatedConv2d,
    UpsampledConv2d,
    channels_last,
    max_of_four,
    merged_convolution,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    from torch import Tensor

N = TypeVar("N", bound=nn.Module)


class NormLastBlock(nn.Module):
    """3x3 convolution with bias, ReLU, batch norm; upsampling before it where `factor` > 1."""

    def __init__(
        self, in_channels: int, out_channels: int, *, dilation: int = 1, factor: int = 1
    ) -> None:
        super().__init__()
        self.conv: UpsampledConv2d | DilatedConv2d
        if factor > 1:
            self.conv = UpsampledConv2d(in_channels, out_channels, factor=factor, bias=True)
        else:
            self.conv = DilatedConv2d(in_channels, out_channels, dilation=dilation)
        start_rectified(self.conv)
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, factor * H, factor * W)."""
        y: Tensor = self.norm(self.conv(x).relu_())
        return y

    @property
    def scale(self) -> Tensor:
        """(out,) what batch norm multiplies with, once its statistics are fixed."""
        variance = cast("Tensor", self.norm.running_var) + self.norm.eps
        scale: Tensor = self.norm.weight / variance.sqrt()
        return scale.detach()

    @property
    def is_rising(self) -> bool:
        """Whether larger values stay larger, so that maxima may be taken before batch norm."""
        return bool((self.scale > 0).all())


class _FoldedBlock(nn.Module):
    """A block whose batch norm is in its weights but for a shift, with max-pooling after it."""

    shift: Tensor

    def __init__(self, conv: nn.Module, shift: Tensor, *, pools: bool) -> None:
        super().__init__()
        self.conv, self.pools = conv, pools
        self.register_buffer("shift", shift[:, None, None])

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        if self.pools:
            y = max_of_four(y)
        shifted: Tensor = y.relu_().add_(self.shift)
        return shifted


def start_rectified(conv: UpsampledConv2d | nn.Conv2d) -> None:
    """Draw the first weights of a convolution that a ReLU (or ELU) follows."""
    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
    nn.init.zeros_(cast("Tensor", conv.bias))


def folded_for_inference(network: N, *, pooled: Collection[nn.Module] = ()) -> N:
    """Fold the batch norm of each block into the weights before it, in place; return the network.

    A block that turns values round (a negative scale) stays as it is.

    Parameters
    ----------
    network : its `NormLastBlock`s are replaced.
    pooled : blocks with rising values that take the maximum of 2x2 pixels as well.
    """
    network.eval().requires_grad_(False)
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, NormLastBlock) and child.is_rising:
                pools = any(child is each for each in pooled)
                setattr(parent, name, _folded(child, pools=pools))
    return channels_last(network)


def _folded(block: NormLastBlock, *, pools: bool) -> _FoldedBlock:
    conv, scale = block.conv, block.scale
    weight = (conv.weight * scale[:, None, None, None]).detach()
    bias = (cast("Tensor", conv.bias) * scale).detach()
    shift = (block.norm.bias - cast("Tensor", block.norm.running_mean) * scale).detach()
    plain: nn.Module
    if isinstance(conv, UpsampledConv2d):
        plain = merged_convolution(weight, bias, conv.factor)
    else:
        plain = copy.deepcopy(conv)
        plain.weight, plain.bias = nn.Parameter(weight), nn.Parameter(bias)
    return _FoldedBlock(plain.requires_grad_(False), shift, pools=pools)
