"""Options: the choices of a reconstruction."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Discriminator, Field, Tag, field_validator, model_validator

from napari_deepsmlm._base import FrozenModel
from napari_deepsmlm._windows import Windows, windows_of
from napari_deepsmlm.camera import Camera, find_camera

MODEL_ENDING = ".safetensors"
"""Of a model that is named by its file."""


def _named_camera(value: Any) -> Any:
    """Let options say `camera: none`, a preset, or a file."""
    if isinstance(value, str) and value in ("auto", "none"):
        return None if value == "none" else value
    return find_camera(value) if isinstance(value, str | Path) else value


CameraChoice = Annotated[
    Annotated[
        Annotated[Literal["auto"], Tag("auto")] | Annotated[Camera, Tag("given")],
        Discriminator(lambda value: "auto" if isinstance(value, str) else "given"),
    ]
    | None,
    BeforeValidator(_named_camera),
]


class ReconstructOptions(FrozenModel):
    """Choices of a reconstruction."""

    model: str = Field("deep-storm", description="Network, built-in model, or model file.")
    pixel_size_nm: float | None = Field(
        None, ge=1, le=10_000, description="Camera pixel, nm; from the file if not given."
    )
    sum_frames: int = Field(1, ge=1, description="Camera frames summed for each input.")
    frame_range: tuple[int, int | None] = Field(
        (0, None), description="First frame, counted from 0, and the one after the last."
    )
    region: tuple[int, int, int, int] | None = Field(
        None,
        description="First row and column, and those after the last, camera pixels counted from "
        "0: only this part of the frames is reconstructed; all if not given.",
    )
    upsampling: int | None = Field(
        None,
        ge=1,
        le=100,
        description="Pixels of the image per camera pixel, along each axis. A network that "
        "predicts an image has its own; one that localizes draws 8 if none is given.",
    )
    window: int | None = Field(None, ge=1, description="Frames per image of a time-lapse.")
    window_step: int | None = Field(
        None,
        ge=1,
        description="Frames from one image of a time-lapse to the next, for windows that overlap; "
        "those of a window if not given.",
    )
    threshold: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Least probability of a localization; the model's if not given.",
    )
    device: str = Field(
        "auto", description="auto, cpu, cuda, cuda:1, mps; several, as cuda:0,cuda:1, share frames."
    )
    precision: Literal["auto", "fp32", "bf16"] = Field("auto", description="Number format.")
    camera: CameraChoice = Field(
        "auto",
        description="What turns the file's numbers (ADU) into photons: a camera, the name of a "
        "preset or a file of one; auto: from the file, from what was entered for such stacks, or "
        "from the noise; none: the numbers are photons.",
    )
    force: bool = Field(False, description="Go on with a warning where the result cannot be right.")
    channel: int | str | None = Field(
        None, description="One colour of several: its number, from 1, or its name in the file."
    )
    axes: str | None = Field(
        None,
        description="Letters of the file's axes, as TCYX or ZTYX, where it does not name them.",
    )
    registration: str | None = Field(
        None, description="planes.yaml of a calibration: moves all planes onto the first."
    )

    workers: int | None = Field(
        None,
        ge=1,
        le=1024,
        description="Processes that share the frames; one for each device if not given.",
    )
    scheduler: str | None = Field(
        None,
        description="Address of a dask scheduler, as tcp://host:8786, whose workers share the "
        "frames instead.",
    )

    def with_whole_paths(self) -> Self:
        """Return the same with the files of model and planes named from the root."""
        files = {"registration": self.registration}
        if self.model.endswith(MODEL_ENDING):
            files["model"] = self.model
        return self.replace(
            **{name: str(Path(path).absolute()) for name, path in files.items() if path}
        )

    @property
    def windows(self) -> Windows | None:
        """The windows of a time-lapse; None: one image."""
        return windows_of(self.window, self.window_step)

    @model_validator(mode="after")
    def _windows_share_sums(self) -> Self:
        windows = self.windows
        if windows is None or windows.step == windows.length or self.sum_frames == 1:
            return self
        n = self.sum_frames
        if windows.step % n or windows.length % n:
            raise ValueError(
                f"windows that overlap share sums of {n} frames: window and step must be multiples "
                f"of {n}, got {windows.length} and {windows.step}"
            )
        return self

    @field_validator("frame_range")
    @classmethod
    def _ascending(cls, value: tuple[int, int | None]) -> tuple[int, int | None]:
        start, stop = value
        if start < 0 or (stop is not None and stop <= start):
            raise ValueError("needs 0 <= first < last")
        return value

    @field_validator("region")
    @classmethod
    def _has_area(cls, value: tuple[int, int, int, int] | None) -> tuple[int, int, int, int] | None:
        if value is not None:
            y, x, y_end, x_end = value
            if min(y, x) < 0 or y_end <= y or x_end <= x:
                raise ValueError("needs Y0, X0, Y1, X1 with 0 <= Y0 < Y1 and 0 <= X0 < X1")
        return value
