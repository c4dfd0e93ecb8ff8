"""Spotter: a network of the tests that localizes; what it answers is known in closed form."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch
from pydantic import Field
from torch import nn
from torch.nn import functional

from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.models import ModelConfig, SMLMModel

if TYPE_CHECKING:
    from torch import Tensor


class SpotterConfig(ModelConfig):
    """Spotter's choices."""

    planes: int = Field(1, ge=1, description="Focal planes that it reads.")
    neighbours: int = Field(0, ge=0, description="Frames on each side that it reads.")


class Spotter(SMLMModel):
    """A molecule at the centre of gravity of every 3 x 3 pixels around a maximum.

    The prediction is (B, 2, H, W): photons of the frame looked at, summed over planes, and the sum
    of its neighbours in time. 100 photons are certain.
    """

    name = "spotter"
    title = "Spotter"
    Config = SpotterConfig
    columns = (
        "frame", "x_nm", "y_nm", "photons", "background", "uncertainty_x_nm", "uncertainty_y_nm",
        "probability",
    )  # fmt: skip
    needs_photons: ClassVar[bool] = True

    def __init__(self, config: SpotterConfig) -> None:
        super().__init__(config)
        self.gain = nn.Parameter(torch.ones(()))

    @property
    def context(self) -> int:
        return self.config.neighbours

    @property
    def n_planes(self) -> int:
        return self.config.planes

    @property
    def halo_px(self) -> int:
        return 1

    def prepare(self, frames: Tensor) -> Tensor:
        return frames

    def predict(self, prepared: Tensor) -> Tensor:
        x = prepared.unflatten(1, (2 * self.context + 1, self.n_planes)).sum(2)
        middle = x[:, self.context]
        return self.gain * torch.stack([middle, x.sum(1) - middle], 1)

    def loss(self, prediction: Tensor, truth: Localizations) -> Tensor:
        true = torch.bincount(truth.frame, minlength=len(prediction))
        return (prediction[:, 0].sum((1, 2)) / 100 - true).square().mean()

    def to_localizations(self, prediction: Tensor, threshold: float | None = None) -> Localizations:
        least = 100 * (self.config.threshold if threshold is None else threshold)
        light, around = prediction.float().unbind(1)
        padded = functional.pad(light, (1, 1, 1, 1))
        highest = functional.max_pool2d(light[:, None], 3, 1, 1)[:, 0]
        frame, row, column = torch.nonzero((light == highest) & (light > least), as_tuple=True)
        step = torch.arange(3, device=light.device)
        window = padded[frame[:, None, None], (row[:, None] + step)[..., None],
                        (column[:, None] + step)[:, None]]  # fmt: skip
        mass = window.sum((1, 2))
        pixel, offset = self.pixel_size_nm, step - 1.0
        photons = light[frame, row, column]
        precision = pixel / photons.clamp(min=1).sqrt()
        return Localizations(
            frame=frame,
            x_nm=(column + 0.5 + (window.sum(1) * offset).sum(1) / mass) * pixel,
            y_nm=(row + 0.5 + (window.sum(2) * offset).sum(1) / mass) * pixel,
            photons=photons,
            background=around[frame, row, column],
            uncertainty_x_nm=precision,
            uncertainty_y_nm=2 * precision,
            probability=(photons / 100).clamp(max=1),
        )


MODEL = Spotter
