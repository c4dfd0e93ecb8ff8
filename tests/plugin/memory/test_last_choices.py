from __future__ import annotations

import os
import stat
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import yaml
from napari.settings import get_plugin_settings
from npe2 import PluginManifest

from napari_deepsmlm.plugin.experiment.kept import LAST_USED, usable_experiment
from napari_deepsmlm.plugin.job_panel import JobPanel
from napari_deepsmlm.plugin.localizations.render_form import FIXED, MOLECULES
from napari_deepsmlm.plugin.memory.last_choices import FILE, MAX_BYTES, keep, recall
from napari_deepsmlm.plugin.memory.settings import PLUGIN
from napari_deepsmlm.plugin.train.widget import TrainWidget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Open = Callable[[str], Any]

WAIT_MS = 60_000
PANELS = [
    widget.display_name
    for widget in PluginManifest.from_distribution(PLUGIN).contributions.widgets or ()
]
OTHERS: dict[str, dict[str, Any]] = {
    "Reconstruct": {
        "sum_frames": 50,
        "upsampling": 12,
        "threshold": 0.6,
        "window": 500,
        "window_step": 100,
        "localizations": "in the image only",
    },
    "Line profile": {
        "model": "two-gauss",
        "width": 120.0,
        "width_unit": "nm",
        "stacks": "mean",
        "normalised": False,
        "all_lines": True,
    },
    "Localizations": {
        "kind": "gaussian",
        "sr_pixel_nm": 4.0,
        "sigma_nm": 15.0,
        "n_shifts": 6,
        "sharpness": FIXED,
        "field": MOLECULES,
    },
    "Quality": {
        "sr_pixel_nm": 5.0,
        "n_blocks": 40,
        "seed": 3,
        "blur_sigma_px": 1.5,
        "lateral_nm": 100.0,
        "axial_nm": 300.0,
        "least_photons": 50.0,
        "limits_densities": "0.5, 1",
        "limits_photons": "800, 3000",
        "limits_backgrounds": "30",
        "limits_molecules": 200,
    },
    "Calibrate PSF": {
        "several_stacks": "focal planes of one field",
        "z_step_nm": 20.0,
        "window_px": 31,
        "psf": "pupil",
        "lens_and_light": "",  # the last of the list
    },
    "Simulate": {"n_frames": 500, "height_px": 32, "width_px": 48, "seed": 7},
    "Train": {},
}
"""Something else than the defaults; of Simulate and Train, besides their experiments."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "own settings" / FILE


@pytest.fixture
def open_panel(
    viewer: Any, qtbot: Any, own_models: Path, no_threads_left: None, tmp_path: Path
) -> Open:
    """A function that opens a panel as the menu does, and waits until it is filled."""
    get_plugin_settings(PLUGIN).data.runs_folder = str(tmp_path / "runs")

    def open_one(name: str) -> Any:
        _, panel = viewer.window.add_plugin_dock_widget(PLUGIN, name)
        qtbot.waitUntil(lambda: panel.is_ready, timeout=WAIT_MS)
        return panel

    return open_one


def close(viewer: Any, panel: Any) -> None:
    viewer.window.remove_dock_widget(panel)


def others_of(panel: Any, name: str) -> dict[str, Any]:
    wanted = dict(OTHERS[name])
    if name == "Calibrate PSF":
        wanted["lens_and_light"] = panel.pupil_box.choices[-1]
    if name in ("Simulate", "Train"):
        experiment = panel.kept_editors()["experiment"].value
        simulation = experiment.simulation.replace(photons=(1234, 2345), unevenness=0.25)
        training = experiment.training.replace(minutes=12.0, learning_rate=0.005)
        wanted["experiment"] = experiment.replace(
            simulation=simulation, training=training, image_px=(32, 48)
        )
        if name == "Train":
            wanted["experiment"] = wanted["experiment"].replace(
                network="voxel-regression", model={}
            )
    return wanted


def choose(panel: Any, values: dict[str, Any]) -> None:
    editors = panel.kept_editors()
    for name, value in values.items():
        editors[name].value = value


def chosen(panel: Any) -> dict[str, Any]:
    return {name: editor.value for name, editor in panel.kept_editors().items()}


# -- coming back ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PANELS)
def test_a_panel_comes_back_as_it_was_left(
    viewer: Any, open_panel: Open, file: Path, name: str
) -> None:
    panel = open_panel(name)
    before = chosen(panel)
    assert not panel.kept.reset_button.isEnabled()
    wanted = others_of(panel, name)
    if name not in ("Simulate", "Train"):  # theirs are more than what is changed here
        assert set(wanted) == set(before)
    assert not any(wanted[each] == before[each] for each in wanted)
    choose(panel, wanted)
    left = chosen(panel)
    assert {each: left[each] for each in OTHERS[name]} == {
        each: wanted[each] for each in OTHERS[name]
    }
    close(viewer, panel)
    assert list(yaml.safe_load(file.read_text())) == [name]

    again = open_panel(name)
    assert chosen(again) == left
    assert again.kept.note.text().startswith("As you left it: ")
    assert again.kept.reset_button.isEnabled()
    again.kept.reset_button.click()
    assert chosen(again) == before
    assert not again.kept.note.text()
    assert not again.kept.reset_button.isEnabled()
    close(viewer, again)
    assert chosen(open_panel(name)) == before


def test_the_form_of_train_comes_back_with_its_network(viewer: Any, open_panel: Open) -> None:
    train = open_panel("Train")
    assert train.form.experiment().training.minutes == 30
    choose(train, others_of(train, "Train"))
    train.form.network_fields.fill({"n_planes": 3})
    left = train.form.experiment()
    close(viewer, train)
    again = open_panel("Train")
    assert again.form.experiment() == left
    assert again.form.network_box.value == "voxel-regression"
    assert again.form.experiment_form.source_box.value == LAST_USED
    again.kept.reset_button.click()
    assert again.form.network_box.value == "deep-storm"
    assert again.form.experiment_form.source_box.value != LAST_USED


def test_what_belongs_to_the_data_is_not_kept(
    viewer: Any, open_panel: Open, stack: np.ndarray, qtbot: Any
) -> None:
    viewer.add_image(stack, scale=(1, 100, 100), units=("pixel", "nm", "nm"), name="cells")
    panel = open_panel("Reconstruct")
    suited = panel.form.model_box.choice
    panel.form.fill_in(sum_frames=2, pixel_size_nm=160)
    panel.form.first_frame.value = 3
    panel.form.model_box.choose(panel.form.model_box.choices[-1])
    close(viewer, panel)
    again = open_panel("Reconstruct")
    options = again.form.options()
    assert options.sum_frames == 2
    assert options.pixel_size_nm == 100
    assert options.frame_range == (0, None)
    assert again.form.model_box.choice == suited
    note = again.form.model_box.note
    qtbot.waitUntil(lambda: "made for any pixel size" in note.text(), timeout=WAIT_MS)


def test_the_step_that_a_stack_states_comes_before_the_last_one(
    viewer: Any, open_panel: Open
) -> None:
    panel = open_panel("Calibrate PSF")
    panel.fields.fill({"z_step_nm": 20.0, "window_px": 15})
    close(viewer, panel)
    beads = np.zeros((5, 20, 20), np.uint16)
    viewer.add_image(beads, scale=(30, 100, 100), units=("nm", "nm", "nm"))
    again = open_panel("Calibrate PSF")
    assert again.fields.values() == {"z_step_nm": 30.0, "pixel_size_nm": 100.0, "window_px": 15}
    again.kept.restore_defaults()
    assert again.fields.values() == {"z_step_nm": 30.0, "pixel_size_nm": 100.0, "window_px": 25}


def test_a_pixel_that_suits_the_table_is_not_kept(viewer: Any, open_panel: Open) -> None:
    panel = open_panel("Localizations")
    drawing = panel.drawing
    drawing.choose_pixel(20.0)
    close(viewer, panel)
    drawing = open_panel("Localizations").drawing
    assert drawing.options().sr_pixel_nm == 10
    drawing.fields.fill({"sr_pixel_nm": 7.0})
    drawing.choose_pixel(50.0)
    assert drawing.options().sr_pixel_nm == 7
    drawing.kept_editors()["sr_pixel_nm"].value = None
    assert drawing.options().sr_pixel_nm == 50


# -- when it is written ---------------------------------------------------------------------------


def test_choices_are_kept_when_a_job_begins(open_panel: Open, qtbot: Any, file: Path) -> None:
    panel = open_panel("Simulate")
    panel.movie.fill({"n_frames": 2, "height_px": 8, "width_px": 8})
    panel.run()
    assert recall(file, "Simulate")["n_frames"] == 2
    qtbot.waitUntil(lambda: not panel.is_busy, timeout=WAIT_MS)


@pytest.mark.parametrize("is_floating", [False, True])
def test_choices_are_kept_when_napari_is_closed(
    make_napari_viewer_proxy: Any, qtbot: Any, file: Path, is_floating: bool
) -> None:
    viewer = make_napari_viewer_proxy(show=True)
    dock, panel = viewer.window.add_plugin_dock_widget(PLUGIN, "Line profile")
    qtbot.waitUntil(lambda: panel.is_ready, timeout=WAIT_MS)
    dock.setFloating(is_floating)
    panel.form.width_box.value = 11
    assert not file.exists()
    viewer.close()
    assert recall(file, "Line profile") == {"width": 11}


def test_only_what_differs_from_the_defaults_is_written(
    viewer: Any, open_panel: Open, file: Path
) -> None:
    panel = open_panel("Quality")
    close(viewer, panel)
    assert not file.exists()
    panel = open_panel("Quality")
    choose(panel, {"n_blocks": 40})
    close(viewer, panel)
    text = file.read_text()
    assert text.splitlines()[1:] == ["Quality:", "  n_blocks: 40"]


def test_nothing_is_kept_if_the_person_does_not_want_it(
    viewer: Any, open_panel: Open, file: Path
) -> None:
    keep(file, "Line profile", {"width": 7.0}, ())
    get_plugin_settings(PLUGIN).data.remember_choices = False
    before = file.read_bytes()
    panel = open_panel("Line profile")
    assert panel.form.width_box.value == 3
    panel.form.width_box.value = 11
    panel.kept.reset_button.click()
    assert not panel.kept.note.text()
    panel.form.width_box.value = 12
    close(viewer, panel)
    assert file.read_bytes() == before


def test_the_button_says_what_is_changed(open_panel: Open, qtbot: Any) -> None:
    panel = open_panel("Reconstruct")
    panel.form.fill_in(sum_frames=50, window=100, upsampling=12)
    button = panel.kept.reset_button
    qtbot.waitUntil(button.isEnabled, timeout=WAIT_MS)
    names = button.toolTip().partition("Changed: ")[2]
    assert names.startswith("Frames per input, Time-lapse")
    # the chosen model draws as it was trained, and its row is hidden
    assert panel.form.model_box.choice is None or not panel.form.model_box.choice.is_localizing
    assert "Upsampling" not in names
    panel.form.fill_in(sum_frames=1, window=None)
    qtbot.waitUntil(lambda: not button.isEnabled(), timeout=WAIT_MS)


def test_a_psf_on_its_way_to_train_comes_before_the_last_one(
    viewer: Any, open_panel: Open, qtbot: Any, tmp_path: Path
) -> None:
    train = open_panel("Train")
    choose(train, others_of(train, "Train"))
    close(viewer, train)
    path = tmp_path / "psf.yaml"
    path.write_text("kind: gaussian\nsigma_nm: [137, 141]\npixel_size_nm: 117\n")
    _, again = viewer.window.add_plugin_dock_widget(PLUGIN, "Train")
    assert isinstance(again, TrainWidget)
    again.use_psf(path)
    qtbot.waitUntil(lambda: again.is_ready, timeout=WAIT_MS)
    experiment = again.form.experiment()
    assert experiment.psf.pixel_size_nm == 117
    assert experiment.simulation.photons == (1234, 2345)
    again.kept.restore_defaults()
    assert again.form.experiment().psf.pixel_size_nm == 100


# -- what may be in the file ----------------------------------------------------------------------


DAMAGED = (
    "",
    "[1, 2]",
    "a: b: c",
    "\0",
    "Line profile: 7",
    "Line profile: [1]",
    "Line profile: {width: wide}",
    "&a [*a, *a]",
    "Line profile: {width: 7.0}\nrest: '" + MAX_BYTES * "x" + "'",
)


def test_a_damaged_file_is_forgotten_without_a_word(
    viewer: Any, open_panel: Open, file: Path
) -> None:
    for text in DAMAGED:
        file.write_text(text)
        panel = open_panel("Line profile")
        assert panel.form.width_box.value == 3, text
        assert not panel.message_note.text()
        panel.form.width_box.value = 11
        close(viewer, panel)
        assert recall(file, "Line profile")["width"] == 11, text


BAD: tuple[Any, ...] = (
    "much", -5, 10**9, 10**40, 1e300, float("nan"), None, True, [1, 2], {"a": 1}, [], "",
)  # fmt: skip


@pytest.mark.parametrize("name", PANELS)
def test_values_of_no_use_are_left_out_one_by_one(
    viewer: Any, open_panel: Open, file: Path, name: str
) -> None:
    panel = open_panel(name)
    before, wanted = chosen(panel), others_of(panel, name)
    close(viewer, panel)
    for turn in range(4):
        bad = {each: BAD[(5 * i + 3 * turn) % len(BAD)] for i, each in enumerate(before)}
        fine = list(before)[turn % len(before)]
        good = {fine: wanted[fine]} if fine in wanted and fine != "experiment" else {}
        kept = {**bad, **good, "not_invented_yet": 1}
        file.write_text(yaml.safe_dump({name: kept}))
        assert recall(file, name).keys() == kept.keys()
        panel = open_panel(name)
        now = chosen(panel)
        assert not panel.message_note.text()
        for each in before:
            allowed = [good[each]] if each in good else [before[each], bad[each]]
            assert now[each] in allowed, (each, bad[each])
        close(viewer, panel)


def test_a_number_out_of_todays_range_is_left_out_not_moved_into_it(
    open_panel: Open, file: Path
) -> None:
    keep(file, "Simulate", {"n_frames": 10_000_000, "seed": 5, "height_px": 4096}, ())
    panel = open_panel("Simulate")
    assert panel.movie.values() == {"n_frames": 100, "height_px": 4096, "width_px": 64, "seed": 5}


def test_a_newer_version_finds_its_values_again(viewer: Any, open_panel: Open, file: Path) -> None:
    newer = {"sum_frames": 50, "super_mode": {"on": True}}
    keep(file, "Reconstruct", newer, ())
    keep(file, "Panel of tomorrow", {"a": 1}, ())
    panel = open_panel("Reconstruct")
    assert chosen(panel)["sum_frames"] == 50
    panel.form.fill_in(sum_frames=1, window=100)
    close(viewer, panel)
    assert yaml.safe_load(file.read_text()) == {
        "Reconstruct": {"super_mode": {"on": True}, "window": 100},
        "Panel of tomorrow": {"a": 1},
    }


def test_two_naparis_do_not_undo_each_other(
    make_napari_viewer_proxy: Any, qtbot: Any, file: Path
) -> None:
    both = [make_napari_viewer_proxy() for _ in range(2)]
    opened = [each.window.add_plugin_dock_widget(PLUGIN, "Quality")[1] for each in both]
    for panel in opened:
        qtbot.waitUntil(lambda p=panel: p.is_ready, timeout=WAIT_MS)
    choose(opened[0], {"n_blocks": 40, "seed": 3})
    choose(opened[1], {"seed": 4})
    for each, panel in zip(both, opened, strict=True):
        close(each, panel)
    assert recall(file, "Quality") == {"n_blocks": 40, "seed": 4}


WRITE_OFTEN = """
import sys, pathlib
from napari_deepsmlm.plugin.memory.last_choices import keep
for number in range(1, 31):
    keep(pathlib.Path(sys.argv[1]), sys.argv[2], {"a": number}, ())
"""


def test_writing_at_once_never_leaves_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / FILE
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITE_OFTEN, path, name]) for name in ("A", "B")
    ]
    n_seen = 0
    while any(writer.poll() is None for writer in writers):
        if path.exists():
            n_seen += 1
            assert yaml.safe_load(path.read_text())
    assert [writer.returncode for writer in writers] == [0, 0]
    assert n_seen
    assert 30 in [kept["a"] for kept in yaml.safe_load(path.read_text()).values()]
    assert not list(tmp_path.glob(f".{FILE}*"))


@pytest.mark.skipif(os.name == "nt", reason="folders have no such permissions there")
def test_a_disk_that_cannot_be_written_stops_nothing(
    viewer: Any, open_panel: Open, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    panel = open_panel("Line profile")
    panel.form.width_box.value = 11
    file.mkdir()  # nothing can take its place, not even root's file
    (file / "x").touch()
    file.parent.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        close(viewer, panel)
    finally:
        file.parent.chmod(stat.S_IRWXU)
    assert f"{file} was not written" in caplog.text


# -- the experiment -------------------------------------------------------------------------------


def plain_experiment() -> dict[str, Any]:
    from napari_deepsmlm.experiment import Experiment

    plain: dict[str, Any] = Experiment(image_px=(32, 48)).model_dump(mode="json")
    return plain


def change(place: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def do(values: dict[str, Any]) -> None:
        *way, last = place.split("/")
        for part in way:
            values = values[part]
        values[last] = value

    return do


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("psf/sigma_nm", [-1, 5]),
        ("psf/kind", "of tomorrow"),
        ("psf", {"kind": "measured", "file": "/gone/psf.safetensors"}),
        ("psf", {"kind": "astigmatic"}),
        ("camera/e_per_adu", 0),
        ("camera/newer", 1),
        ("simulation/photons", [5, 1]),
        ("simulation/structure/z_nm", "deep"),
        ("simulation/structure/kind", "of tomorrow"),
        ("image_px", [32]),
        ("network", "of-another-plugin"),
        ("model", {"n_layers": 5}),
        ("start_from", "/gone/model.safetensors"),
        ("training/steps", -3),
        ("training", 5),
        ("experimental", {"stack": "/gone.tif", "share": 7}),
        ("newer", {"a": 1}),
    ],
)
def test_an_experiment_loses_only_what_is_of_no_use(place: str, value: Any) -> None:
    values = plain_experiment()
    values["simulation"]["density_per_um2"] = [0.25, 0.75]
    values["training"]["seed"] = 5
    change(place, value)(values)
    found = usable_experiment(values)
    assert found is not None
    assert found.simulation.density_per_um2 == (0.25, 0.75)
    assert found.training.seed == (0 if place == "training" else 5)
    assert found.image_px == ((64, 64) if place == "image_px" else (32, 48))
    assert found.start_from is None


@pytest.mark.parametrize("values", [{}, {"psf": 1, "camera": 2, "model": 3, "network": []}])
def test_of_nothing_there_is_no_experiment(values: dict[str, Any]) -> None:
    assert usable_experiment(values) is None


# -- a panel without anything to keep -------------------------------------------------------------


def test_a_panel_without_a_name_keeps_nothing(viewer: Any, qtbot: Any, file: Path) -> None:
    panel = JobPanel(viewer)
    viewer.window.add_dock_widget(panel, name="panel")

    def kit(_: object) -> Iterator[int]:
        yield 1

    panel.load(kit)
    qtbot.waitUntil(lambda: panel.is_ready, timeout=WAIT_MS)
    panel.begin(kit, lambda _: None, title="counting")
    qtbot.waitUntil(lambda: not panel.is_busy, timeout=WAIT_MS)
    close(viewer, panel)
    assert not file.exists()
