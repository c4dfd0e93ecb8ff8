from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from napari.settings import get_plugin_settings
from npe2 import PluginManifest

from napari_deepsmlm.camera import camera_presets
from napari_deepsmlm.plugin.forms.camera_box import AUTO, BY_NUMBERS
from napari_deepsmlm.plugin.memory import settings
from napari_deepsmlm.plugin.memory.settings import PLUGIN, Settings, read_settings, runs_folder
from napari_deepsmlm.plugin.train.widget import TrainWidget

if TYPE_CHECKING:
    import numpy as np

    from napari_deepsmlm.plugin.reconstruct.widget import ReconstructWidget

WAIT_MS = 60_000
GROUPS = PluginManifest.from_distribution(PLUGIN).contributions.configurations or {}
PAGE = {name: prop for group in GROUPS.values() for name, prop in group.properties.items()}


def test_the_page_of_the_preferences_has_every_setting_with_its_default() -> None:
    assert set(PAGE) == set(Settings.model_fields)
    assert {name: prop.default for name, prop in PAGE.items()} == dict(Settings())
    assert PAGE["default_camera"].enum[1:] == camera_presets()


def test_settings_are_those_of_the_preferences() -> None:
    assert read_settings() == Settings()
    kept = get_plugin_settings(PLUGIN)
    kept.compute.device = "cpu"
    kept.data.runs_folder = "~/runs"
    assert read_settings() == Settings(device="cpu", runs_folder="~/runs")
    assert runs_folder() == Path.home() / "runs"
    assert "device: cpu" in Path(kept.config_path).read_text()


def test_without_napari_the_defaults_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "PLUGIN", "not-installed")
    assert read_settings() == Settings()
    assert runs_folder().parts[-2:] == ("napari-deepsmlm", "runs")


def test_reconstruct_begins_with_the_settings(viewer: Any, qtbot: Any, stack: np.ndarray) -> None:
    kept = get_plugin_settings(PLUGIN)
    kept.compute.device, kept.compute.precision = "cpu", "bf16"
    kept.data.default_camera = "scmos-qe95"
    viewer.add_image(stack)
    _, panel = viewer.window.add_plugin_dock_widget(PLUGIN, "Reconstruct")
    qtbot.waitUntil(lambda: panel.is_ready, timeout=WAIT_MS)
    values = {name: editor.value for name, editor in panel.form._editors.items()}
    assert (values["device"], values["precision"]) == ("cpu", "bf16")
    assert panel.form.camera_box.value == "scmos-qe95"


def test_a_device_that_is_gone_is_left_to_auto(viewer: Any, qtbot: Any) -> None:
    get_plugin_settings(PLUGIN).compute.device = "cuda:7"
    _, panel = viewer.window.add_plugin_dock_widget(PLUGIN, "Reconstruct")
    qtbot.waitUntil(lambda: panel.is_ready, timeout=WAIT_MS)
    assert panel.form._editors["device"].value == "auto"


def test_train_keeps_its_runs_where_the_settings_say(
    viewer: Any, qtbot: Any, tmp_path: Path, no_threads_left: None
) -> None:
    kept = get_plugin_settings(PLUGIN)
    kept.data.runs_folder, kept.compute.device = str(tmp_path / "mine"), "cpu"
    panel = TrainWidget(viewer)
    qtbot.addWidget(panel)
    qtbot.waitUntil(lambda: panel.is_ready, timeout=WAIT_MS)
    assert panel.form.runs == tmp_path / "mine"
    assert panel.form.device == "cpu"
    panel.abandon()


# -- what is remembered for a camera --------------------------------------------------------------


def test_a_pixel_size_is_entered_once_for_stacks_of_one_kind(
    panel: ReconstructWidget, viewer: Any, stack: np.ndarray
) -> None:
    viewer.add_image(stack, name="first")
    assert panel.form.pixel_size_nm is None
    panel.form.fill_in(pixel_size_nm=117)
    viewer.add_image(stack[:5], name="second")
    assert panel.form.stack.name == "second"
    assert panel.form.pixel_size_nm == 117
    assert "117 nm pixels (entered for such stacks on" in panel.form.stack_box.note.text()
    viewer.add_image(stack[:, :12], name="of another shape")
    assert panel.form.pixel_size_nm is None


def test_the_name_of_the_camera_counts_more_than_the_shape(
    panel: ReconstructWidget, viewer: Any, stack: np.ndarray
) -> None:
    def add(frames: np.ndarray, camera: str) -> None:
        viewer.add_image(frames, metadata={"napari_deepsmlm": {"camera_name": camera}})

    add(stack, "iXon")
    panel.form.fill_in(pixel_size_nm=160)
    add(stack, "Orca")
    assert panel.form.pixel_size_nm is None
    add(stack[:, :12], "iXon")
    assert panel.form.pixel_size_nm == 160


def test_what_the_file_says_is_never_overruled(
    panel: ReconstructWidget, viewer: Any, stack: np.ndarray
) -> None:
    viewer.add_image(stack)
    panel.form.fill_in(pixel_size_nm=117)
    viewer.add_image(stack, scale=(1, 100, 100), units=("pixel", "nm", "nm"))
    assert panel.form.pixel_size_nm == 100
    assert "scale of the layer" in panel.form.stack_box.note.text()


def test_a_camera_is_entered_once_for_stacks_of_one_kind(
    panel: ReconstructWidget, viewer: Any, stack: np.ndarray, spotter: Any
) -> None:
    panel.form.model_box.load_file(spotter())
    box = panel.form.camera_box
    viewer.add_image(stack)
    assert box.value == AUTO
    box.value = BY_NUMBERS
    box.native.activated.emit(1)
    box.baseline.value = 398.6
    box.photons_per_adu.value = 0.25
    box.photons_per_adu.native.editingFinished.emit()
    viewer.add_image(stack[:, :12])
    assert box.camera == "auto"
    assert not box.note.text()
    viewer.add_image(stack[:4])
    assert box.camera == {"kind": "ideal", "baseline": 398.6, "gain": 4.0}
    assert box.note.text().startswith("Camera as entered for such stacks on")


def test_nothing_is_kept_if_the_person_does_not_want_it(
    panel: ReconstructWidget, viewer: Any, stack: np.ndarray, tmp_path: Path
) -> None:
    get_plugin_settings(PLUGIN).data.remember_cameras = False
    viewer.add_image(stack)
    panel.form.fill_in(pixel_size_nm=117)
    viewer.add_image(stack)
    assert panel.form.pixel_size_nm is None
    assert not list(tmp_path.rglob("cameras.yaml"))


@pytest.mark.parametrize(
    "damage", ["", "[1, 2]", "a: b: c", "'16 x 24 px, uint16': {pixel_size_nm: -1}", "\0"]
)
def test_a_damaged_memory_is_forgotten_without_a_word(
    panel: ReconstructWidget, viewer: Any, stack: np.ndarray, tmp_path: Path, damage: str
) -> None:
    (tmp_path / "own settings" / "cameras.yaml").write_text(damage)
    viewer.add_image(stack)
    assert panel.form.pixel_size_nm is None
    panel.form.fill_in(pixel_size_nm=117)
    viewer.add_image(stack)
    assert panel.form.pixel_size_nm == 117
