"""DilatedLoc: a dilated network from frames to molecules with their uncertainties."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, Literal, Self, cast

import torch
from pydantic import Field
from torch import nn
from torch.nn import functional

from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.models._base import ModelConfig, SMLMModel
from napari_deepsmlm.models._blocks import DilatedConv2d, UpsampledConv2d, channels_last
from napari_deepsmlm.models._decode import share_out
from napari_deepsmlm.models._losses import spike_image

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

CHANNELS = 64
# A mixture's components further away than this cannot explain a molecule.
MIXTURE_REACH_PX = 3
SMALLEST_SIGMA = 0.001
# Cells that are less likely than this have no part in a molecule.
FAINTEST = 0.02


class DilatedLocConfig(ModelConfig):
    """DilatedLoc's choices."""

    frames: Literal[1, 3] = Field(
        1, description="Frames seen at once: 3 adds the one before and the one after."
    )
    z_max_nm: float | None = Field(
        None, gt=0, description="Largest distance from focus; none: molecules have no z."
    )
    photon_max: float = Field(8000.0, gt=0, description="Most photons of a molecule in a frame.")
    dilation: bool = Field(True, description="Dilated layers; without: the paper's baseline.")
    cross_entropy: bool = Field(
        True, description="Cross-entropy of the probability as a part of the loss."
    )
    distance: Literal["squared", "absolute"] = Field(
        "squared",
        description="Of the localization loss: squared (paper), or absolute (authors' code).",
    )
    decoding: Literal["shares", "peaks"] = Field(
        "shares",
        description="How cells become molecules: neighbours that point at the same place "
        "together, or highest cells (published).",
    )
    cells: Literal[1, 2, 4] = Field(
        1,
        description="Output cells per camera pixel along each axis, each for one molecule; "
        "1: as published.",
    )


class DilatedLoc(SMLMModel):
    """DilatedLoc, after the paper and the sizes it states (453,835 parameters for one frame).

    Frames (B, 1 or 3, H, W) in photons. The prediction (B, 9, c H, c W) has in each cell, of
    which there are c x c in a camera pixel: the logit of the probability that it holds a
    molecule; x and y from its centre in cells (-1 to 1), z / z_max (-1 to 1) and photons /
    photon_max (0 to 1); and the standard deviations of these four.

    The loss follows DECODE (Speiser et al. 2021, doi:10.1038/s41592-021-01236-x): number of
    molecules as a sum of Bernoulli variables, positions as a Gaussian mixture over cells.
    """

    name = "dilated-loc"
    title = "DilatedLoc"
    Config = DilatedLocConfig
    needs_photons: ClassVar[bool] = True

    uncertainty_scale: Tensor

    def __init__(self, config: DilatedLocConfig) -> None:
        super().__init__(config)
        n, wide = CHANNELS, CHANNELS + 1
        rates = (2, 4, 8, 16) if config.dilation else (1, 1, 1, 1)
        self.input_norm = nn.BatchNorm2d(1)
        self.early = nn.ModuleList([_Block(1, n), _Block(wide, n), _Block(wide, n)])
        seen = n * config.frames + 1
        self.late = nn.ModuleList(
            _Block(seen if i == 0 else wide, n, dilation=rate) for i, rate in enumerate(rates)
        )
        self.up = nn.ModuleList([_Block(wide, n, factor=2), _Block(n, n, factor=2)])
        self.down = nn.ModuleList([_Block(n, n), nn.Conv2d(n, n, 1)])
        self.heads = nn.ModuleList([_Head(n, 1), _Head(n, 4), _Head(n, 4)])
        nn.init.constant_(cast("_Head", self.heads[0]).last.bias, -6.0)
        # Factors on the predicted standard deviations: x and y together, z.
        self.register_buffer("uncertainty_scale", torch.ones(2))

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the molecules, z only if the network is for a PSF that tells it."""
        z = ("z_nm", "uncertainty_z_nm") if self.config.z_max_nm else ()
        lateral = ("uncertainty_x_nm", "uncertainty_y_nm")
        return ("frame", "x_nm", "y_nm", *z, "photons", *lateral, "probability")

    @property
    def context(self) -> int:
        """Frames before and after the one looked at."""
        return (cast("int", self.config.frames) - 1) // 2

    @property
    def halo_px(self) -> int:
        """Three early layers, the dilated ones, and four for the rest at its finer pixels."""
        return 3 + (30 if self.config.dilation else 4) + 4

    def prepare(self, frames: Tensor) -> Tensor:
        """Frames in photons as they are: standardising them is the network's first layer."""
        if frames.shape[1] != self.config.frames:
            raise ValueError(
                f"DilatedLoc reads {self.config.frames} frames of one plane at once, "
                f"got {frames.shape[1]} channels."
            )
        return frames

    def predict(self, prepared: Tensor) -> Tensor:
        """(B, 1 or 3, H, W) photons -> (B, 9, c H, c W)."""
        B, T, H, W = prepared.shape
        x = prepared.reshape(B * T, 1, H, W).to(memory_format=torch.channels_last)
        x = self.input_norm(x.to(self.input_norm.weight.dtype))
        first = self.early[0](x)
        x = x.to(first.dtype)  # or concatenations under autocast become single precision
        second = self.early[1](_with(first, x)) + first
        third = self.early[2](_with(second, x)) + second
        # (B*T, C, H, W) -> (B, T*C, H, W); from here on the frame looked at leads
        seen = third.unflatten(0, (B, T)).flatten(1, 2) if T > 1 else third
        x, third = (v.unflatten(0, (B, T))[:, T // 2] for v in (x, third))
        by_2 = self.late[0](_with(seen, x)) + third
        by_4 = self.late[1](_with(by_2, x)) + by_2
        by_8 = self.late[2](_with(by_4, x)) + by_4
        by_16 = self.late[3](_with(by_8, x)) + by_2 + by_8
        features = self.up[1](self.up[0](_with(by_16, x)))
        for size, layer in zip((2, 1), self.down, strict=True):
            if self.config.cells <= size:
                features = functional.max_pool2d(features, 2)
            features = layer(features)
        return self._activated(torch.cat([head(features).float() for head in self.heads], 1))

    def _activated(self, raw: Tensor) -> Tensor:
        logit, xyz, photons, spread = raw.split([1, 3, 1, 4], 1)
        return torch.cat(
            [
                logit.clamp(-16, 16),
                xyz.tanh(),
                photons.sigmoid(),
                spread.sigmoid() + SMALLEST_SIGMA,
            ],
            1,
        )

    # -- loss ------------------------------------------------------------------------------

    def loss(self, prediction: Tensor, truth: Localizations) -> Tensor:
        """Negative log-likelihood of number and positions, and cross-entropy, per molecule."""
        B, _, rows, columns = prediction.shape
        logit = prediction[:, 0]
        counted = torch.bincount(truth.frame, minlength=B).to(logit)
        total = count_loss(logit.sigmoid(), counted) + self._localization_loss(prediction, truth)
        if self.config.cross_entropy:
            occupied = spike_image(truth, (B, rows, columns), self._cell_nm)
            total = total + weighted_cross_entropy(logit, occupied)
        return total / max(1, len(truth))

    def _localization_loss(self, prediction: Tensor, truth: Localizations) -> Tensor:
        if len(truth) == 0:
            return prediction.sum() * 0
        values = [truth.x_nm / self._cell_nm, truth.y_nm / self._cell_nm]
        used = [1, 2, 4]
        if self.config.z_max_nm:
            values.append(truth["z_nm"] / self.config.z_max_nm)
            used = [1, 2, 3, 4]
        values.append(truth["photons"] / self.config.photon_max)
        return mixture_loss(
            prediction[:, 0],
            prediction[:, used],
            prediction[:, [c + 4 for c in used]],
            truth.frame,
            torch.stack(values, 1),
            reach=MIXTURE_REACH_PX * self.config.cells,
            is_squared=self.config.distance == "squared",
        )

    # -- decoding --------------------------------------------------------------------------

    @property
    def _cell_nm(self) -> float:
        return self.pixel_size_nm / cast("int", self.config.cells)

    def to_localizations(self, prediction: Tensor, threshold: float | None = None) -> Localizations:
        """Return the molecules of the cells, as `decoding` says."""
        threshold = self.config.threshold if threshold is None else threshold
        probability = prediction[:, 0].sigmoid()
        if self.config.decoding == "peaks":
            found = found_cells(probability)
            cell = torch.nonzero((found > 0) & (found >= threshold), as_tuple=True)
            return self._table(cell[0], self._values(prediction, cell), found[cell])
        cell = torch.nonzero(probability > FAINTEST, as_tuple=True)
        values = self._values(prediction, cell)
        shares = share_out(
            probability[cell], values[:, :2], values[:, 4:6], cell, threshold=threshold
        )
        frame = cell[0][shares.cells[:, 4]]  # the middle one is always there
        return self._table(frame, shares.mean(values), shares.mass).sort("frame")

    def _values(self, prediction: Tensor, cell: tuple[Tensor, ...]) -> Tensor:
        """(N, 8) x and y in cells from the frame's corner, z, photons, and their sigmas."""
        frame, row, column = cell
        values = prediction[frame, 1:, row, column]
        corner = torch.stack([column, row], 1) + 0.5
        return torch.cat([values[:, :2] + corner, values[:, 2:]], 1)

    def _table(self, frame: Tensor, values: Tensor, probability: Tensor) -> Localizations:
        x, y, z, photons, sigma_x, sigma_y, sigma_z, _ = values.unbind(1)
        nm, (lateral, axial) = self._cell_nm, self.uncertainty_scale
        columns = {"frame": frame, "x_nm": x * nm, "y_nm": y * nm}
        if self.config.z_max_nm:
            columns["z_nm"] = z * self.config.z_max_nm
            columns["uncertainty_z_nm"] = sigma_z * self.config.z_max_nm * axial
        return Localizations.from_columns(
            {
                **columns,
                "photons": photons * self.config.photon_max,
                "uncertainty_x_nm": sigma_x * nm * lateral,
                "uncertainty_y_nm": sigma_y * nm * lateral,
                "probability": probability,
            }
        )

    def fit_input(self, frames: Tensor) -> None:
        """Start the first layer's statistics at those of the training frames."""
        cast("Tensor", self.input_norm.running_mean).fill_(frames.mean())
        cast("Tensor", self.input_norm.running_var).fill_(frames.var())

    def scale_uncertainty(self, factors: Mapping[str, float]) -> None:
        """Multiply the standard errors of x and y by one factor, those of z by another."""
        given = [factors.get(name, 1.0) for name in ("lateral", "axial")]
        self.uncertainty_scale.mul_(torch.tensor(given, device=self.uncertainty_scale.device))

    def for_inference(self) -> Self:
        """Return the network in evaluation mode, laid out for convolutions."""
        return channels_last(self.eval())


class _Block(nn.Module):
    """3x3 convolution with bias, ReLU, batch norm; upsampling before it where `factor` > 1."""

    def __init__(
        self, in_channels: int, out_channels: int, *, dilation: int = 1, factor: int = 1
    ) -> None:
        super().__init__()
        if factor > 1:
            self.conv: nn.Module = UpsampledConv2d(
                in_channels, out_channels, factor=factor, bias=True
            )
        else:
            self.conv = DilatedConv2d(in_channels, out_channels, dilation=dilation)
        nn.init.kaiming_normal_(cast("Tensor", self.conv.weight), nonlinearity="relu")
        nn.init.zeros_(cast("Tensor", self.conv.bias))
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.norm(self.conv(x).relu_())
        return y


class _Head(nn.Module):
    """3x3 convolution, ELU, 1x1 convolution."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(in_channels, in_channels, 3, padding=1)
        self.last = nn.Conv2d(in_channels, out_channels, 1)
        for conv in (self.first, self.last):
            nn.init.kaiming_normal_(conv.weight)
            nn.init.zeros_(cast("Tensor", conv.bias))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.last(functional.elu(self.first(x), inplace=True))
        return y


def _with(features: Tensor, frame: Tensor) -> Tensor:
    return torch.cat([features, frame], 1)


# -- the three terms of the loss, and decoding, as functions of tensors --------------------------


def count_loss(probability: Tensor, counted: Tensor) -> Tensor:
    """Return -log of the probability of the true numbers of molecules, summed over frames.

    The number is a sum of Bernoulli variables, taken as a Gaussian of mean sum(p) and variance
    sum(p - p^2).

    Parameters
    ----------
    probability : (B, H, W) that a cell holds a molecule.
    counted : (B,) true numbers.
    """
    mean = probability.sum((1, 2))
    variance = (probability - probability.square()).sum((1, 2)) + 1e-6
    terms = (counted - mean).square() / variance + (2 * math.pi * variance).log()
    return 0.5 * terms.sum()


def weighted_cross_entropy(logit: Tensor, occupied: Tensor) -> Tensor:
    """Cross-entropy summed over cells, weight 0.65 where there is a molecule, else 0.35."""
    weight = 0.35 + 0.30 * occupied
    return functional.binary_cross_entropy_with_logits(logit, occupied, weight, reduction="sum")


def mixture_loss(
    logit: Tensor,
    offset: Tensor,
    sigma: Tensor,
    frame: Tensor,
    true: Tensor,
    *,
    reach: int,
    is_squared: bool = True,
) -> Tensor:
    """Return -log of the density of the true molecules under a mixture over cells, summed.

    Cell k of a frame has weight p_k / sum(p) and a normal distribution around its centre plus
    offset. Only cells up to `reach` from a molecule's own are looked at.

    Parameters
    ----------
    logit : (B, H, W) of the probabilities p.
    offset, sigma : (B, D, H, W) means, the first two (x, y) relative to the cell's centre in
        cells, and standard deviations.
    frame : (N,) index in the batch.
    true : (N, D) values of the molecules, the first two in cells from the frame's corner.
    is_squared : exponent d^2 / (2 s^2), or |d| / (2 s^2) with the same normalisation, which is
        no density but what the authors' code does.
    """
    _, D, H, W = offset.shape
    step = torch.arange(-reach, reach + 1, device=logit.device)
    row = true[:, 1].floor().long()[:, None, None] + step[:, None]
    column = true[:, 0].floor().long()[:, None, None] + step
    is_inside = (row >= 0) & (row < H) & (column >= 0) & (column < W)  # (N, K, K)
    row, column = row.clamp(0, H - 1), column.clamp(0, W - 1)
    row, column = row.expand_as(is_inside).flatten(1), column.expand_as(is_inside).flatten(1)
    place = (frame[:, None] * H + row) * W + column  # (N, K * K)

    log_total = logit.sigmoid().sum((1, 2)).clamp(min=1e-6).log()
    log_weight = functional.logsigmoid(logit).flatten()[place] - log_total[frame][:, None]
    # (B, D, H, W) -> (B*H*W, D), picked: (N, K * K, D)
    mean, spread = (v.permute(0, 2, 3, 1).reshape(-1, D)[place] for v in (offset, sigma))
    centre = torch.zeros_like(mean)
    centre[..., 0], centre[..., 1] = column + 0.5, row + 0.5
    distance = true[:, None] - (centre + mean)
    distance = distance.square() if is_squared else distance.abs()
    log_density = -distance / (2 * spread.square()) - spread.log() - 0.5 * math.log(2 * math.pi)
    terms = (log_weight + log_density.sum(-1)).masked_fill(~is_inside.flatten(1), -math.inf)
    return -terms.logsumexp(1).sum()


def found_cells(probability: Tensor, *, candidate: float = 0.3, second: float = 0.6) -> Tensor:
    """Return the probability of a molecule in cells that are found, 0 elsewhere, as published.

    A cell above `candidate` that is the highest of its 3x3 neighbourhood, or any above `second`,
    is found; the probability of its four neighbours is added, as a molecule near a border
    is shared by both cells.

    Parameters
    ----------
    probability : (B, H, W).
    """
    above = probability * (probability > candidate)
    highest = functional.max_pool2d(above[:, None], 3, 1, 1)[:, 0]
    is_highest = (above > 0) & (above == highest)
    padded = functional.pad(probability, (1, 1, 1, 1))
    shared = (
        probability
        + padded[:, :-2, 1:-1]
        + padded[:, 2:, 1:-1]
        + padded[:, 1:-1, :-2]
        + padded[:, 1:-1, 2:]
    )
    return (is_highest | (probability > second)) * shared.clamp(max=1)


MODEL = DilatedLoc
