"""A viewer with the Reconstruct panel and a model that is quick, and nothing left running."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari.settings
import numpy as np
import pytest
import torch
from napari.settings import NapariSettings
from napari.settings._plugin_config_generator import plugin_configuration_generator
from napari.utils._proxies import PublicOnlyProxy
from npe2 import PluginManifest
from tests.plugin.shared_viewer import SharedViewer, wait_for_workers

from napari_deepsmlm import known_cameras
from napari_deepsmlm.models import build_model, save_model
from napari_deepsmlm.plugin.library import loading
from napari_deepsmlm.plugin.memory import last_choices
from napari_deepsmlm.plugin.reconstruct.widget import ReconstructWidget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from importlib.metadata import EntryPoint

WAIT_MS = 60_000
PAUSES = {
    "jobs.DELIVERY_MS": 10,
    "forms.kept_form.DELAY_MS": 10,
    "localizations.shown.PAUSE_MS": 1,
    "reconstruct.adapted_finder.DELAY_MS": 10,
    "reconstruct.camera_finder.DELAY_MS": 10,
    "reconstruct.preview.DELAY_MS": 10,
    "reconstruct.widget.PAUSE_MS": 1,
    "train.look_box.DELAY_MS": 10,
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let tests that want to be alone with a viewer follow each other, after all that share one."""
    items.sort(key=lambda item: "no_other_viewer" in getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def declared_settings() -> dict[str, Any]:
    """What plugins declare, read once: napari searches all that is installed for it."""
    return plugin_configuration_generator()


@pytest.fixture(autouse=True)
def own_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, declared_settings: dict[str, Any]
) -> Iterator[None]:
    """Preferences, cameras and choices of the test's own, never those of the person at work."""
    folder = tmp_path / "own settings"
    folder.mkdir()
    monkeypatch.setattr(napari.settings, "_CFG_PATH", str(folder / "settings.yaml"))
    monkeypatch.setattr(
        napari.settings, "plugin_configuration_generator", lambda: declared_settings
    )
    for module in (known_cameras, last_choices):
        monkeypatch.setattr(module, "data_folder", lambda: folder)
    napari.settings._clear_plugin_settings_cache()
    yield
    napari.settings._clear_plugin_settings_cache()


@pytest.fixture(scope="session", autouse=True)
def read_once() -> Iterator[None]:
    """Manifests are read once, not for each viewer; napari writes its own preferences nowhere."""
    read = PluginManifest._from_entrypoint
    known: dict[str, PluginManifest] = {}

    def from_entrypoint(entry_point: EntryPoint, *more: Any) -> PluginManifest:
        if entry_point.value not in known:
            known[entry_point.value] = read(entry_point, *more)
        return known[entry_point.value]

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(PluginManifest, "_from_entrypoint", staticmethod(from_entrypoint))
        monkeypatch.setattr(NapariSettings, "_maybe_save", lambda _: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def no_pauses() -> Iterator[None]:
    """What jobs tell is shown at once, and nothing waits for a person who might go on typing."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name, pause in PAUSES.items():
            monkeypatch.setattr(f"napari_deepsmlm.plugin.{name}", pause)
        yield


@pytest.fixture(scope="session")
def shared_viewer() -> Iterator[SharedViewer]:
    """The viewer that the tests of this process have one after the other."""
    shared = SharedViewer()
    yield shared
    shared.close()


@pytest.fixture
def no_other_viewer(shared_viewer: SharedViewer) -> None:
    """Close the viewer that tests share."""
    shared_viewer.close()


@pytest.fixture
def make_napari_viewer(no_other_viewer: None, make_napari_viewer: Any) -> Any:
    """The fixture of napari, for tests that need a viewer of their own and none beside it."""
    return make_napari_viewer


@pytest.fixture
def viewer(
    shared_viewer: SharedViewer, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """What plugins get: a viewer that refuses private access, and has nothing of other tests."""
    monkeypatch.setenv("NAPARI_ENSURE_PLUGIN_MAIN_THREAD", "True")
    yield PublicOnlyProxy(shared_viewer.get())
    shared_viewer.wipe()


@pytest.fixture
def no_threads_left() -> Iterator[None]:
    """Wait for the workers, so that none reaches into the next test."""
    yield
    wait_for_workers()


@pytest.fixture
def own_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the models that the user trained are: none at first."""
    folder = tmp_path / "runs"
    monkeypatch.setattr(loading, "runs_folder", lambda: folder)
    return folder


@pytest.fixture
def panel(
    own_models: Path, viewer: Any, qtbot: Any, model_file: Path, no_threads_left: None
) -> Iterator[ReconstructWidget]:
    """The panel in its dock, the library loaded, an untrained model chosen."""
    panel = ReconstructWidget(viewer)
    viewer.window.add_dock_widget(panel, name="Reconstruct")
    qtbot.waitUntil(lambda: panel.is_ready, timeout=WAIT_MS)
    panel.form.model_box.load_file(model_file)
    yield panel
    with suppress(RuntimeError):  # a test may have closed the window
        panel.abandon()


@pytest.fixture(scope="session")
def quick_model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model") / "untrained.safetensors"
    save_model(path, build_model("deep-storm", {"upsampling": 4}))
    return path


@pytest.fixture
def model_file(quick_model_file: Path, tmp_path: Path) -> Path:
    """A model file of the test's own: untrained, four pixels for one."""
    return Path(shutil.copy(quick_model_file, tmp_path))


@pytest.fixture
def stack(small_movie: Any) -> np.ndarray:
    """Twelve frames (T, Y, X) of 16 x 24 pixels."""
    frames: np.ndarray = small_movie[0][:, 0]
    return frames


@pytest.fixture
def long_stack(stack: np.ndarray) -> np.ndarray:
    """Frames enough for many batches."""
    return np.tile(stack, (2000, 1, 1))


@pytest.fixture
def run(panel: ReconstructWidget, qtbot: Any) -> Callable[[], None]:
    """Click Run and wait for the end."""

    def run_to_the_end() -> None:
        assert panel.run_button.isEnabled()
        panel.run_button.click()
        qtbot.waitUntil(lambda: not panel.is_busy, timeout=WAIT_MS)

    return run_to_the_end
