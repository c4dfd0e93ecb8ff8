"""Voxel-wise regression: for each voxel of a multi-plane frame, a molecule's odds and its place."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, NamedTuple, Self

import torch
from pydantic import Field, model_validator
from torch import nn
from torch.nn import functional

from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.models.base import ModelConfig, SMLMModel
from napari_deepsmlm.models.blocks import ConvBlock, fold_batch_norm
from napari_deepsmlm.models.decode import merged_neighbours

if TYPE_CHECKING:
    from torch import Tensor

# (channels, kernel) of the layers before the heads.
LAYERS = ((16, 5), (32, 5), (64, 3), (128, 3), (64, 3), (32, 3), (16, 3))
HEAD_KERNEL = 3
# Voxels fainter than this are no part of a molecule that is merged from several.
FAINTEST_PART = 0.1
# Of logits, more than any rounding of a probability.
MARGIN = 0.01


class VoxelRegressionConfig(ModelConfig):
    """Voxel-wise regression's choices; the defaults are the quad-plane microscope of the paper."""

    pixel_size_nm: float = Field(
        192.0, ge=1, le=10_000, description="Camera pixel that the network is trained for, nm."
    )
    threshold: float = Field(
        0.5, ge=0, le=1, description="Probability that a localization must exceed."
    )
    plane_z_nm: tuple[float, ...] = Field(
        (-600.0, -200.0, 200.0, 600.0),
        min_length=1,
        max_length=64,
        description="Depths of the focal planes, in the order of the planes in a frame, ascending, "
        "nm. Voxels end half-way between planes.",
    )
    depth_range_nm: tuple[float, float] | None = Field(
        None,
        description="Depths at which the first voxel begins and the last one ends, nm. If left "
        "out: half a distance beyond the outer planes, and with one plane there is no z.",
    )
    order: Literal["conv-norm-relu", "conv-relu-norm"] = Field(
        "conv-norm-relu",
        description="Batch norm before ReLU as in the published code, which can be folded away "
        "for speed, or after it as in the paper.",
    )
    negatives_per_positive: float = Field(
        3.0, gt=0, description="Training: empty voxels that count for each one with a molecule."
    )
    merge: bool = Field(
        True,
        description="Join detections in adjacent voxels that are one molecule near a border; "
        "as published: no.",
    )
    merge_distance: float = Field(
        0.5, gt=0, le=2, description="Detections closer than this are one molecule, voxel sides."
    )

    @model_validator(mode="after")
    def _voxels_have_depth(self) -> Self:
        edges = self.voxel_edges_nm
        if any(low >= high for low, high in pairwise(self.plane_z_nm)):
            raise ValueError("plane_z_nm must ascend")
        if any(low >= high for low, high in pairwise(edges)):
            raise ValueError("depth_range_nm must hold all planes, the smaller depth first")
        return self

    @property
    def voxel_edges_nm(self) -> tuple[float, ...]:
        """Depths between voxels, one more than planes; (-inf, inf) where there is no z."""
        z = self.plane_z_nm
        inner = [(low + high) / 2 for low, high in pairwise(z)]
        if self.depth_range_nm is not None:
            return (self.depth_range_nm[0], *inner, self.depth_range_nm[1])
        if not inner:
            return (-math.inf, math.inf)
        return (2 * z[0] - inner[0], *inner, 2 * z[-1] - inner[-1])


class Targets(NamedTuple):
    """What an ideal network says of a batch."""

    is_positive: Tensor
    """(B, P, H, W) whether a voxel holds a molecule."""
    frame: Tensor
    """(N,) index in the batch, of each voxel that does."""
    voxel: Tensor
    """(N,) its index in the flattened (P, H, W)."""
    inside: Tensor
    """(N, 2 or 3) coordinates in it, x, y and z, 0 to 1."""


class VoxelRegression(SMLMModel):
    """Voxel-wise regression (Aritake et al. 2020, doi:10.1016/j.rio.2020.100019).

    A frame is (B, P, H, W) photons of P focal planes. A voxel is a pixel of a plane, as deep as
    planes are apart. The prediction (B, 4 P, H, W) holds, for each voxel, x of the molecule in it
    (P channels), y (P) and z (P), all from 0 to 1 across the voxel, and the logit of there being
    one (P). A voxel holds at most one molecule.
    """

    name = "voxel-regression"
    title = "Voxel-wise regression"
    Config = VoxelRegressionConfig
    needs_photons = True

    input_scale: Tensor

    def __init__(self, config: VoxelRegressionConfig) -> None:
        super().__init__(config)
        widths = (self.n_planes, *(width for width, _ in LAYERS))
        self.layers = nn.Sequential(
            *(
                _layer(i, o, kernel, config.order)
                for (i, o), (_, kernel) in zip(pairwise(widths), LAYERS, strict=True)
            )
        )
        # The paper's two heads, for coordinates and for confidence, are one convolution.
        self.heads = nn.Conv2d(widths[-1], 4 * self.n_planes, HEAD_KERNEL, padding="same")
        self.register_buffer("input_scale", torch.tensor(100.0))

    @property
    def n_planes(self) -> int:
        """Focal planes that it reads."""
        return len(self.config.plane_z_nm)

    @property
    def columns(self) -> tuple[str, ...]:
        """With z unless there is one plane and nothing said about depth."""
        has_z = math.isfinite(self.config.voxel_edges_nm[0])
        return ("frame", "x_nm", "y_nm", *(["z_nm"] if has_z else []), "probability")

    @property
    def halo_px(self) -> int:
        """Half a kernel for each layer: 10."""
        return sum(kernel // 2 for _, kernel in LAYERS) + HEAD_KERNEL // 2

    @property
    def work_per_px(self) -> int:
        """No layer is finer than the frame, but one has 128 channels."""
        return 4

    def prepare(self, frames: Tensor) -> Tensor:
        """(B, P, H, W) photons -> in units of the training frames' standard deviation."""
        if frames.shape[1] != self.n_planes:
            raise ValueError(
                f"This network reads {self.n_planes} planes per frame, got {frames.shape[1]}."
            )
        return frames / self.input_scale

    def predict(self, prepared: Tensor) -> Tensor:
        """(B, P, H, W) scaled frames -> (B, 4 P, H, W) coordinates and logits, float32."""
        x = prepared.to(self.heads.weight.dtype, memory_format=torch.channels_last)
        coordinates, logits = self.heads(self.layers(x)).float().split(self._channels, 1)
        return torch.cat([coordinates.sigmoid(), logits], 1)

    @property
    def _channels(self) -> list[int]:
        return [3 * self.n_planes, self.n_planes]

    def loss(self, prediction: Tensor, truth: Localizations) -> Tensor:
        """Cross-entropy of voxels and l1 of coordinates (paper eq. 11), per molecule.

        All voxels with a molecule count, and of the others the hardest, three times as many:
        those with the highest confidence in the whole batch. So frames without molecules take
        part with their false alarms, and a batch without any counts as one with one molecule.
        Coordinates count where there is a molecule; z where the network predicts it.
        """
        coordinates, logits = prediction.split(self._channels, 1)
        targets = self.targets(truth, logits)
        n_positive = len(targets.frame)
        k = round(self.config.negatives_per_positive * max(1, n_positive))
        k = min(k, logits.numel() - n_positive)
        hardest = logits.masked_fill(targets.is_positive, -math.inf).flatten().topk(k).values
        positive = logits.flatten(1)[targets.frame, targets.voxel]
        entropy = functional.softplus(hardest).sum() + functional.softplus(-positive).sum()
        predicted = coordinates.unflatten(1, (3, -1)).flatten(2)[targets.frame, :, targets.voxel]
        n_axes = targets.inside.shape[1]
        error = (predicted[:, :n_axes] - targets.inside).abs().sum()
        loss: Tensor = (entropy + error) / max(1, n_positive)
        return loss

    def targets(self, truth: Localizations, logits: Tensor) -> Targets:
        """Assign molecules to the voxels that hold them.

        Of two molecules in a voxel the brighter counts, or the first if photons are not known;
        those outside the voxels' depths do not.

        Parameters
        ----------
        logits : (B, P, H, W), for its size and device.
        """
        _, P, H, W = logits.shape
        if "photons" in truth:
            truth = truth[truth["photons"].argsort(descending=True, stable=True)]
        x, y = truth.x_nm / self.pixel_size_nm, truth.y_nm / self.pixel_size_nm
        column, row = x.long().clamp(0, W - 1), y.long().clamp(0, H - 1)
        parts = [x - column, y - row]
        plane, is_inside = torch.zeros_like(column), torch.ones_like(column, dtype=torch.bool)
        if self.is_3d:
            edges = logits.new_tensor(self.config.voxel_edges_nm)
            z = truth["z_nm"].to(edges.dtype).contiguous()
            plane = torch.bucketize(z, edges, right=True) - 1
            is_inside = (plane >= 0) & (plane < P)
            plane = plane.clamp(0, P - 1)
            parts.append((z - edges[plane]) / edges.diff()[plane])
        flat = ((truth.frame * P + plane) * H + row) * W + column
        flat, inside = flat[is_inside], torch.stack(parts, 1)[is_inside].to(logits.dtype)
        order = torch.arange(len(flat), device=flat.device)
        first = flat.new_full((logits.numel(),), len(flat)).scatter_reduce(0, flat, order, "amin")
        is_first = first[flat] == order
        flat, inside = flat[is_first], inside[is_first]
        is_positive = (first < len(order)).view_as(logits)
        return Targets(is_positive, flat // (P * H * W), flat % (P * H * W), inside)

    def to_localizations(self, prediction: Tensor, threshold: float | None = None) -> Localizations:
        """Return a molecule for each voxel above the threshold, or for each group of them.

        With `merge`, voxels around a border that share a molecule also share its probability:
        detections in adjacent voxels that lie closer than `merge_distance` become one at their
        mean, weighted by probability, with the sum of their probabilities, at most 1. The sum is
        what must exceed the threshold.
        """
        threshold = self.config.threshold if threshold is None else threshold
        coordinates, logits = prediction.split(self._channels, 1)
        least = min(threshold, FAINTEST_PART) if self.config.merge else threshold
        voxel, probability = _likely(logits, least)
        frame, plane, row, column = voxel.unbind(1)
        inside = coordinates.unflatten(1, (3, -1))[frame, :, plane, row, column]
        position = inside + torch.stack([column, row, plane], 1)  # (N, 3) voxel sides
        if not self.is_3d:
            position = position[:, :2]
        if self.config.merge:
            kept, position, probability = merged_neighbours(
                voxel, position, probability, logits.shape, self.config.merge_distance
            )
            is_certain = probability > threshold
            frame = frame[kept][is_certain]
            position, probability = position[is_certain], probability[is_certain]
        columns = {"frame": frame, "x_nm": position[:, 0] * self.pixel_size_nm}
        columns["y_nm"] = position[:, 1] * self.pixel_size_nm
        if self.is_3d:
            columns["z_nm"] = self._depth_nm(position[:, 2])
        return Localizations.from_columns({**columns, "probability": probability})

    def _depth_nm(self, planes: Tensor) -> Tensor:
        """Depths of positions that count voxels: voxels need not be equally deep."""
        edges = planes.new_tensor(self.config.voxel_edges_nm)
        plane = planes.long().clamp(0, self.n_planes - 1)
        return edges[plane] + (planes - plane) * edges.diff()[plane]

    def fit_input(self, frames: Tensor) -> None:
        """Measure the standard deviation of training frames."""
        self.input_scale.copy_(frames.std().clamp(min=1e-6))

    def for_inference(self) -> Self:
        """Fold batch norm where it comes right after the convolution."""
        return fold_batch_norm(self)


def _likely(logits: Tensor, least: float) -> tuple[Tensor, Tensor]:
    """Return (N, 4) frame, plane, row and column of voxels above a probability, and theirs (N,).

    Nearly all lie far below it, so that only the probabilities of the others are worked out.
    """
    floor = torch.tensor(least).logit() - MARGIN
    voxel = torch.nonzero(logits > float(floor))
    seen = logits[voxel.unbind(1)]
    # Not side by side: what a value comes to would depend on how many there are, by the last bit.
    probability = torch.stack([seen, seen], 1)[:, 0].sigmoid()
    is_likely = probability > least
    return voxel[is_likely], probability[is_likely]


def _layer(in_channels: int, out_channels: int, kernel: int, order: str) -> nn.Sequential:
    block = ConvBlock(in_channels, out_channels, kernel=kernel, bias=True)
    if order == "conv-norm-relu":
        return block
    conv, norm, relu = block
    return nn.Sequential(conv, relu, norm)


MODEL = VoxelRegression
