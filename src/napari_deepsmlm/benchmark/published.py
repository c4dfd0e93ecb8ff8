"""Published: the networks as their papers describe them, run plainly, with a model's own weights.

Eager PyTorch, fp32, contiguous (NCHW) images, batch norm where it stands, upsampling before the
convolution and the recursion with its concatenations: what somebody gets who builds the paper.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, cast

import torch
from torch import nn
from torch.nn import functional

from napari_deepsmlm.models.blocks import UpsampledConv2d
from napari_deepsmlm.models.deep_storm import DeepStorm
from napari_deepsmlm.models.dilated_loc import DilatedLoc
from napari_deepsmlm.models.drsn_storm import DrsnStorm
from napari_deepsmlm.models.voxel_regression import VoxelRegression

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from napari_deepsmlm.models import SMLMModel


def as_published(model: SMLMModel) -> Callable[[Tensor], Tensor]:
    """Return a function from prepared frames to what `model.predict` gives, up to rounding.

    Raises
    ------
    ValueError
        If there is no published form of the network.
    """
    plain = _plain(model)
    forms: dict[type[SMLMModel], Callable[..., Tensor]] = {
        DeepStorm: _deep_storm,
        DilatedLoc: _dilated_loc,
        DrsnStorm: _drsn_storm,
        VoxelRegression: _voxel_regression,
    }
    form = forms.get(type(model))
    if form is None:
        raise ValueError(f"{model.title} has no published form to compare with.")
    return lambda prepared: form(plain, prepared)


def _plain(model: SMLMModel) -> SMLMModel:
    """Return a copy in fp32 whose upsampled convolutions are two layers."""
    plain = copy.deepcopy(model).float().eval().requires_grad_(False)
    for parent in list(plain.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, UpsampledConv2d):
                setattr(parent, name, _two_layers(child))
    for parameter in plain.parameters():
        parameter.data = parameter.data.contiguous()
    return plain


def _two_layers(layer: UpsampledConv2d) -> nn.Sequential:
    out_channels, in_channels = layer.weight.shape[:2]
    conv = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=layer.bias is not None)
    conv.weight, conv.bias = layer.weight, layer.bias
    return nn.Sequential(nn.Upsample(scale_factor=layer.factor), conv)


def _deep_storm(model: DeepStorm, prepared: Tensor) -> Tensor:
    image: Tensor = model.decoder(model.encoder(prepared))
    return image[:, 0]


def _voxel_regression(model: VoxelRegression, prepared: Tensor) -> Tensor:
    coordinates, logits = model.heads(model.layers(prepared)).split(model._channels, 1)
    return torch.cat([coordinates.sigmoid(), logits], 1)


def _drsn_storm(model: DrsnStorm, prepared: Tensor) -> Tensor:
    frames, span = prepared.split(1, 1)
    x = functional.interpolate(
        frames, scale_factor=model.upsampling, mode=model.config.interpolation
    )
    early = functional.relu(model.first(x))
    features = functional.relu(model.second(early))
    skip = x if model.config.skip == "input" else early
    outputs = []
    for _ in range(model.config.n_recursions):
        features = functional.relu(model.recurrent(features))
        joined = functional.relu(model.joining(torch.cat([features, skip], 1)))
        outputs.append(functional.relu(model.last(joined)))
    spike = model._spike(span)
    return torch.cat([spike * torch.cat(outputs, 1), spike.expand_as(outputs[0])], 1)


def _dilated_loc(model: DilatedLoc, prepared: Tensor) -> Tensor:
    T = cast("int", model.config.frames)
    x = model.input_norm(prepared[:, :1])
    if T > 1:
        raise ValueError("DilatedLoc was published for single frames.")
    if model.reads_noise_units:
        x = torch.cat([x, prepared[:, T:].log()], 1)

    def seen(features: Tensor) -> Tensor:
        return torch.cat([features, x], 1)

    first = model.early[0](x)
    second = model.early[1](seen(first)) + first
    third = model.early[2](seen(second)) + second
    by_2 = model.late[0](seen(third)) + third
    by_4 = model.late[1](seen(by_2)) + by_2
    by_8 = model.late[2](seen(by_4)) + by_4
    by_16 = model.late[3](seen(by_8)) + by_2 + by_8
    return model.from_features(model.up[1](model.up[0](seen(by_16))), prepared)
