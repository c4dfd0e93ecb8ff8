"""DilatedLoc: a dilated network from frames to molecules with their uncertainties."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, ClassVar, Literal, Self, cast

import torch
from pydantic import Field
from torch import nn
from torch.nn import functional

from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.models.base import ModelConfig, SMLMModel
from napari_deepsmlm.models.blocks import in_channels_last
from napari_deepsmlm.models.decode import highest_cells, share_out
from napari_deepsmlm.models.likelihood import count_loss, mixture_loss, weighted_cross_entropy
from napari_deepsmlm.models.losses import spike_image
from napari_deepsmlm.models.noise_units import to_noise_units
from napari_deepsmlm.models.norm_last import NormLastBlock, folded_for_inference, start_rectified

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

CHANNELS = 64
# A mixture's components further away than this cannot explain a molecule.
MIXTURE_REACH_PX = 3
SMALLEST_SIGMA = 0.001
# Cells that are less likely than this have no part in a molecule.
FAINTEST = 0.02

# Pixels of all frames together that the fine layers work on at once, where gradients are not kept;
# they take some 8 KB for each. And how far these layers see, pixels.
STRIP_PX = {"cpu": 1 << 15}
FINE_REACH_PX = 4


class DilatedLocConfig(ModelConfig):
    """DilatedLoc's choices."""

    input: Literal["photons", "noise"] = Field(
        "photons",
        description="What the network sees: photons (published), or the frame in units of its "
        "noise above its background, and the level of that noise as a second channel.",
    )
    frames: Literal[1, 3] = Field(
        1, description="Frames seen at once: 3 adds the one before and the one after."
    )
    z_max_nm: float | None = Field(
        None, gt=0, description="Largest distance from focus; none: molecules have no z."
    )
    photon_max: float = Field(
        8000.0,
        gt=0,
        description="Most photons of a molecule in a frame; with input noise, in standard "
        "deviations of a pixel's background.",
    )
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
    """DilatedLoc ("An Efficient Inference Frame for Single Molecule Localization Microscopy").

    The layers are those that give the paper's sizes: 453,835 parameters for one frame, 458,443
    with its noise as a second channel.

    Frames (B, 1 or 3, H, W) in photons. The prediction (B, 9, c H, c W) has in each cell, of
    which there are c x c in a camera pixel: the logit of the probability that it holds a
    molecule; x and y from its centre in cells (-1 to 1), z / z_max (-1 to 1) and photons /
    photon_max (0 to 1); and the standard deviations of these four.

    With input in noise units photons come as the root of photons / (photon_max x noise), noise
    the standard deviation of a pixel's background, which the prediction has as a tenth channel:
    so molecules 100 times as bright have errors of the same kind.

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
        in_noise = config.input == "noise"
        n, seen_as = CHANNELS, 2 if in_noise else 1
        wide = n + seen_as
        rates = (2, 4, 8, 16) if config.dilation else (1, 1, 1, 1)
        self.input_norm = nn.BatchNorm2d(1)
        self.early = nn.ModuleList(NormLastBlock(width, n) for width in (seen_as, wide, wide))
        seen = n * config.frames + seen_as
        self.late = nn.ModuleList(
            NormLastBlock(seen if i == 0 else wide, n, dilation=rate)
            for i, rate in enumerate(rates)
        )
        self.up = nn.ModuleList([NormLastBlock(wide, n, factor=2), NormLastBlock(n, n, factor=2)])
        self.down = nn.ModuleList([NormLastBlock(n, n), nn.Conv2d(n, n, 1)])
        self._pools_early = False  # of a network for inference, whose blocks do it
        self.heads = nn.ModuleList([_Head(n, 1), _Head(n, 4), _Head(n, 4)])
        nn.init.constant_(cast("Tensor", cast("_Head", self.heads[0]).last.bias), -6.0)
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

    @property
    def reads_noise_units(self) -> bool:
        """Whether it was made for input in noise units."""
        return bool(self.config.input == "noise")

    def prepare(self, frames: Tensor) -> Tensor:
        """Frames in photons as they are: standardising them is the network's first layer.

        With input in noise units (B, 1 or 3, H, W) -> (B, 2 or 6, H, W): frames, then noise.
        """
        if frames.shape[1] != self.config.frames:
            raise ValueError(
                f"DilatedLoc reads {self.config.frames} frames of one plane at once, "
                f"got {frames.shape[1]} channels."
            )
        if not self.reads_noise_units:
            return frames
        return torch.cat(to_noise_units(frames), 1)

    def predict(self, prepared: Tensor) -> Tensor:
        """(B, T, H, W) photons, T 1 or 3, -> (B, 9, c H, c W); (B, 2 T, H, W) -> (B, 10, ...)."""
        B, (H, W), T = prepared.shape[0], prepared.shape[-2:], cast("int", self.config.frames)
        x = prepared[:, :T].reshape(B * T, 1, H, W)
        x = self.input_norm(x.to(self.input_norm.weight.dtype))
        if self.reads_noise_units:
            noise = prepared[:, T:].reshape(B * T, 1, H, W)
            x = torch.cat([x, noise.log().to(x.dtype)], 1)
        x = in_channels_last(x)  # or what it is joined to would be put in another order and back
        first = self.early[0](x)
        x = x.to(first.dtype)  # or concatenations under autocast become single precision
        second = self.early[1](_with(first, x)) + first
        third = self.early[2](_with(second, x)) + second
        # (B*T, C, H, W) -> (B, T*C, H, W); from here on the frame looked at leads
        seen = third.unflatten(0, (B, T)).flatten(1, 2) if T > 1 else third
        x, third = (in_channels_last(v.unflatten(0, (B, T))[:, T // 2]) for v in (x, third))
        by_2 = self.late[0](_with(seen, x)) + third
        by_4 = self.late[1](_with(by_2, x)) + by_2
        by_8 = self.late[2](_with(by_4, x)) + by_4
        by_16 = self.late[3](_with(by_8, x)) + by_2 + by_8
        return self._finely(_with(by_16, x), prepared)

    def _finely(self, seen: Tensor, prepared: Tensor) -> Tensor:
        """(B, 64 + C, H, W) -> prediction, by layers on four times as fine a grid.

        They need most of the memory and see few pixels around: large images go through them in
        strips, which changes nothing.
        """
        B, _, H, W = seen.shape
        strip_px = STRIP_PX.get(seen.device.type, 1 << 20)
        if torch.is_grad_enabled() or strip_px >= B * H * W:
            return self.from_features(self.up[1](self.up[0](seen)), prepared)
        cells, rows = cast("int", self.config.cells), max(FINE_REACH_PX, strip_px // (B * W))
        parts = []
        for y in range(0, H, rows):
            top, end = max(0, y - FINE_REACH_PX), min(H, y + rows)
            around = slice(top, min(H, end + FINE_REACH_PX))
            features = self.up[1](self.up[0](seen[:, :, around]))
            part = self.from_features(features, prepared[:, :, around])
            parts.append(part[:, :, (y - top) * cells : (end - top) * cells])
        return torch.cat(parts, 2)

    def from_features(self, features: Tensor, prepared: Tensor) -> Tensor:
        """(B, 64, 4 H, 4 W) features -> prediction: the layers down to the cells, and the heads."""
        T = cast("int", self.config.frames)
        for size, layer in zip((2, 1), self.down, strict=True):
            if self.config.cells <= size and not self._pools_early:
                features = functional.max_pool2d(features, 2)
            features = layer(features)
        prediction = self._activated(torch.cat([head(features).float() for head in self.heads], 1))
        if not self.reads_noise_units:
            return prediction
        noise = prepared[:, T + T // 2, None].float()
        noise = functional.interpolate(noise, size=prediction.shape[-2:], mode="nearest")
        return torch.cat([prediction, noise], 1)

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
        values.append(self._coded_photons(prediction, truth))
        return mixture_loss(
            prediction[:, 0],
            prediction[:, used],
            prediction[:, [c + 4 for c in used]],
            truth.frame,
            torch.stack(values, 1),
            reach=MIXTURE_REACH_PX * self.config.cells,
            is_squared=self.config.distance == "squared",
        )

    def _coded_photons(self, prediction: Tensor, truth: Localizations) -> Tensor:
        """(N,) photons of molecules as the network states them."""
        photons: Tensor = truth["photons"] / self.config.photon_max
        if not self.reads_noise_units:
            return photons
        rows, columns = prediction.shape[-2:]
        row = (truth.y_nm / self._cell_nm).long().clamp(0, rows - 1)
        column = (truth.x_nm / self._cell_nm).long().clamp(0, columns - 1)
        return (photons / prediction[truth.frame, 9, row, column]).sqrt()

    # -- decoding --------------------------------------------------------------------------

    @property
    def _cell_nm(self) -> float:
        return self.pixel_size_nm / cast("int", self.config.cells)

    def to_localizations(self, prediction: Tensor, threshold: float | None = None) -> Localizations:
        """Return the molecules of the cells, as `decoding` says."""
        threshold = self.config.threshold if threshold is None else threshold
        probability = prediction[:, 0].sigmoid()
        if self.config.decoding == "peaks":
            found = highest_cells(probability)
            cell = torch.nonzero((found > 0) & (found >= threshold), as_tuple=True)
            return self._table(cell[0], self._values(prediction, cell), found[cell])
        frame, row, column = torch.nonzero(probability > FAINTEST, as_tuple=True)
        cell = (frame, row, column)
        values = self._values(prediction, cell)
        shares = share_out(
            probability[cell],
            values[:, :2],
            values[:, 4:6],
            cell,
            threshold=threshold,
            is_bead=values[:, 3] > 1,  # more than `photon_max`
        )
        own = shares.cells[:, 4]  # the middle one of 3x3
        return self._table(frame[own], shares.mean(values), shares.mass).sort("frame")

    def _values(self, prediction: Tensor, cell: tuple[Tensor, ...]) -> Tensor:
        """(N, 8) x and y in cells from the frame's corner, z, photons, and their sigmas."""
        frame, row, column = cell
        values = prediction[frame, 1:, row, column]
        if self.reads_noise_units:
            photons = values[:, 3].square() * values[:, 8]
            values = torch.cat([values[:, :3], photons[:, None], values[:, 4:8]], 1)
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
        seen = self.prepare(frames)[:, : self.config.frames]
        cast("Tensor", self.input_norm.running_mean).fill_(seen.mean())
        cast("Tensor", self.input_norm.running_var).fill_(seen.var())

    def scale_uncertainty(self, factors: Mapping[str, float]) -> None:
        """Multiply the standard errors of x and y by one factor, those of z by another."""
        given = [factors.get(name, 1.0) for name in ("lateral", "axial")]
        self.uncertainty_scale.mul_(torch.tensor(given, device=self.uncertainty_scale.device))

    def for_inference(self) -> Self:
        """Return an equal network with less to do between its convolutions.

        Batch norm becomes a factor of the weights before the ReLU and a shift after it, and
        maxima are taken before both, on a quarter of the values: with positive factors all that
        is exact. Merged kernels are computed once.
        """
        ready, finer = copy.deepcopy(self), cast("int", self.config.cells)
        before_pools = [block for block, size in ((ready.up[1], 2), (ready.down[0], 1))
                        if finer <= size]  # fmt: skip
        ready._pools_early = all(cast("NormLastBlock", b).is_rising for b in before_pools)
        return folded_for_inference(ready, pooled=before_pools if ready._pools_early else [])


class _Head(nn.Module):
    """3x3 convolution, ELU, 1x1 convolution."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(in_channels, in_channels, 3, padding=1)
        self.last = nn.Conv2d(in_channels, out_channels, 1)
        start_rectified(self.first)
        start_rectified(self.last)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.last(functional.elu(self.first(x), inplace=True))
        return y


def _with(features: Tensor, frame: Tensor) -> Tensor:
    return torch.cat([features, frame], 1)


MODEL = DilatedLoc
