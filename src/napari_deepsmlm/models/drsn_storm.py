"""DRSN-STORM: a recurrent network from a sum of frames to an image of molecules."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, ClassVar, Literal, Self, cast

import torch
from pydantic import Field
from torch import nn
from torch.nn import functional

from napari_deepsmlm.models.base import ImageModel, ModelConfig
from napari_deepsmlm.models.blocks import channels_last, conv_to_one, to_unit_range
from napari_deepsmlm.models.decode import counting_scale
from napari_deepsmlm.models.losses import gaussian_blur, weighted_spikes
from napari_deepsmlm.models.noise_units import to_robust_range

if TYPE_CHECKING:
    from torch import Tensor

    from napari_deepsmlm.localizations import Localizations

WIDTH = 128
# Weight of the norm beside the squared distance: makes an ideal prediction 3 % too small.
NORM_WEIGHT = 0.03
# A molecule in focus puts about an eighth of its light on its brightest pixel, so a spike as high
# as the light above the darkest pixel asks for is 8; with this factor layers work on about 1.
SPIKE_OF_SPAN = 8.0
# Nearly all pixels are dark, so the last ReLU soon gives 0 everywhere, and no gradient with it, for
# ever: in training it lets this share of what is below zero through.
LEAK = 0.1
# Mean photons that a molecule is taken for until it is calibrated.
PHOTONS = 2000.0


class DrsnStormConfig(ModelConfig):
    """DRSN-STORM's choices."""

    upsampling: Literal[4, 8] = Field(4, description="Super-resolution pixels per camera pixel.")
    input: Literal["extremes", "robust"] = Field(
        "extremes",
        description="How frames are scaled: by their own extremes (published), or by their "
        "background and the level of their bright spots, which one bright speck does not change.",
    )
    interpolation: Literal["bicubic", "nearest"] = Field(
        "bicubic", description="How frames are upsampled; the paper does not say."
    )
    skip: Literal["input", "features"] = Field(
        "input",
        description="What is joined to the recurrent features: the input (446,337 parameters, the "
        "paper's text) or the first features (592,641, its formula).",
    )
    n_recursions: int = Field(5, ge=1, le=20, description="Times the shared layer is applied.")
    output_weights: Literal["equal", "learnable"] = Field(
        "equal", description="How the outputs of all recursions are averaged."
    )
    norm: Literal["l2", "l1"] = Field("l2", description="Norm of the prediction in the loss.")
    headroom: float = Field(
        1.0,
        ge=0,
        description="Training only: a patch pretends to come from a frame whose maximum is up to "
        "this fraction higher, as frames larger than the patch have higher maxima.",
    )


class DrsnStorm(ImageModel):
    """DRSN-STORM (deep recurrent-supervised network, 2021).

    A sum of N frames, (B, 1, H, W) photons, is scaled to [0, 1] by its own extremes, or by its
    background and bright spots, standardised and upsampled. Two layers extract features, one
    shared layer is applied five times, and after each of them two shared layers, joined by a skip
    connection, make an output; every layer is a 3x3 convolution with ReLU. The image is the mean
    of the outputs.

    The outputs are **light**: scaled back by the frame's range they are photons, which adds up over
    molecules and over sums of any N, where the number of molecules in a pixel is neither 0 or 1
    nor to be told from a scaled frame. `calibrate` measures the photons of a molecule, and
    `to_image` divides by them: counts are right for molecules as bright as in training and
    need the camera; the image itself does not.

    The prediction (B, D + 1, r H, r W) holds all outputs, and a plane with the photons of a spike
    as bright as the frame's brightest pixel. The loss is the paper's; where it is silent: the norm
    is per image, and distance and norm are relative to those of the true image, plus such a spike
    for images without molecules. So the first term is half the NMSE, and sums of 1 and of 1000
    frames have the same say. Each output is supervised as their mean is, with half of the weight
    together.
    """

    name = "drsn-storm"
    title = "DRSN-STORM"
    Config = DrsnStormConfig
    needs_photons: ClassVar[bool] = True

    input_mean: Tensor
    input_std: Tensor
    molecules_per_photon: Tensor

    def __init__(self, config: DrsnStormConfig) -> None:
        super().__init__(config)
        n_joined = 1 if config.skip == "input" else WIDTH
        self.first = nn.Conv2d(1, WIDTH, 3, padding=1)
        self.second = nn.Conv2d(WIDTH, WIDTH, 3, padding=1)
        self.recurrent = nn.Conv2d(WIDTH, WIDTH, 3, padding=1)
        self.joining = nn.Conv2d(WIDTH + n_joined, WIDTH, 3, padding=1)
        self.last = nn.Conv2d(WIDTH, 1, 3, padding=1)
        for layer in (self.first, self.second, self.recurrent, self.joining, self.last):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(cast("Tensor", layer.bias))
        # Nearly all pixels are dark: a network that starts so need not first put out its lights.
        nn.init.normal_(self.last.weight, std=1e-3)
        if config.output_weights == "learnable":
            self.output_logits = nn.Parameter(torch.zeros(config.n_recursions))
        self.register_buffer("input_mean", torch.tensor(0.2))
        self.register_buffer("input_std", torch.tensor(0.2))
        self.register_buffer("molecules_per_photon", torch.tensor(1 / PHOTONS))

    @property
    def upsampling(self) -> int:
        """Super-resolution pixels per camera pixel."""
        return cast("int", self.config.upsampling)

    @property
    def halo_px(self) -> int:
        """A pixel per layer on the fine grid, two for peaks, and two coarse ones to interpolate."""
        reach: int = self.config.n_recursions + 6
        return -(-reach // self.upsampling) + 2

    @property
    def work_per_px(self) -> int:
        """All its layers are as fine as the image and four times as wide as those of Deep-STORM."""
        return 4 * self.upsampling**2

    def prepare(self, frames: Tensor) -> Tensor:
        """(B, 1, H, W) photons -> (B, 2, H, W) standardised frames, and their range of photons."""
        if frames.shape[1] != 1:
            raise ValueError(f"DRSN-STORM reads one plane per frame, got {frames.shape[1]}.")
        scaled, span = self._scaled(frames)
        if self.training and self.config.input == "extremes":
            room = 1 + self.config.headroom * torch.rand_like(span)
            scaled, span = scaled / room, span * room
        standardised = (scaled - self.input_mean) / self.input_std
        return torch.cat([standardised, span.expand_as(frames)], 1)

    def _scaled(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        robust = self.config.input == "robust"
        return to_robust_range(frames) if robust else to_unit_range(frames)

    def predict(self, prepared: Tensor) -> Tensor:
        """(B, 2, H, W) prepared frames -> (B, D + 1, r H, r W) photons, see the class."""
        frames, span = prepared.split(1, 1)
        x = functional.interpolate(
            frames, scale_factor=self.upsampling, mode=self.config.interpolation
        )
        x = x.to(self.first.weight.dtype, memory_format=torch.channels_last)
        spike = self._spike(span)
        outputs = spike * self._outputs(x).float()
        return torch.cat([outputs, spike.expand_as(outputs[:, :1])], 1)

    def _spike(self, span: Tensor) -> Tensor:
        """(B, 1, 1, 1) photons of a spike as bright as the frame's brightest pixel."""
        return SPIKE_OF_SPAN * span[:, :, :1, :1]

    def _outputs(self, x: Tensor) -> Tensor:
        """(B, 1, H, W) -> (B, D, H, W).

        A convolution of joined channels is the sum of those of its parts, so the part of the skip
        connection is worked out once. To join the features of all recursions as one batch gives the
        same, 9 to 15 % slower on a CPU, whose caches do not hold them.
        """
        early = functional.relu(self.first(x), inplace=True)
        features = functional.relu(self.second(early), inplace=True)
        weight = self.joining.weight
        of_features, of_skip = weight[:, :WIDTH], weight[:, WIDTH:]
        skip = x if self.config.skip == "input" else early
        skipped = functional.conv2d(skip, of_skip, self.joining.bias, padding=1)
        of_features = of_features.contiguous(memory_format=torch.channels_last)
        outputs = []
        for _ in range(self.config.n_recursions):
            features = functional.relu(self.recurrent(features), inplace=True)
            joined = functional.conv2d(features, of_features, padding=1).add_(skipped)
            outputs.append(conv_to_one(joined.relu_(), self.last))
        return functional.leaky_relu(torch.cat(outputs, 1), LEAK if self.training else 0.0)

    def loss(self, prediction: Tensor, truth: Localizations) -> Tensor:
        """Half of that of the mean output, half of that of the outputs (paper eq. 10)."""
        outputs, spike = prediction[:, :-1], prediction[:, -1, 0, 0]
        B, _, H, W = outputs.shape
        target = weighted_spikes(truth, truth["photons"], (B, H, W), self.sr_pixel_nm)
        total = self._relative_loss(self._mean(prediction), target, spike)
        each = [self._relative_loss(output, target, spike) for output in outputs.unbind(1)]
        return (total + torch.stack(each).mean()) / 2

    def _relative_loss(self, image: Tensor, target: Tensor, spike: Tensor) -> Tensor:
        """Mean over (B, H, W) images; (B,) spikes keep those without molecules in bounds."""
        spike = spike.clamp(min=1.0)  # a photon, for frames without contrast
        order = 2 if self.config.norm == "l2" else 1
        distance = gaussian_blur(image - target).square().sum((1, 2))
        # A blurred spike of 1 has the power 1 / (4 pi).
        power = gaussian_blur(target).square().sum((1, 2)) + spike.square() / (4 * torch.pi)
        norm = torch.linalg.vector_norm(image, order, (1, 2))
        true_norm = torch.linalg.vector_norm(target, order, (1, 2)) + spike
        loss: Tensor = distance / power / 2 + NORM_WEIGHT * norm / true_norm
        return loss.mean()

    def _mean(self, prediction: Tensor) -> Tensor:
        """(B, D + 1, H, W) -> (B, H, W)."""
        outputs = prediction[:, :-1]
        if self.config.output_weights == "equal":
            return outputs.mean(1)
        weights = self.output_logits.float().softmax(0)
        return (outputs * weights[:, None, None]).sum(1)

    def to_image(self, prediction: Tensor) -> Tensor:
        """Return (B, r H, r W) molecules per super-resolution pixel, never negative."""
        return self._mean(prediction) * self.molecules_per_photon.float()

    def fit_input(self, frames: Tensor) -> None:
        """Average mean and standard deviation of scaled training patches."""
        scaled, _ = self._scaled(frames)
        self.input_mean.copy_(scaled.mean())
        self.input_std.copy_(scaled.std(dim=(1, 2, 3)).mean())

    @torch.no_grad()
    def calibrate(self, frames: Tensor, truth: Localizations) -> None:
        """Choose the photons of a molecule so that the sums of images are numbers of molecules."""
        light = [self._mean(self(part)).sum((1, 2)) for part in frames.split(8)]
        scale = counting_scale(torch.cat(light), truth)
        if scale is not None:
            self.molecules_per_photon.fill_(scale)

    def first_look(self) -> Self | None:
        """Return a copy with one recursion: its output was supervised as the mean of all was."""
        if self.config.n_recursions == 1:
            return None
        look = copy.deepcopy(self)
        look.config = self.config.replace(n_recursions=1, output_weights="equal")
        return look

    def for_inference(self) -> Self:
        """Return a copy whose weights lie as convolutions want them."""
        return channels_last(copy.deepcopy(self).eval().requires_grad_(False))


MODEL = DrsnStorm
