"""Deep-STORM: an encoder-decoder from one frame to an image of molecules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self, cast

import torch
from pydantic import Field
from torch import nn
from torch.nn import functional

from napari_deepsmlm.models.base import ImageModel, ModelConfig
from napari_deepsmlm.models.blocks import (
    ConvBlock,
    PooledRepeatedConv,
    fold_batch_norm,
    to_unit_range,
)
from napari_deepsmlm.models.decode import counting_scale, sharpen
from napari_deepsmlm.models.losses import gaussian_blur, spike_image
from napari_deepsmlm.models.noise_units import to_noise_units

if TYPE_CHECKING:
    from torch import Tensor

    from napari_deepsmlm.localizations import Localizations

# Target: blurred spikes times 100; prediction: blurred with twice the kernel. So an ideal peak
# is 50, and the plain sum of both terms of the loss is balanced.
TARGET_SCALE = 100.0
PREDICTION_SCALE = 2.0


class DeepStormConfig(ModelConfig):
    """Deep-STORM's choices."""

    upsampling: Literal[4, 8, 16] = Field(
        8, description="Super-resolution pixels per camera pixel."
    )
    input: Literal["extremes", "noise"] = Field(
        "extremes",
        description="How frames are scaled: by their own extremes (published), or in units of "
        "their noise above their background.",
    )
    sparsity: float = Field(
        1.0,
        ge=0,
        le=10,
        description="Training only: weight of the l1 norm of the image; 1: as published, which is "
        "least without a molecule whose place is uncertain by 5.5 pixels of the image or more.",
    )
    sharpening: float = Field(
        1.0,
        ge=1,
        le=8,
        description="Power that draws blobs together in the image, at equal mass; 1: as published.",
    )
    headroom: float = Field(
        0.4,
        ge=0,
        description="Training only: a patch pretends to come from a frame whose maximum is up to "
        "this fraction higher, as frames larger than the patch have higher maxima.",
    )


class DeepStorm(ImageModel):
    """Deep-STORM (Nehme et al. 2018, doi:10.1364/OPTICA.5.000458).

    A frame, or a sum of frames, of (B, 1, H, W) photons is scaled to [0, 1] by its own extremes,
    so camera offset and gain drop out, standardised, and upsampled by repetition. Or it is brought
    into units of its noise, which one bright speck does not change. The prediction
    (B, r H, r W) is a raw image whose ideal peak is 50 per molecule; `to_image` scales it to
    molecules per pixel.
    """

    name = "deep-storm"
    title = "Deep-STORM"
    Config = DeepStormConfig

    input_mean: Tensor
    input_std: Tensor
    molecules_per_unit: Tensor

    def __init__(self, config: DeepStormConfig) -> None:
        super().__init__(config)
        self.encoder = nn.Sequential(
            ConvBlock(1, 32, factor=config.upsampling),
            nn.MaxPool2d(2),
            ConvBlock(32, 64),
            nn.MaxPool2d(2),
            ConvBlock(64, 128),
            nn.MaxPool2d(2),
            ConvBlock(128, 512),
        )
        self.decoder = nn.Sequential(
            ConvBlock(512, 128, factor=2),
            ConvBlock(128, 64, factor=2),
            ConvBlock(64, 32, factor=2),
            nn.Conv2d(32, 1, 1, bias=False),
        )
        nn.init.orthogonal_(self._last.weight)
        self.register_buffer("input_mean", torch.tensor(0.2))
        self.register_buffer("input_std", torch.tensor(0.2))
        self.register_buffer("molecules_per_unit", torch.tensor(PREDICTION_SCALE / TARGET_SCALE))

    @property
    def upsampling(self) -> int:
        """Super-resolution pixels per camera pixel."""
        return cast("int", self.config.upsampling)

    @property
    def _last(self) -> nn.Conv2d:
        return cast("nn.Conv2d", self.decoder[-1])

    @property
    def tile_step_px(self) -> int:
        """Three poolings of 2 need super-resolved sides divisible by 8."""
        return max(1, 8 // self.upsampling)

    @property
    def halo_px(self) -> int:
        """The layers reach 32 super-resolution pixels with their poolings, sharpening 10 more."""
        return -(-42 // self.upsampling)

    @property
    def reads_noise_units(self) -> bool:
        """Whether frames are scaled by their noise."""
        return bool(self.config.input == "noise")

    def prepare(self, frames: Tensor) -> Tensor:
        """(B, 1, H, W) photons -> standardised frames."""
        if frames.shape[1] != 1:
            raise ValueError(f"Deep-STORM reads one plane per frame, got {frames.shape[1]}.")
        scaled = self._scaled(frames)
        if self.training and not self.reads_noise_units:
            scaled = scaled / (1 + self.config.headroom * torch.rand_like(scaled[:, :1, :1, :1]))
        return (scaled - self.input_mean) / self.input_std

    def _scaled(self, frames: Tensor) -> Tensor:
        return to_noise_units(frames).frames if self.reads_noise_units else to_unit_range(frames)[0]

    def predict(self, prepared: Tensor) -> Tensor:
        """(B, 1, H, W) standardised frames -> (B, r H, r W) raw prediction."""
        height, width = prepared.shape[-2:]
        step, r = self.tile_step_px, self.upsampling
        x = functional.pad(prepared, (0, -width % step, 0, -height % step), mode="replicate")
        x = x.to(self._last.weight.dtype, memory_format=torch.channels_last)
        prediction: Tensor = self.decoder(self.encoder(x)).float()
        return prediction[:, 0, : height * r, : width * r]

    def loss(self, prediction: Tensor, truth: Localizations) -> Tensor:
        """Squared distance of blurred images plus the l1 norm of the prediction (paper eq. 1).

        The norm has a weight w. Of a molecule whose place is known to u pixels a blob of mass 50 h
        is shown: the first term is (h² - 2 h) 100² / (4 π (1 + u²)) with it, the second 50 h w, and
        the sum is least at h = 0 where 1 + u² > 31.8 / w.
        """
        shape = cast("tuple[int, int, int]", tuple(prediction.shape))
        target = TARGET_SCALE * gaussian_blur(spike_image(truth, shape, self.sr_pixel_nm))
        blurred = PREDICTION_SCALE * gaussian_blur(prediction)
        sparse = self.config.sparsity * prediction.abs().mean()
        loss: Tensor = (blurred - target).square().mean() + sparse
        return loss

    def to_image(self, prediction: Tensor) -> Tensor:
        """Return (B, r H, r W) molecules per super-resolution pixel, never negative."""
        return self._in_units(prediction) * self.molecules_per_unit

    def _in_units(self, prediction: Tensor) -> Tensor:
        """Clip and sharpen: the image up to its calibration."""
        image = prediction.clamp(min=0)
        if self.config.sharpening == 1:
            return image
        ideal_peak = TARGET_SCALE / PREDICTION_SCALE
        return ideal_peak * sharpen(image / ideal_peak, self.config.sharpening)

    def fit_input(self, frames: Tensor) -> None:
        """Average mean and standard deviation of scaled training patches."""
        scaled = self._scaled(frames)
        self.input_mean.copy_(scaled.mean())
        self.input_std.copy_(scaled.std(dim=(1, 2, 3)).mean())

    @torch.no_grad()
    def calibrate(self, frames: Tensor, truth: Localizations) -> None:
        """Choose the scale at which the sums of images are numbers of molecules."""
        found = torch.cat([self._in_units(self(part)).sum((1, 2)) for part in frames.split(8)])
        scale = counting_scale(found, truth)
        if scale is not None:
            self.molecules_per_unit.fill_(scale)

    def for_inference(self) -> Self:
        """Fold batch norm, fix the merged kernels, and never make the largest image."""
        folded = fold_batch_norm(self)
        first = PooledRepeatedConv(cast("ConvBlock", self.encoder[0]))
        folded.encoder = nn.Sequential(first, *list(folded.encoder)[2:])
        return folded


MODEL = DeepStorm
