"""Experiment: optics, camera, blinking, network and training in one configuration file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np
import torch
from pydantic import Field, field_validator, model_validator

from napari_deepsmlm._base import FrozenModel
from napari_deepsmlm.camera import SCMOS, Camera
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.models import build_model, load_model, model_class
from napari_deepsmlm.psf import AnyPSF, GaussianPSF
from napari_deepsmlm.simulation import Simulation, Simulator
from napari_deepsmlm.training import Trainer, Training

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_deepsmlm.models import SMLMModel
    from napari_deepsmlm.simulation.simulator import Batch
    from napari_deepsmlm.training.events import Event


class Movie(NamedTuple):
    """A simulated stack and its molecules."""

    stack: np.ndarray[Any, Any]
    """(T, C, H, W) ADU, uint16."""
    truth: Localizations


class Experiment(FrozenModel):
    """A microscope, a sample, and the network to be trained for them.

    Examples
    --------
    >>> experiment = Experiment(image_px=(32, 32))
    >>> stack, truth = experiment.simulate(n_frames=5, seed=0)
    >>> stack.shape, stack.dtype
    ((5, 1, 32, 32), dtype('uint16'))
    """

    psf: AnyPSF = Field(GaussianPSF(), description="Image of a molecule.")
    camera: Camera = Field(SCMOS(), description="Photons to ADU.")
    simulation: Simulation = Field(Simulation(), description="What blinks.")
    image_px: Annotated[tuple[int, int], Field(description="Height and width of frames.")] = (64, 64)
    network: str = Field("deep-storm", description="Name of the network to train.")
    model: dict[str, Any] = Field({}, description="The network's own choices.")
    training: Training = Field(Training(), description="How it is trained.")

    @field_validator("image_px")
    @classmethod
    def _reasonable_size(cls, value: tuple[int, int]) -> tuple[int, int]:
        if not all(4 <= side <= 8192 for side in value):
            raise ValueError("sides must be 4 to 8192 pixels")
        return value

    @model_validator(mode="after")
    def _model_fits(self) -> Experiment:
        model_class(self.network).Config.from_dict(self._model_values(), source="model")
        return self

    def simulator(self) -> Simulator:
        """Return the source of simulated frames."""
        return Simulator(self.psf, self.camera, self.simulation)

    def movie(self, n_frames: int, seed: int = 0) -> Iterator[Batch]:
        """Yield a movie of one structure in chunks of at most 100 frames, as torch tensors."""
        generator = torch.Generator().manual_seed(seed)
        return self.simulator().movie(n_frames, self.image_px, generator)

    def simulate(self, n_frames: int, seed: int = 0) -> Movie:
        """Return a movie of one structure, (T, C, H, W) ADU, and its molecules."""
        if n_frames < 1:
            raise ValueError(f"n_frames must be at least 1, got {n_frames}.")
        chunks = list(self.movie(n_frames, seed))
        stack = np.concatenate([chunk.frames.numpy().astype(np.uint16) for chunk in chunks])
        return Movie(stack, Localizations.concatenate([chunk.truth for chunk in chunks]).to_numpy())

    def build_model(self) -> SMLMModel:
        """Return the untrained network, its weights set by the training seed."""
        with torch.random.fork_rng():
            torch.manual_seed(self.training.seed)
            return build_model(self.network, self._model_values())

    def trainer(self, out: str | Path, *, device: str = "auto") -> Trainer:
        """Return a trainer; iterate its `run()` for events."""
        card = {"experiment": self.model_dump(mode="json")}
        return Trainer(
            self.build_model(), self.simulator(), self.training, out=out, device=device, card=card
        )

    def train(self, out: str | Path, *, device: str = "auto", resume: bool = False) -> SMLMModel:
        """Train to the end and return the best model."""
        events: list[Event] = list(self.trainer(out, device=device).run(resume=resume))
        return load_model(events[-1].model_path)[0]  # type: ignore[union-attr]

    def _model_values(self) -> dict[str, Any]:
        return {"pixel_size_nm": self.psf.pixel_size_nm, **self.model}
