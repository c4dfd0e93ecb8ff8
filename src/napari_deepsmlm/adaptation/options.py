"""Options: the choices of an adaptation."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from napari_deepsmlm._base import FrozenModel
from napari_deepsmlm.camera import Camera

DEFAULT_MINUTES = 5.0


class AdaptOptions(FrozenModel):
    """What is adapted to which frames, and for how long."""

    model: str = Field("deep-storm", description="Network, built-in model, or model file.")
    minutes: float = Field(DEFAULT_MINUTES, description="Time to train; it may end earlier.")
    steps: int | None = Field(
        None, ge=1, description="Training steps that replace the time, the same on any machine."
    )
    pixel_size_nm: float | None = Field(
        None, ge=1, le=10_000, description="Camera pixel, nm; from the file if not given."
    )
    upsampling: int | None = Field(None, ge=1, le=100, description="Chooses among models.")
    sum_frames: int = Field(1, ge=1, description="Camera frames summed for each input.")
    frame_range: tuple[int, int | None] = Field(
        (0, None), description="First frame, counted from 0, and the one after the last."
    )
    camera: Camera | Literal["auto"] | None = Field(
        "auto",
        description="Turns ADU into photons; auto: found as for a reconstruction; none: "
        "the numbers are photons.",
    )
    registration: str | None = Field(None, description="planes.yaml of a calibration.")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1, mps.")
    precision: Literal["auto", "fp32", "bf16"] = Field("auto", description="Number format.")
    patch_px: int = Field(32, ge=16, le=512, description="Side of a training patch, pixels.")
    held_out_frames: int = Field(
        24, ge=1, le=1000, description="Simulated frames, never trained on, that judge."
    )
    held_out_px: int = Field(64, ge=16, le=512, description="Their side, pixels.")

    @field_validator("minutes")
    @classmethod
    def _some_time(cls, value: float) -> float:
        if not 0 < value <= 10_000:
            raise ValueError("minutes to adapt must be above 0, such as 5")
        return value
