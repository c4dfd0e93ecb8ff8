"""Experiment: optics, camera, blinking, network and training in one configuration file."""

from __future__ import annotations

from contextlib import ExitStack
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np
import torch
from pydantic import Field, ValidationInfo, field_validator, model_validator

from napari_deepsmlm._base import FrozenModel
from napari_deepsmlm._devices import choose_compute
from napari_deepsmlm._files import folder_lock, refuse_to_replace
from napari_deepsmlm.camera import SCMOS, Camera
from napari_deepsmlm.io import LocalizationWriter, StackWriter
from napari_deepsmlm.io.result_files import TABLE_NAME
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.models import build_model, find_model, load_model, model_class, take_over
from napari_deepsmlm.psf import AnyPSF, GaussianPSF
from napari_deepsmlm.simulation import Simulation, Simulator
from napari_deepsmlm.simulation.variety import VariedSimulator, Variety
from napari_deepsmlm.training import Trainer, Training
from napari_deepsmlm.training.data import SimulatedBatches
from napari_deepsmlm.training.experimental import ExperimentalBatches, ExperimentalData
from napari_deepsmlm.training.ranks import local_device
from napari_deepsmlm.training.varied import VariedBatches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_deepsmlm.models import ModelConfig, SMLMModel
    from napari_deepsmlm.simulation.simulator import Batch
    from napari_deepsmlm.training.events import Event
    from napari_deepsmlm.training.prefetch import Batches

STACK_NAME = "stack.tif"


class Movie(NamedTuple):
    """A simulated stack and its molecules."""

    stack: np.ndarray[Any, Any]
    """(T, C, H, W) ADU, uint16 where they are whole numbers."""
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
    variety: Variety | None = Field(
        None,
        description="Many microscopes to train on, drawn anew for each frame, instead of this one; "
        "of the simulation only the structure counts then.",
    )
    image_px: Annotated[tuple[int, int], Field(description="Height and width of frames.")] = (
        64,
        64,
    )
    network: str = Field("deep-storm", description="Name of the network to train.")
    model: dict[str, Any] = Field({}, description="The network's own choices.")
    start_from: str | None = Field(
        None,
        description="Trained model to begin with, its name or file, as seen from the YAML's "
        "folder; none: random weights.",
    )
    training: Training = Field(Training(), description="How it is trained.")
    experimental: ExperimentalData | None = Field(
        None, description="Recorded sparse frames to train on; none: simulated ones only."
    )

    @field_validator("image_px")
    @classmethod
    def _reasonable_size(cls, value: tuple[int, int]) -> tuple[int, int]:
        if not all(4 <= side <= 8192 for side in value):
            raise ValueError("sides must be 4 to 8192 pixels")
        return value

    @field_validator("start_from")
    @classmethod
    def _as_seen_from_the_file(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None or not value.endswith(".safetensors"):
            return value
        folder = (info.context or {}).get("folder") or Path()
        # Absolute, so that the copy in the folder of a run finds it too.
        return str((folder / value).absolute())

    @model_validator(mode="after")
    def _model_fits(self) -> Experiment:
        self.network_config()
        return self

    @model_validator(mode="after")
    def _recorded_frames_need_their_camera(self) -> Experiment:
        if self.experimental is not None and "camera" not in self.model_fields_set:
            raise ValueError(
                "experimental: recorded frames need the camera that took them, and 'camera' is "
                "not given"
            )
        return self

    @staticmethod
    def presets() -> list[str]:
        """Return the names of the experiments that come with the package."""
        folder = files("napari_deepsmlm") / "presets"
        names = (entry.name for entry in folder.iterdir())
        return sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml"))

    @classmethod
    def from_preset(cls, name: str) -> Experiment:
        """Return an experiment that comes with the package.

        Raises
        ------
        ValueError
            If there is none of this name; the sentence lists those there are.

        Examples
        --------
        >>> Experiment.from_preset("lines-50nm").simulation.structure.distance_nm
        50.0
        """
        available = cls.presets()
        if name not in available:
            raise ValueError(f"Unknown experiment '{name}'. Available: {', '.join(available)}.")
        with as_file(files("napari_deepsmlm") / "presets" / f"{name}.yaml") as path:
            return cls.from_file(path)

    @classmethod
    def find(cls, name_or_path: str | Path) -> Experiment:
        """Return the experiment of a YAML file or, where there is no such file, of a preset.

        Raises
        ------
        ValueError
            If it is neither; the sentence lists the presets.
        """
        path = Path(name_or_path)
        if path.is_file():
            return cls.from_file(path)
        if str(name_or_path) in cls.presets():
            return cls.from_preset(str(name_or_path))
        raise ValueError(
            f"'{name_or_path}' is neither a file nor a preset. Presets: {', '.join(cls.presets())}."
        )

    def network_config(self) -> ModelConfig:
        """Return all choices of the network, those included that are left to it."""
        values = self._model_values()
        network = model_class(self.network)
        if not network.is_trained:
            raise ValueError(f"'{self.network}' is no network: there is nothing to train.")
        return network.Config.from_dict(values, source="model")

    def simulator(self) -> Simulator:
        """Return the source of simulated frames."""
        return Simulator(self.psf, self.camera, self.simulation)

    def movie(
        self, n_frames: int, seed: int = 0, activations: Localizations | None = None
    ) -> Iterator[Batch]:
        """Yield a movie of one structure in chunks of at most 100 frames, as torch tensors.

        Parameters
        ----------
        activations : molecules of each frame, instead of those that `simulation` draws.

        Raises
        ------
        ValueError
            If the experiment is of many microscopes, which only training batches show, or if
            activations have no photons or lie where the PSF is not known.
        """
        if self.variety is not None:
            raise ValueError(
                "An experiment with 'variety' is for training on many microscopes and has no movie "
                "of its own: take 'variety' out to simulate its psf, camera and simulation."
            )
        generator = torch.Generator().manual_seed(seed)
        return self.simulator().movie(n_frames, self.image_px, generator, activations=activations)

    def simulate(
        self, n_frames: int, seed: int = 0, activations: Localizations | None = None
    ) -> Movie:
        """Return a movie of one structure, (T, C, H, W) ADU, and its molecules.

        Parameters
        ----------
        activations : `frame`, `x_nm`, `y_nm`, `photons` (and `z_nm`) of molecules to show, instead
            of those that `simulation` draws.
        """
        if n_frames < 1:
            raise ValueError(f"n_frames must be at least 1, got {n_frames}.")
        chunks = list(self.movie(n_frames, seed, activations))
        stack = np.concatenate([chunk.frames.numpy().astype(self.camera.dtype) for chunk in chunks])
        return Movie(stack, Localizations.concatenate([chunk.truth for chunk in chunks]).to_numpy())

    def write_movie(
        self,
        out: str | Path,
        n_frames: int,
        *,
        seed: int = 0,
        activations: Localizations | None = None,
        on_frames: Callable[[int, int], None] | None = None,
    ) -> int:
        """Write `stack.tif`, `localizations.csv` and `experiment.yaml`, chunk by chunk.

        Parameters
        ----------
        out : folder, made if it is not there.
        activations : as for :meth:`simulate`.
        on_frames : called with frames done and their number.

        Returns
        -------
        The number of molecules in the frames.
        """
        out = Path(out)
        refuse_to_replace(out / STACK_NAME, [out / TABLE_NAME, out / "experiment.yaml"])
        n_done = 0
        with (
            folder_lock(out),
            StackWriter(
                out / STACK_NAME, pixel_size_nm=self.psf.pixel_size_nm, n_frames=n_frames
            ) as stack,
            ExitStack() as open_table,
        ):
            table = None
            for frames, found in self.movie(n_frames, seed, activations):
                truth = found.to_numpy().without("molecule")  # the format has no column for it
                if table is None:
                    table = LocalizationWriter(out / TABLE_NAME, truth.names)
                    open_table.enter_context(table)
                stack.append(frames.numpy().astype(self.camera.dtype))
                table.append(truth)
                n_done += len(frames)
                if on_frames is not None:
                    on_frames(n_done, n_frames)
            assert table is not None  # noqa: S101 - there is at least one frame
            self.to_file(out / "experiment.yaml")
            return table.n_written

    def build_model(self) -> SMLMModel:
        """Return the network to train: its weights drawn by the training seed, or taken over.

        Raises
        ------
        ValueError
            If the model of `start_from` is another network, or of another size.
        """
        if self.start_from is not None:
            return self._continued(self._start())
        with torch.random.fork_rng():
            torch.manual_seed(self.training.seed)
            return build_model(self.network, self._model_values())

    def _start(self) -> SMLMModel:
        """Return the trained model to begin with."""
        name = str(self.start_from)
        found = find_model(name, pixel_size_nm=self.psf.pixel_size_nm)
        if found.card.network != self.network:
            raise ValueError(
                f"Cannot start a {self.network} from '{name}', which is a {found.card.network}."
            )
        return found.load()

    def _continued(self, trained: SMLMModel) -> SMLMModel:
        """Return a trained model for this pixel size, with the choices it was made with."""
        own = {**trained.config.model_dump(), **self._model_values()}
        model = build_model(self.network, own)
        try:
            take_over(model, trained)
        except ValueError:
            raise ValueError(
                f"Cannot start from '{self.start_from}': the choices {self.model} need other "
                "layers than its."
            ) from None
        return model

    def _needs_fitting(self, model: SMLMModel) -> bool:
        """Whether the model's input normalisation is still to be measured."""
        return self.start_from is None or not model.is_read_as(self._start())

    def trainer(
        self, out: str | Path, *, device: str = "auto", preview: torch.Tensor | None = None
    ) -> Trainer:
        """Return a trainer; iterate its `run()` for events.

        Parameters
        ----------
        out : folder for its files.
        device : `auto` or a device's name.
        preview : (B, C, H, W) photons, frames to look at after each validation.
        """
        model = self.build_model()
        compute = choose_compute(local_device(device), self.training.precision)
        return Trainer(
            model,
            self.batches(model, compute.device),
            self.training,
            out=out,
            compute=compute,
            card={"experiment": self.model_dump(mode="json")},
            is_new=self._needs_fitting(model),
            preview=preview,
        )

    def batches(self, model: SMLMModel, device: torch.device) -> Batches:
        """Return what makes the training frames of a network."""
        side = self.training.patch_px
        if self.variety is not None:
            return VariedBatches(
                VariedSimulator(self.variety, self.simulation.structure),
                model,
                batch_size=self.training.batch_size,
                shape=(side, side),
                seed=self.training.seed,
                device=device,
            )
        simulated = SimulatedBatches(
            self.simulator(),
            batch_size=self.training.batch_size,
            shape=(side, side),
            seed=self.training.seed,
            device=device,
            context=model.context,
            model=model,
        )
        if self.experimental is None:
            return simulated
        return ExperimentalBatches.from_stack(self.experimental, simulated)

    def train(self, out: str | Path, *, device: str = "auto", resume: bool = False) -> SMLMModel:
        """Train to the end and return the best model.

        Parameters
        ----------
        out : folder for the files.
        device : `auto` or a device's name.
        resume : go on with the run in `out`; one that is over is not trained any more.

        Raises
        ------
        FileExistsError, FileNotFoundError
            If `out` holds another run or a model, or nothing to resume.
        """
        events: list[Event] = list(self.trainer(out, device=device).run(resume=resume))
        return load_model(events[-1].model_path)[0]  # type: ignore[union-attr]

    def _model_values(self) -> dict[str, Any]:
        return {"pixel_size_nm": self.psf.pixel_size_nm, **self.model}
