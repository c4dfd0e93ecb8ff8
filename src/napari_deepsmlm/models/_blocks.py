"""Layers that several networks share, written so that they cost least."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, TypeVar, cast

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor


N = TypeVar("N", bound=nn.Module)


class ConvBlock(nn.Sequential):
    """Convolution, batch norm, ReLU; upsampling before a 3x3 convolution where `factor` > 1.

    Batch norm makes a bias of the convolution superfluous: `bias` is for published counts.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        factor: int = 1,
        kernel: int = 3,
        bias: bool = False,
    ) -> None:
        conv: nn.Module
        if factor > 1:
            conv = UpsampledConv2d(in_channels, out_channels, factor=factor)
        else:
            conv = nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2, bias=bias)
            nn.init.orthogonal_(conv.weight)
        super().__init__(conv, nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True))


class UpsampledConv2d(nn.Module):
    """Nearest-neighbour upsampling by `factor`, then a 3x3 convolution, as one operation.

    Upsampling by repetition is a transposed convolution with a kernel of ones, and a convolution
    after it merges with it into one transposed convolution whose (factor + 2)^2 kernel holds sums
    of the 3x3 weights. At factor 2 that is 16 instead of 36 multiplications per input value.

    Weights are kept in their 3x3 form, (out, in, 3, 3), without bias.

    Examples
    --------
    >>> layer = UpsampledConv2d(1, 4, factor=2)
    >>> layer(torch.zeros(1, 1, 5, 7)).shape
    torch.Size([1, 4, 10, 14])
    """

    def __init__(self, in_channels: int, out_channels: int, *, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, 3, 3))
        nn.init.orthogonal_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, factor * H, factor * W)."""
        kernel = merged_kernel(self.weight, self.factor).to(x.dtype)
        return functional.conv_transpose2d(x, kernel, stride=self.factor, padding=1)


class PooledRepeatedConv(nn.Module):
    """A `ConvBlock` on an upsampled single channel and max-pooling by 2, at the small size.

    A 3x3 convolution of an image whose pixels are repeated r times has nine different values in
    each r x r cell: along each axis a first one that sees the cell before, a last one that sees the
    cell after, and r - 2 equal ones between. Nine groups of channels at the small size hold them
    all, and pooling takes the larger of those that fall together; only then is anything repeated.
    Equal to the large image, which at r = 8 has 64 times as many values. For inference.

    Parameters
    ----------
    block : in evaluation mode, from one channel, with upsampling.
    """

    # How the three weights along an axis fall on the cells before, here and after.
    PHASES = (
        ((1.0, 0.0, 0.0), (0.0, 1.0, 1.0), (0.0, 0.0, 0.0)),  # first
        ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)),  # between
        ((0.0, 0.0, 0.0), (1.0, 1.0, 0.0), (0.0, 0.0, 1.0)),  # last
    )

    def __init__(self, block: ConvBlock) -> None:
        super().__init__()
        weight, bias = folded_weights(block)
        self.factor = cast("UpsampledConv2d", block[0]).factor
        phases = torch.tensor(self.PHASES)
        kernel = torch.einsum("pai,qbj,oij->pqoab", phases, phases, weight[:, 0])
        self.conv = nn.Conv2d(1, 9 * len(bias), 3, padding=1)
        self.conv.weight = nn.Parameter(kernel.flatten(0, 2)[:, None], requires_grad=False)
        self.conv.bias = nn.Parameter(bias.repeat(9), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, H, W) -> (B, out, factor * H / 2, factor * W / 2)."""
        B, _, H, W = x.shape
        values = self.conv(x).relu_().permute(0, 2, 3, 1).reshape(B, H, W, 3, 3, -1)
        columns = torch.stack(self._pooled(values, 3), dim=2)  # (B, H, cell, W, 3, out)
        cells = torch.stack(self._pooled(columns, 4), dim=4)  # (B, H, cell, W, cell, out)
        cell = self.factor // 2
        return cells.reshape(B, H * cell, W * cell, -1).permute(0, 3, 1, 2)

    def _pooled(self, values: Tensor, axis: int) -> list[Tensor]:
        """Maxima of the pairs of rows (or columns) that a cell's r fall into."""
        first, between, last = values.unbind(axis)
        return [
            first.maximum(between),
            *[between] * (self.factor // 2 - 2),
            between.maximum(last),
        ]


def merged_kernel(weight: Tensor, factor: int) -> Tensor:
    """Transposed-convolution kernel of nearest upsampling followed by a 3x3 convolution.

    Parameters
    ----------
    weight : (out, in, 3, 3) of the convolution.
    factor : upsampling.

    Returns
    -------
    (in, out, factor + 2, factor + 2), to be used with stride `factor` and padding 1.
    """
    ones = weight.new_ones(1, 1, factor, factor)
    flipped = weight.flatten(0, 1)[:, None].flip(-2, -1)
    merged = functional.conv2d(flipped, ones, padding=factor - 1)[:, 0]
    kernel: Tensor = merged.unflatten(0, weight.shape[:2]).transpose(0, 1)
    return kernel.contiguous(memory_format=torch.channels_last)


def fold_batch_norm(network: N) -> N:
    """Return a copy for inference whose `ConvBlock`s are a convolution with bias and a ReLU.

    Batch norm with fixed statistics is a scale and a shift of each channel, which the weights
    and a bias of the convolution before it take over; merged kernels are computed once.
    """
    folded = copy.deepcopy(network).eval().requires_grad_(False)
    for parent in folded.modules():
        for name, child in parent.named_children():
            if isinstance(child, ConvBlock):
                setattr(parent, name, _folded(child))
    return channels_last(folded)


def channels_last(network: N) -> N:
    """Lay the weights out as convolutions on channels-last images want them, in place."""
    for parameter in network.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return network


def folded_weights(block: ConvBlock) -> tuple[Tensor, Tensor]:
    """Return the (out, in, k, k) weights and (out,) bias that batch norm has been folded into."""
    conv = cast("nn.Conv2d | UpsampledConv2d", block[0])
    norm = cast("nn.BatchNorm2d", block[1])
    mean, variance = cast("Tensor", norm.running_mean), cast("Tensor", norm.running_var)
    if getattr(conv, "bias", None) is not None:
        mean = mean - cast("Tensor", conv.bias)
    scale = norm.weight / (variance + norm.eps).sqrt()
    return (conv.weight * scale[:, None, None, None]).detach(), (norm.bias - mean * scale).detach()


def _folded(block: ConvBlock) -> nn.Module:
    conv = cast("nn.Conv2d | UpsampledConv2d", block[0])
    weight, bias = folded_weights(block)
    out_channels, in_channels = weight.shape[:2]
    if isinstance(conv, UpsampledConv2d):
        size, factor = conv.factor + 2, conv.factor
        plain: nn.Conv2d | nn.ConvTranspose2d = nn.ConvTranspose2d(
            in_channels, out_channels, size, stride=factor, padding=1
        )
        weight = merged_kernel(weight, factor)
    else:
        plain = nn.Conv2d(in_channels, out_channels, conv.kernel_size, padding=conv.padding)  # type: ignore[arg-type]
    plain.weight = nn.Parameter(weight, requires_grad=False)
    plain.bias = nn.Parameter(bias, requires_grad=False)
    return nn.Sequential(plain, nn.ReLU(inplace=True))
