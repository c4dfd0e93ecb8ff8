"""Shared fixtures: small simulated stacks, and a model file that tests can run in a second."""

from __future__ import annotations

import copy
import gc
import shutil
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer.testing
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np

    from napari_deepsmlm.models.deep_storm import DeepStorm

# The process that hands out the tests reads this file before any other starts, and needs no torch:
# what is heavy is imported where it is used. Nor is there garbage worth a search until all is
# imported.
gc.disable()

# Busy machines are slow now and then: a test fails by what it finds, never by its time.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")

REAL_DATA = Path(__file__).parents[1] / "../shared/data"


def pytest_collection_finish() -> None:
    """Let searches for garbage, which tests ask for often, pass over all that was imported."""
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True, scope="session")
def no_power_cut() -> Iterator[None]:
    """No test cuts the power, so what it writes need not be on the disk before it goes on."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("os.fsync", lambda _: None)
        yield


@pytest.fixture(autouse=True, scope="session")
def commands_read_once() -> Iterator[None]:
    """Typer reads the signatures of all commands for each call: once will do."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(typer.testing, "_get_command", cache(typer.main.get_command))
        yield


@pytest.fixture(autouse=True)
def reports_without_pictures(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of a short training is to draw its report: only where a test looks at it."""
    report = sys.modules.get("napari_deepsmlm.training.report")
    if report is not None and "report_pictures" not in request.fixturenames:
        monkeypatch.setattr(report, "_embedded", lambda _: "")


@pytest.fixture
def report_pictures() -> None:
    """The pictures in reports of trainings."""


@pytest.fixture(autouse=True)
def no_data_of_the_person_at_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is remembered, of cameras or adapted models, but what a test makes."""
    for name in ("XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "data of the test"))


@pytest.fixture(scope="session")
def real_stack() -> Path:
    """The bundled-tubulin stack, where the shared data is at hand."""
    path = REAL_DATA / "microtubules_361x64x64.tif"
    if not path.exists():
        pytest.skip("the shared data is not here")
    return path


@pytest.fixture(scope="session")
def untrained_deep_storm() -> DeepStorm:
    """An untrained Deep-STORM whose batch norms have seen frames, so that it is not all zeros."""
    import torch

    from napari_deepsmlm.models import build_model
    from napari_deepsmlm.models.deep_storm import DeepStorm

    torch.manual_seed(0)
    model = build_model("deep-storm")
    assert isinstance(model, DeepStorm)
    frames = 100 + 50 * torch.rand(2, 1, 16, 16)
    model.train()
    with torch.no_grad():
        for _ in range(20):
            model(frames)
    return model.eval()


@pytest.fixture
def deep_storm(untrained_deep_storm: DeepStorm) -> DeepStorm:
    """One of the test's own."""
    import torch

    torch.manual_seed(0)
    return copy.deepcopy(untrained_deep_storm)


@pytest.fixture(scope="session")
def untrained_file(
    untrained_deep_storm: DeepStorm, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A file of that model, to be read only."""
    from napari_deepsmlm.models import save_model

    path = tmp_path_factory.mktemp("untrained") / "untrained.safetensors"
    save_model(path, untrained_deep_storm)
    return path


@pytest.fixture
def model_file(untrained_file: Path, tmp_path: Path) -> Path:
    """A file of the test's own."""
    return Path(shutil.copy(untrained_file, tmp_path))


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As many as each worker has, so that nothing is added up in another order."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def small_movie() -> tuple[np.ndarray, object]:
    """Twelve frames of 16 x 24 pixels and their molecules."""
    from napari_deepsmlm.experiment import Experiment

    return Experiment(image_px=(16, 24)).simulate(n_frames=12, seed=3)


@pytest.fixture
def add_networks(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], None]]:
    """A function that lets the files of a folder be networks, as those of the package are."""
    from napari_deepsmlm import models

    added: list[str] = []

    def add(folder: Path) -> None:
        monkeypatch.setattr(models, "__path__", [*models.__path__, str(folder)])
        added.extend(path.stem for path in folder.glob("*.py"))

    yield add
    for name in added:
        if sys.modules.pop(f"{models.__name__}.{name}", None) is not None:
            delattr(models, name)


@pytest.fixture
def spotter(add_networks: Callable[[Path], None], tmp_path: Path) -> Callable[..., Path]:
    """A function that saves the localizing network of the tests, and returns its file."""
    from napari_deepsmlm.models import build_model, save_model

    add_networks(Path(__file__).parent / "networks")

    def save(**config: Any) -> Path:
        path = tmp_path / "spotter.safetensors"
        save_model(path, build_model("spotter", config))
        return path

    return save
