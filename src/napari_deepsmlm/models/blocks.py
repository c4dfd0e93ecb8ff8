"""Layers that several networks share, written so that they cost least."""

from __future__ import annotations

import copy
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeVar, cast

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor


N = TypeVar("N", bound=nn.Module)

_ARE_WEIGHTS_TO_COME = ContextVar("_ARE_WEIGHTS_TO_COME", default=False)


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
            start_orthogonal(conv.weight)
        super().__init__(conv, nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True))


class UpsampledConv2d(nn.Module):
    """Nearest-neighbour upsampling by `factor`, then a 3x3 convolution, as one operation.

    Upsampling by repetition is a transposed convolution with a kernel of ones, and a convolution
    after it merges with it into one transposed convolution whose (factor + 2)^2 kernel holds sums
    of the 3x3 weights. At factor 2 that is 16 instead of 36 multiplications per input value.

    Weights are kept in their 3x3 form, (out, in, 3, 3).

    Examples
    --------
    >>> layer = UpsampledConv2d(1, 4, factor=2)
    >>> layer(torch.zeros(1, 1, 5, 7)).shape
    torch.Size([1, 4, 10, 14])
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, factor: int, bias: bool = False
    ) -> None:
        super().__init__()
        self.factor = factor
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        start_orthogonal(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, factor * H, factor * W)."""
        kernel = merged_kernel(self.weight, self.factor).to(x.dtype)
        bias = None if self.bias is None else self.bias.to(x.dtype)
        return functional.conv_transpose2d(x, kernel, bias, stride=self.factor, padding=1)


class DilatedConv2d(nn.Conv2d):
    """3x3 convolution with bias and a dilation, "same" padding, safe to train anywhere.

    On a CPU the weight gradient of a dilated convolution in bf16 is garbage (torch 2.13). There,
    a training step splits the image into dilation^2 interleaved ones, in each of which the
    convolution is an ordinary one: the same numbers, within a few percent of the speed.
    """

    def __init__(self, in_channels: int, out_channels: int, *, dilation: int = 1) -> None:
        super().__init__(in_channels, out_channels, 3, padding=dilation, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, H, W)."""
        d = self.dilation[0]
        if d == 1 or x.device.type != "cpu" or not torch.is_grad_enabled():
            return super().forward(x)
        B, _, H, W = x.shape
        x = functional.pad(x, (0, -W % d, 0, -H % d)).permute(0, 2, 3, 1)
        # (B, rows*d, columns*d, C) -> (d*d*B, C, rows, columns)
        x = x.unflatten(2, (-1, d)).unflatten(1, (-1, d)).permute(2, 4, 0, 1, 3, 5)
        x = x.flatten(0, 2).permute(0, 3, 1, 2)
        y: Tensor = functional.conv2d(x, self.weight, self.bias, padding=1)
        y = y.permute(0, 2, 3, 1).unflatten(0, (d, d, B)).permute(2, 3, 0, 4, 1, 5)
        y = y.flatten(3, 4).flatten(1, 2)
        return y[:, :H, :W].permute(0, 3, 1, 2)


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


@contextmanager
def weights_to_come() -> Iterator[None]:
    """Build networks without weights to start from, where those of a file replace them."""
    token = _ARE_WEIGHTS_TO_COME.set(True)
    try:
        yield
    finally:
        _ARE_WEIGHTS_TO_COME.reset(token)


def start_orthogonal(weight: Tensor) -> None:
    """Begin with orthogonal weights, in place: of Deep-STORM's, four fifths of the time to load."""
    if not _ARE_WEIGHTS_TO_COME.get():
        nn.init.orthogonal_(weight)


def to_unit_range(frames: Tensor) -> tuple[Tensor, Tensor]:
    """Scale each frame to [0, 1]; return also the (B, 1, 1, 1) ranges that it was divided by.

    A constant frame has nothing in it and becomes all zeros.
    """
    low, high = frames.amin((1, 2, 3), keepdim=True), frames.amax((1, 2, 3), keepdim=True)
    span = high - low
    return torch.where(span > 0, (frames - low) / span, torch.zeros_like(frames)), span


def conv_to_one(x: Tensor, conv: nn.Conv2d) -> Tensor:
    """Apply a 3x3 convolution to one channel, (B, in, H, W) -> (B, 1, H, W), float32.

    Convolutions with one output channel do little with what they read. As nine products at each
    pixel, moved to where they belong and summed, it is a third of the time in bf16.
    """
    H, W = x.shape[-2:]
    nine = functional.conv2d(x, conv.weight.permute(2, 3, 0, 1).reshape(9, -1, 1, 1)).float()
    padded = functional.pad(nine, (1, 1, 1, 1))
    moved = [padded[:, 3 * i + j, i : i + H, j : j + W] for i in range(3) for j in range(3)]
    bias = cast("Tensor", conv.bias).float()
    return torch.stack(moved, 1).sum(1, keepdim=True) + bias


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
    # One product with zeros and ones: a convolution of all kernels with a square takes 25 times it.
    falls_on = weight.new_zeros(3, factor + 2)
    for i in range(3):
        falls_on[i, 2 - i : 2 - i + factor] = 1
    # A Kronecker product, which ONNX has not.
    square = (falls_on[:, None, :, None] * falls_on[:, None]).reshape(9, -1)
    merged = weight.transpose(0, 1).flatten(2) @ square
    kernel: Tensor = merged.unflatten(-1, (factor + 2, factor + 2))
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


def in_channels_last(x: Tensor) -> Tensor:
    """Return (B, C, H, W) values in the order of memory that convolutions are fastest in.

    `memory_format` leaves the strides of a single channel as they are, and then what it is
    concatenated with is not in this order.
    """
    if torch.onnx.is_in_onnx_export():  # programs that read it have orders of their own
        return x
    B, C, H, W = x.shape
    return x.permute(0, 2, 3, 1).flatten(1).view(B, H, W, C).permute(0, 3, 1, 2)


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
        return nn.Sequential(merged_convolution(weight, bias, conv.factor), nn.ReLU(inplace=True))
    plain = nn.Conv2d(in_channels, out_channels, conv.kernel_size, padding=conv.padding)  # type: ignore[arg-type]
    plain.weight = nn.Parameter(weight, requires_grad=False)
    plain.bias = nn.Parameter(bias, requires_grad=False)
    return nn.Sequential(plain, nn.ReLU(inplace=True))


def merged_convolution(weight: Tensor, bias: Tensor, factor: int) -> nn.ConvTranspose2d:
    """Return nearest upsampling and a 3x3 convolution as one layer for inference."""
    out_channels, in_channels = weight.shape[:2]
    merged = nn.ConvTranspose2d(in_channels, out_channels, factor + 2, stride=factor, padding=1)
    merged.weight = nn.Parameter(merged_kernel(weight, factor), requires_grad=False)
    merged.bias = nn.Parameter(bias, requires_grad=False)
    return merged


def max_of_four(x: Tensor) -> Tensor:
    """Return max-pooling by 2, sides even; without the places of the maxima it is faster.

    Examples
    --------
    >>> x = torch.rand(1, 3, 4, 6)
    >>> torch.equal(max_of_four(x), functional.max_pool2d(x, 2))
    True
    """
    rows = torch.maximum(x[:, :, ::2], x[:, :, 1::2])
    return torch.maximum(rows[..., ::2], rows[..., 1::2])
