"""Cheaper layers equal the plain ones they stand for."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from napari_deepsmlm.models.blocks import (
    ConvBlock,
    PooledRepeatedConv,
    UpsampledConv2d,
    fold_batch_norm,
)


@pytest.mark.parametrize("factor", [2, 4, 8, 16])
def test_merged_upsampling_equals_repeating_and_convolving(factor: int) -> None:
    torch.manual_seed(factor)
    layer = UpsampledConv2d(3, 5, factor=factor)
    x = torch.randn(2, 3, 7, 6)
    plain = functional.conv2d(
        functional.interpolate(x, scale_factor=factor), layer.weight, padding=1
    )
    torch.testing.assert_close(layer(x), plain, atol=1e-5, rtol=1e-5)


def test_merged_upsampling_has_the_same_gradients() -> None:
    torch.manual_seed(0)
    layer = UpsampledConv2d(3, 5, factor=2).double()
    x = torch.randn(1, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    seed = torch.randn(1, 5, 8, 8, dtype=torch.float64)
    ours = torch.autograd.grad((layer(x) * seed).sum(), [x, layer.weight])
    plain = functional.conv2d(functional.interpolate(x, scale_factor=2), layer.weight, padding=1)
    theirs = torch.autograd.grad((plain * seed).sum(), [x, layer.weight])
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b)


def test_weights_start_orthogonal() -> None:
    for layer in (UpsampledConv2d(512, 128, factor=2), ConvBlock(64, 128)[0]):
        flat = layer.weight.flatten(1)
        torch.testing.assert_close(flat @ flat.T, torch.eye(128), atol=1e-4, rtol=0)


@pytest.mark.parametrize("factor", [1, 2])
def test_folded_batch_norm_changes_nothing(factor: int) -> None:
    torch.manual_seed(1)
    block = nn.Sequential(ConvBlock(2, 8, factor=factor))
    for _ in range(30):
        block(3 + 2 * torch.randn(4, 2, 8, 8))
    with torch.no_grad():
        block[0][1].weight.uniform_(0.5, 2)
        block[0][1].bias.uniform_(-1, 1)
    block.eval()
    folded = fold_batch_norm(block)
    x = torch.randn(2, 2, 9, 7)
    torch.testing.assert_close(folded(x), block(x), atol=1e-5, rtol=1e-4)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in folded.modules())
    assert any(isinstance(m, nn.BatchNorm2d) for m in block.modules())


@pytest.mark.parametrize("factor", [4, 8, 16])
def test_the_first_block_at_the_small_size_equals_the_large_image(factor: int) -> None:
    torch.manual_seed(factor)
    block = ConvBlock(1, 6, factor=factor)
    for _ in range(20):
        block(2 + torch.randn(3, 1, 6, 6))
    with torch.no_grad():
        block[1].weight.uniform_(-2, 2)  # pooling and negative scales do not commute: be exact
        block[1].bias.uniform_(-1, 1)
    block.eval()
    x = torch.randn(2, 1, 5, 7)
    large = functional.max_pool2d(block(x), 2)
    torch.testing.assert_close(PooledRepeatedConv(block)(x), large, atol=1e-5, rtol=1e-4)
