"""Kits: what the panels that simulate and train are put together from, found in another thread."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from napari_deepsmlm.plugin.library.choices import ModelChoice
from napari_deepsmlm.plugin.library.loading import load_torch_beside_python
from napari_deepsmlm.runs import RunRecord, trained_models, unfinished_runs

if TYPE_CHECKING:
    import threading
    from collections.abc import Generator, Mapping, Sequence
    from pathlib import Path

    from napari_deepsmlm.camera import Camera
    from napari_deepsmlm.experiment import Experiment
    from napari_deepsmlm.models import SMLMModel


@dataclass(frozen=True)
class ExperimentKit:
    """What experiments are put together from."""

    experiment: type[Experiment]
    presets: tuple[str, ...]
    cameras: Mapping[str, Camera]


@dataclass(frozen=True)
class TrainingKit(ExperimentKit):
    """What training needs besides."""

    networks: Mapping[str, type[SMLMModel]]
    made_for: Mapping[str, Sequence[str]]
    """The presets that train a network, by its name."""
    models: tuple[ModelChoice, ...]
    devices: tuple[str, ...]
    unfinished: Mapping[Path, RunRecord]


def load_experiment_kit(stopping: threading.Event) -> Generator[ExperimentKit, None, None]:
    """Import what simulates, and yield it."""
    load_torch_beside_python()
    yield _kit()


def load_training_kit(runs: Path, stopping: threading.Event) -> Generator[TrainingKit, None, None]:
    """Import what trains, look into the folder of the runs, and yield all that is there."""
    load_torch_beside_python()
    from napari_deepsmlm._devices import available_devices, choose_compute
    from napari_deepsmlm.models import available_models, built_in_models

    import_module("pyqtgraph")  # takes half a second too
    choose_compute()  # starts the driver of a GPU, which takes its time
    built_in = [ModelChoice.from_file(path, name) for name, path in built_in_models().items()]
    yield TrainingKit(
        **vars(_kit()),
        networks=dict(available_models()),
        made_for=_presets_by_network(),
        models=(*built_in, *_own_models(runs)),
        devices=tuple(available_devices()),
        unfinished=unfinished_runs(runs),
    )


def _kit() -> ExperimentKit:
    from napari_deepsmlm.camera import camera_preset, camera_presets
    from napari_deepsmlm.experiment import Experiment

    cameras = {name: camera_preset(name) for name in camera_presets()}
    return ExperimentKit(Experiment, tuple(Experiment.presets()), cameras)


def _presets_by_network() -> dict[str, list[str]]:
    """Only those that choose their network: the others describe a microscope."""
    from napari_deepsmlm.experiment import Experiment

    made_for: dict[str, list[str]] = {}
    for name in Experiment.presets():
        preset = Experiment.from_preset(name)
        if "network" in preset.model_fields_set:
            made_for.setdefault(preset.network, []).append(name)
    return made_for


def _own_models(runs: Path) -> list[ModelChoice]:
    found = []
    for path in trained_models(runs):
        try:
            found.append(ModelChoice.from_file(path))
        except (ValueError, OSError):  # damaged, or of a network that is not here any more
            continue
    return found
