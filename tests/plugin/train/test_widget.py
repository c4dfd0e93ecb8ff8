from __future__ import annotations

import json
import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QApplication, QMessageBox
from tests.cli.conftest import call, call_and_ctrl_c

from napari_deepsmlm._files import is_in_use
from napari_deepsmlm._locks import LOCK
from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.models import load_model, model_class, read_card
from napari_deepsmlm.plugin.train import widget as train_widget
from napari_deepsmlm.plugin.train.look import frames_to_watch
from napari_deepsmlm.plugin.train.run import LossCurve
from napari_deepsmlm.plugin.train.widget import TrainWidget
from napari_deepsmlm.runs import (
    TrainingProcess,
    TrainingThread,
    read_record,
    unfinished_runs,
)
from napari_deepsmlm.training.record import BEST, LAST, RECORD, STATE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

WAIT_MS = 60_000
ENDLESS = 1_000_000
NM = {"scale": (1, 100, 100), "units": ("pixel", "nm", "nm")}


def tiny(steps: int = 4, **training: Any) -> Experiment:
    """Steps of milliseconds, saved every other one."""
    values = {
        "steps": steps,
        "batch_size": 1,
        "patch_px": 8,
        "validate_every": 2,
        "validation_frames": 1,
        "validation_px": 8,
        "precision": "fp32",
        **training,
    }
    return Experiment(image_px=(16, 16), model={"upsampling": 4}, training=values)


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for runs, which train in a thread of this process."""
    folder = tmp_path / "runs"
    monkeypatch.setattr(train_widget, "runs_folder", lambda: folder)
    monkeypatch.setattr(train_widget, "TrainingProcess", TrainingThread)
    return folder


@pytest.fixture
def open_train(
    viewer: Any, qtbot: Any, runs: Path, no_threads_left: None
) -> Iterator[Callable[[], TrainWidget]]:
    """A function that opens the panel in its dock and waits until it is ready."""
    opened: list[TrainWidget] = []

    def make() -> TrainWidget:
        train = TrainWidget(viewer)
        opened.append(train)
        viewer.window.add_dock_widget(train, name="Train")
        qtbot.waitUntil(lambda: train.is_ready, timeout=WAIT_MS)
        return train

    yield make
    for train in opened:
        with suppress(RuntimeError):  # a test may have closed the window
            train.abandon()


@pytest.fixture
def train(open_train: Callable[[], TrainWidget]) -> TrainWidget:
    panel = open_train()
    panel.form.experiment_form.show_experiment(tiny())
    return panel


@pytest.fixture
def endless(train: TrainWidget, qtbot: Any) -> TrainWidget:
    """A run that has been saved and would go on for long."""
    train.form.experiment_form.show_experiment(tiny(ENDLESS))
    train.start_button.click()
    wait_for_scores(train, qtbot)
    return train


def wait_for_scores(train: TrainWidget, qtbot: Any) -> None:
    def has_scores() -> bool:
        assert not train.message_note.text()
        return bool(train.progress.scores_note.text())

    qtbot.waitUntil(has_scores, timeout=WAIT_MS)


def n_points(train: TrainWidget) -> int:
    at, _ = train.progress.curves.jaccard.getData()
    return 0 if at is None else len(at)


def wait_for_end(train: TrainWidget, qtbot: Any) -> None:
    qtbot.waitUntil(lambda: not train.is_busy, timeout=WAIT_MS)


# -- the main job ---------------------------------------------------------------------------


def test_a_run_trains_saves_and_is_shown(train: TrainWidget, qtbot: Any, runs: Path) -> None:
    train.start_button.click()
    assert train.tabs.currentIndex() == 1
    assert not train.start_button.isEnabled()
    wait_for_end(train, qtbot)
    assert train.message_note.text() == ""
    assert train.status_note.text().startswith("Done. 4 steps")
    (folder,) = (path for path in runs.iterdir() if path.is_dir())
    assert folder.name.endswith("_deep-storm")
    _, card = load_model(folder / BEST)
    assert card.training_record["steps"] in (2, 4)
    curves = train.progress.curves
    assert list(curves.loss.getData()[0]) == [1, 2, 3, 4]
    assert list(curves.jaccard.getData()[0]) == [2, 4]
    assert "parameters on cpu in fp32" in train.progress.device_note.text()
    assert unfinished_runs(runs) == {}


def test_the_simulated_and_the_real_frame_are_predicted(
    train: TrainWidget, viewer: Any, qtbot: Any, stack: np.ndarray
) -> None:
    viewer.add_image(stack, **NM)
    train.start_button.click()
    wait_for_end(train, qtbot)
    for frame, predicted in train.progress.preview._views:
        assert frame.has_image
        assert predicted.has_image


def test_the_model_goes_to_reconstruct_and_to_the_next_run(
    train: TrainWidget, viewer: Any, qtbot: Any, runs: Path
) -> None:
    train.start_button.click()
    wait_for_end(train, qtbot)
    train.use_button.click()
    _, reconstruct = viewer.window.add_plugin_dock_widget("napari-deepsmlm", "Reconstruct")
    (folder,) = (path for path in runs.iterdir() if path.is_dir())

    def is_chosen() -> bool:
        choice = reconstruct.form.model_box.choice
        return choice is not None and choice.key == str(folder / BEST)

    qtbot.waitUntil(is_chosen, timeout=WAIT_MS)
    assert reconstruct.form.model_box.currentText() == f"{folder.name}/best"
    reconstruct.abandon()
    start = train.form.start_box
    assert start.key is None
    start.choose(str(folder / BEST))
    experiment = train.form.experiment()
    assert experiment.start_from == str(folder / BEST)
    assert experiment.build_model().config.upsampling == 4


# -- stop, pause, resume --------------------------------------------------------------------


def test_stop_saves_and_the_run_is_offered_and_resumed(
    endless: TrainWidget, qtbot: Any, runs: Path
) -> None:
    endless.stop_button.click()
    wait_for_end(endless, qtbot)
    assert endless.status_note.text().startswith("Stopped and saved")
    (folder,) = unfinished_runs(runs)
    box = endless.resume_box
    assert box.folder == folder
    assert box.note.text().startswith("A run of Deep-STORM from ")
    assert box.note.text().endswith("stopped at 0 %.")
    n_before = n_points(endless)
    box.resume_button.click()
    assert endless.is_busy
    qtbot.waitUntil(lambda: n_points(endless) > n_before, timeout=WAIT_MS)
    endless.stop()
    wait_for_end(endless, qtbot)


def test_pause_waits_and_goes_on(endless: TrainWidget, qtbot: Any) -> None:
    endless.pause_button.click()
    assert endless.pause_button.text() == "Go on"
    qtbot.wait(300)
    assert endless._session is not None
    steps = len(endless._session.scores["step"])
    qtbot.wait(300)
    assert len(endless._session.scores["step"]) == steps
    assert endless.status_note.text().startswith("Paused")
    endless.pause_button.click()
    qtbot.waitUntil(lambda: len(endless._session.scores["step"]) > steps, timeout=WAIT_MS)
    endless.pause_button.click()
    endless.stop_button.click()
    wait_for_end(endless, qtbot)
    assert endless.pause_button.text() == "Pause"


@pytest.mark.parametrize("how", ["viewer", "dock", "viewer while paused"])
def test_closing_saves(endless: TrainWidget, viewer: Any, qtbot: Any, runs: Path, how: str) -> None:
    if "paused" in how:
        endless.pause_button.click()
    if "viewer" in how:
        viewer.close()
    else:
        viewer.window.remove_dock_widget(endless)
    (folder,) = (path for path in runs.iterdir() if path.is_dir())
    qtbot.waitUntil(lambda: not is_in_use(folder), timeout=WAIT_MS)
    record = read_record(folder)
    assert record is not None
    assert record.state == "stopped"


def test_a_run_of_before_is_offered_when_the_panel_opens(
    runs: Path, open_train: Callable[[], TrainWidget], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = TrainingThread(tiny(ENDLESS), runs / "2026-11-20_1400_deep-storm", device="cpu")
    for event in run.events():
        if type(event).__name__ == "Saved":
            run.stop()
    train = open_train()
    assert train.resume_box.folder == runs / "2026-11-20_1400_deep-storm"
    answer = QMessageBox.StandardButton.Discard
    monkeypatch.setattr(QMessageBox, "question", lambda *_: answer)
    train.resume_box.discard_button.click()
    assert train.resume_box.folder is None
    assert not train.resume_box.isVisible()
    assert unfinished_runs(runs) == {}


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
def test_runs_of_the_command_line_go_on_here_until_they_are_over(
    runs: Path, tmp_path: Path, qtbot: Any, open_train: Callable[[], TrainWidget]
) -> None:
    tiny(16, validate_every=16).to_file(tmp_path / "mine.yaml")
    folders = [runs / "2026-11-20_1400_a", runs / "2026-11-20_1500_b"]
    for folder in folders:
        words = ("train", tmp_path / "mine.yaml", "--out", folder, "--device", "cpu")
        assert call_and_ctrl_c(*words, once=folder / RECORD).exit_code == 130
    train = open_train()
    assert train.resume_box.folder == folders[1]
    train.resume_box.resume_button.click()
    wait_for_end(train, qtbot)
    assert train.status_note.text().startswith("Done. 16 steps")
    assert train.resume_box.folder == folders[0]
    assert call("train", "--out", folders[0], "--resume", "--device", "cpu").exit_code == 0
    QApplication.sendEvent(train, QEvent(QEvent.Type.WindowActivate))
    assert train.resume_box.folder is None
    train.resume(folders[0])
    wait_for_end(train, qtbot)
    assert train.status_note.text().startswith("This run was over already, at step 16")


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
def test_a_run_is_handed_from_the_command_line_to_the_panel_and_back(
    runs: Path, tmp_path: Path, qtbot: Any, open_train: Callable[[], TrainWidget]
) -> None:
    tiny(ENDLESS).to_file(tmp_path / "mine.yaml")
    folder = runs / "2026-11-20_1400_a"
    begun = ("train", tmp_path / "mine.yaml", "--out", folder, "--device", "cpu")
    assert call_and_ctrl_c(*begun, once=folder / BEST).exit_code == 130
    at_first = steps_of(folder)
    train = open_train()
    assert train.resume_box.folder == folder
    train.resume_box.resume_button.click()
    wait_for_scores(train, qtbot)
    train.stop_button.click()
    wait_for_end(train, qtbot)
    assert steps_of(folder) > at_first
    end = steps_of(folder) + 2
    done = call("train", "--out", folder, "--resume", "--steps", end, "--device", "cpu", "--json")
    assert json.loads(done.stdout)["steps"] == end
    assert unfinished_runs(runs) == {}


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
def test_a_run_is_handed_from_the_panel_to_the_command_line_and_back(
    train: TrainWidget, runs: Path, qtbot: Any
) -> None:
    train.form.experiment_form.show_experiment(tiny(40, validate_every=10))
    train.start_button.click()
    wait_for_scores(train, qtbot)
    train.stop_button.click()
    wait_for_end(train, qtbot)
    (folder,) = unfinished_runs(runs)
    at_first = steps_of(folder)
    resumed = ("train", "--out", folder, "--resume", "--device", "cpu", "--json")
    stopped = json.loads(call_and_ctrl_c(*resumed, once=folder / LOCK).stdout)
    assert stopped["reason"] == "stopped"
    assert at_first <= stopped["steps"] < 40
    QApplication.sendEvent(train, QEvent(QEvent.Type.WindowActivate))
    assert train.resume_box.folder == folder
    train.resume_box.resume_button.click()
    wait_for_end(train, qtbot)
    assert train.status_note.text().startswith("Done. 40 steps")
    assert unfinished_runs(runs) == {}


def steps_of(folder: Path) -> int:
    return int(read_card(folder / LAST).training_record["steps"])


def test_pause_stop_resume_and_death_of_a_real_child(
    train: TrainWidget, qtbot: Any, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_widget, "TrainingProcess", TrainingProcess)
    train.form.experiment_form.show_experiment(tiny(ENDLESS))
    train.start_button.click()
    wait_for_scores(train, qtbot)
    qtbot.waitUntil(lambda: "memory" in train.progress.device_note.text(), timeout=WAIT_MS)
    train.pause_button.click()
    qtbot.wait(500)
    train.pause_button.click()
    train.stop_button.click()
    wait_for_end(train, qtbot)
    assert train.status_note.text().startswith("Stopped and saved")
    train.progress.scores_note.clear()
    train.resume_box.resume_button.click()
    wait_for_scores(train, qtbot)
    (folder,) = (path for path in runs.iterdir() if path.is_dir())
    assert (folder / STATE).exists()
    os.kill(train._session._run.pid, signal.SIGKILL)
    wait_for_end(train, qtbot)
    sentence = train.message_note.text()
    assert sentence.startswith("The training process died (signal 9")
    assert "can be resumed" in sentence
    assert notification_manager.records[-1].message == sentence
    assert train.resume_box.folder == folder
    assert train.start_button.isEnabled()


# -- the form -------------------------------------------------------------------------------


def test_every_preset_goes_through_the_form_unchanged(train: TrainWidget) -> None:
    for name in Experiment.presets():
        preset = Experiment.from_preset(name)
        train.form.experiment_form.show_experiment(preset, name)
        made = train.form.experiment()
        for part in ("psf", "camera", "simulation", "training", "network", "image_px"):
            assert getattr(made, part) == getattr(preset, part), name
        config = model_class(preset.network).Config
        values = ({"pixel_size_nm": 100.0, **experiment.model} for experiment in (preset, made))
        first, second = (config.from_dict(each) for each in values)
        assert first == second, name


def test_an_experiment_file_is_loaded_and_saved(
    train: TrainWidget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = tiny(7).replace(camera="challenge-emccd")
    experiment.to_file(tmp_path / "mine.yaml")
    train.form.experiment_form.load(tmp_path / "mine.yaml")
    assert train.form.experiment_form.source_box.value == "mine.yaml"
    monkeypatch.setattr(
        "napari_deepsmlm.plugin.experiment.form.QFileDialog.getSaveFileName",
        lambda *_: (str(tmp_path / "saved.yaml"), ""),
    )
    train.form.experiment_form.save_button.click()
    saved = Experiment.from_file(tmp_path / "saved.yaml")
    assert saved.replace(model=experiment.model) == experiment
    assert "saved.yaml" in train.status_note.text()


def test_a_file_that_is_no_experiment_is_one_sentence(train: TrainWidget, tmp_path: Path) -> None:
    before = train.form.experiment()
    for text, sentence in (
        ("", "the file is empty"),
        ("networks: x", "unknown key"),
        ("[1", "not a readable YAML"),
    ):
        (tmp_path / "bad.yaml").write_text(text)
        train.form.experiment_form.load(tmp_path / "bad.yaml")
        assert sentence in train.message_note.text()
        assert train.form.experiment() == before


def test_a_setting_out_of_range_is_one_sentence_and_nothing_starts(
    train: TrainWidget, runs: Path
) -> None:
    train.form.experiment_form.sample_fields.fill({"photons": (30, 20)})
    train.start_button.click()
    assert "the smaller first, found (30.0, 20.0)" in train.message_note.text()
    assert not train.is_busy
    assert not list(runs.glob("*_deep-storm"))


def test_recorded_molecules_are_trained_on(
    train: TrainWidget, qtbot: Any, runs: Path, tmp_path: Path
) -> None:
    sparse = Experiment(simulation={"density_per_um2": (0.05, 0.05), "photons": (8000.0, 9000.0)})
    sparse.replace(image_px=(96, 96)).write_movie(tmp_path, 12)
    recorded = train.form.recorded_form
    recorded.stack_line.value = tmp_path / "stack.tif"
    recorded.fields.fill({"share": 0.5, "mirror": True})
    asked = train.form.experiment().experimental
    assert asked is not None
    assert (asked.stack, asked.share, asked.mirror) == (tmp_path / "stack.tif", 0.5, True)
    train.start_button.click()
    wait_for_end(train, qtbot)
    assert train.message_note.text() == ""
    assert train.status_note.text().startswith("Done. 4 steps")
    (folder,) = (path for path in runs.iterdir() if path.is_dir())
    assert Experiment.from_file(folder / "experiment.yaml").experimental == asked


def test_recorded_frames_that_are_not_there_are_one_sentence(
    train: TrainWidget, qtbot: Any, tmp_path: Path
) -> None:
    train.form.recorded_form.stack_line.value = tmp_path / "gone.tif"
    train.start_button.click()
    wait_for_end(train, qtbot)
    assert "gone.tif" in train.message_note.text()
    assert train.start_button.isEnabled()


def test_only_models_of_the_network_can_be_started_from(train: TrainWidget) -> None:
    box = train.form.start_box

    def offered() -> list[str]:
        keys = [box.itemData(index) for index in range(box.count())]
        return [key for key in keys if key]

    assert offered() == ["deep-storm:2d-100nm", "deep-storm:2d"]
    network = train.form.network_box
    network.value = "drsn-storm"
    assert offered() == [f"drsn-storm:{name}" for name in ("2d-100nm-x4", "2d-x4", "2d-x8")]
    assert train.form.experiment().network == "drsn-storm"


def test_a_network_names_the_presets_that_suit_it(train: TrainWidget) -> None:
    network = train.form.network_box
    network.value = "voxel-regression"
    told = "Presets that suit it: quad-plane, voxel-wise, voxel-wise-paper."
    assert train.form.network_note.text() == told
    source = train.form.experiment_form.source_box
    source.value = "quad-plane"
    source.native.activated.emit(source.native.currentIndex())
    assert train.form.network_note.text() == ""


def test_zero_minutes_are_as_many_as_the_steps_take(train: TrainWidget) -> None:
    editors = train.form.training_fields.editors
    editors["minutes"].native.setValue(0)
    assert editors["minutes"].native.text() == "by steps"
    assert train.form.experiment().training.minutes is None
    editors["minutes"].native.setValue(0.5)
    assert train.form.experiment().training.minutes == 0.5


# -- simulated beside real ------------------------------------------------------------------


def test_the_strip_follows_the_settings(
    train: TrainWidget, viewer: Any, qtbot: Any, stack: np.ndarray
) -> None:
    strip = train.look_box.strip
    qtbot.waitUntil(lambda: strip.simulated.has_image, timeout=WAIT_MS)
    assert not strip.real.has_image
    viewer.add_image(stack, **NM)
    qtbot.waitUntil(lambda: strip.real.has_image, timeout=WAIT_MS)
    train.form.experiment_form.sample_fields.fill({"background": (2000, 2000)})
    qtbot.waitUntil(lambda: "The real background is" in strip.note.text(), timeout=WAIT_MS)
    train.form.experiment_form.sample_fields.fill({"background": (9, 1)})
    qtbot.waitUntil(lambda: "smaller first" in train.look_box.note.text(), timeout=WAIT_MS)


def test_frames_to_watch_have_the_channels_and_sides_that_a_network_needs() -> None:
    def real(context: int, most_px: int) -> np.ndarray:
        assert context == 0
        return np.full((1, 1, 21, 30), 300.0)

    assert frames_to_watch(tiny(), real).shape == (2, 1, 16, 24)
    planes = Experiment.from_preset("quad-plane")
    assert frames_to_watch(planes, real).shape[:2] == (1, 4)  # one plane tells nothing of four


# -- estimated from the frames --------------------------------------------------------------


def test_the_microscope_is_measured_from_the_layer(
    train: TrainWidget, viewer: Any, qtbot: Any
) -> None:
    truth = tiny().replace(
        psf={"kind": "gaussian", "pixel_size_nm": 120.0, "sigma_nm": (150.0, 150.0)},
        image_px=(48, 48),
        simulation={"density_per_um2": (0.4, 0.4), "background": (20.0, 20.0)},
    )
    frames = truth.simulate(150, seed=1).stack[:, 0]
    box = train.estimate_box
    assert not box.button.isEnabled()
    viewer.add_image(frames, name="cells", scale=(1, 120, 120), units=("pixel", "nm", "nm"))
    assert box.button.isEnabled()
    box.button.click()
    assert not box.button.isEnabled()
    qtbot.waitUntil(lambda: not box.is_busy, timeout=WAIT_MS)
    assert train.message_note.text() == ""
    low, high = train.form.experiment().psf.sigma_nm
    assert low < 150 < high
    assert high < 1.3 * low
    assert train.form.experiment().psf.pixel_size_nm == 120
    assert train.form.experiment_form.source_box.value == "estimated: cells"
    assert "nm" in box.told_note.text()
    assert box.told.isVisibleTo(train)


def test_an_estimate_starts_from_the_nearest_model_at_a_tenth_of_the_rate(
    train: TrainWidget,
) -> None:
    form = train.form
    recipe = form.experiment().training
    form.suit_estimate(tiny(), "estimated: cells")
    assert form.experiment().start_from == "deep-storm:2d-100nm"
    tuned = form.experiment().training
    assert tuned.learning_rate == pytest.approx(recipe.learning_rate / 10)
    assert tuned.warmup == 0.1
    assert "a tenth" in form.network_note.text()
    form.start_box.setCurrentIndex(0)
    form.start_box.activated.emit(0)
    assert form.experiment().start_from is None
    assert form.experiment().training == recipe, "that of random weights again"


def test_an_estimate_of_other_pixels_starts_from_the_model_for_any(train: TrainWidget) -> None:
    far = tiny().replace(
        psf={"kind": "gaussian", "pixel_size_nm": 200.0, "sigma_nm": (150.0, 150.0)}
    )
    train.form.suit_estimate(far, "estimated: cells")
    assert train.form.experiment().start_from == "deep-storm:2d"


def test_frames_that_tell_too_little_are_one_sentence(
    train: TrainWidget, viewer: Any, qtbot: Any
) -> None:
    before = train.form.experiment()
    viewer.add_image(np.full((20, 32, 32), 100, np.uint16), name="empty", **NM)
    train.estimate_box.button.click()
    qtbot.waitUntil(lambda: not train.estimate_box.is_busy, timeout=WAIT_MS)
    assert train.message_note.text().endswith(".")
    assert len(train.message_note.text()) < 200
    assert train.form.experiment() == before
    assert train.estimate_box.button.isEnabled()


# -- the window -----------------------------------------------------------------------------


def test_the_curves_follow_the_theme(train: TrainWidget, viewer: Any) -> None:
    plot = train.progress.curves.loss_plot
    dark = plot.backgroundBrush().color().lightness()
    viewer.theme = "light"
    assert plot.backgroundBrush().color().lightness() > dark + 100


def test_the_panel_fits_a_small_laptop(endless: TrainWidget, qtbot: Any) -> None:
    assert endless.minimumSizeHint().width() <= 400
    assert endless.minimumSizeHint().height() < 560
    endless.stop()
    wait_for_end(endless, qtbot)
    endless.fail("A sentence that is as long as they get, and says what to do about it. " * 2)
    assert endless.minimumSizeHint().height() < 620


def test_the_panel_opens_at_once(viewer: Any, runs: Path, no_threads_left: None) -> None:
    started = time.perf_counter()
    panel = TrainWidget(viewer)
    seconds = time.perf_counter() - started
    panel.abandon()
    panel.deleteLater()
    assert seconds < 1


def test_a_long_run_keeps_a_short_curve() -> None:
    curve = LossCurve(most_points=100)
    for step in range(1, 10_001):
        curve.add(step, 2.0 * step)
    steps, losses = curve.points()
    assert 50 <= len(steps) <= 100
    np.testing.assert_allclose(losses, 2 * np.asarray(steps))
    assert steps[-1] > 9_800
