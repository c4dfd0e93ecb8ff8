from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any

import dask.array
import numpy as np
import pytest
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QAbstractSpinBox, QFileDialog, QScrollArea

from napari_deepsmlm import reconstruction
from napari_deepsmlm.camera import IdealCamera, camera_preset
from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.io import read_localizations, read_report
from napari_deepsmlm.models import build_model, save_model
from napari_deepsmlm.plugin.forms.camera_box import BY_NUMBERS
from napari_deepsmlm.plugin.forms.model_box import ModelBox
from napari_deepsmlm.plugin.layers.world import frame_placement
from napari_deepsmlm.plugin.library.choices import ModelChoice
from napari_deepsmlm.plugin.reconstruct import work
from napari_deepsmlm.plugin.reconstruct.sample_model import REASON, _covers
from napari_deepsmlm.plugin.reconstruct.widget import ReconstructWidget
from napari_deepsmlm.psf import AstigmaticPSF
from napari_deepsmlm.psf.astigmatic import DefocusCurve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

WAIT_MS = 60_000
NM = {"scale": (1, 100, 100), "units": ("pixel", "nm", "nm")}
KEY = "napari_deepsmlm"


# -- the main job ---------------------------------------------------------------------------


def test_a_stack_becomes_a_super_resolved_layer_with_its_report(
    panel: ReconstructWidget, viewer: Any, run: Callable[[], None], stack: np.ndarray
) -> None:
    viewer.add_image(stack, name="cells", **NM)
    run()
    sr = viewer.layers["cells · untrained"]
    assert sr.data.shape == (64, 96)
    assert sr.data.max() > 0
    np.testing.assert_allclose(sr.scale, 25)
    np.testing.assert_allclose(sr.translate, -37.5)
    assert [str(unit) for unit in sr.units] == ["nanometer", "nanometer"]
    assert sr.axis_labels == ("y", "x")
    report = sr.metadata[KEY]
    assert report["frames"] == 12
    assert report["of"] == "cells"
    assert report["model"]["network"] == "deep-storm"
    assert "12 frames in" in panel.status_note.text()
    assert viewer.canvas.overlays.scale_bar.visible


@pytest.mark.parametrize("lazy", [False, True])
def test_the_image_is_what_the_library_gives(
    panel: ReconstructWidget,
    viewer: Any,
    run: Callable[[], None],
    stack: np.ndarray,
    model_file: Path,
    lazy: bool,
) -> None:
    viewer.add_image(dask.array.from_array(stack, chunks=(5, -1, -1)) if lazy else stack, **NM)
    panel.form.first_frame.value = 2
    panel.form.last_frame.value = 9
    panel.form.fill_in(sum_frames=3)
    run()
    expected = reconstruction.reconstruct(
        stack, str(model_file), pixel_size_nm=100.0, sum_frames=3, frame_range=(2, 10)
    )
    np.testing.assert_array_equal(viewer.layers[-1].data, expected.image)


def test_the_file_is_read_again_where_our_reader_opened_it(
    panel: ReconstructWidget, viewer: Any, run: Callable[[], None], real_stack: Path
) -> None:
    viewer.open(str(real_stack), plugin="napari-deepsmlm")
    panel.form.last_frame.value = 3
    run()
    report = viewer.layers[-1].metadata[KEY]
    assert report["inputs"]["path"] == str(real_stack.absolute())
    assert report["frames"] == 4


def test_one_frame_is_enough(
    panel: ReconstructWidget, viewer: Any, run: Callable[[], None], stack: np.ndarray
) -> None:
    viewer.add_image(stack[0], name="one", scale=(100, 100), units=("nm", "nm"))
    run()
    assert viewer.layers["one · untrained"].metadata[KEY]["frames"] == 1


def test_the_layer_grows_while_frames_come(
    panel: ReconstructWidget,
    viewer: Any,
    qtbot: Any,
    long_stack: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(work, "REFRESH_S", 0.0)
    viewer.add_image(long_stack, name="long", **NM)
    panel.run_button.click()
    sums: list[float] = []

    def has_grown() -> bool:
        if "long · untrained" in viewer.layers:
            sums.append(float(viewer.layers["long · untrained"].data.sum()))
        return len(set(sums)) > 2

    qtbot.waitUntil(has_grown, timeout=WAIT_MS)
    assert sums == sorted(sums)
    assert panel.is_busy
    assert "frames/s" in panel.status_note.text()
    assert 0 < panel.bar.value() < panel.bar.maximum() == len(long_stack)


def test_contrast_follows_until_the_user_sets_it(
    panel: ReconstructWidget,
    viewer: Any,
    qtbot: Any,
    long_stack: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(work, "REFRESH_S", 0.0)
    viewer.add_image(long_stack, name="long", **NM)
    panel.run_button.click()
    qtbot.waitUntil(lambda: "long · untrained" in viewer.layers, timeout=WAIT_MS)
    sr = viewer.layers["long · untrained"]
    first = tuple(sr.contrast_limits)
    qtbot.waitUntil(lambda: tuple(sr.contrast_limits) != first, timeout=WAIT_MS)
    own = [0.0, first[1] / 2]
    sr.contrast_limits = own
    before = sr.data
    qtbot.waitUntil(lambda: sr.data is not before, timeout=WAIT_MS)
    assert sr.contrast_limits == own


def test_no_layer_is_ever_overwritten(
    panel: ReconstructWidget, viewer: Any, run: Callable[[], None], stack: np.ndarray
) -> None:
    viewer.add_image(stack, name="cells", **NM)
    mine = viewer.add_image(
        np.zeros((4, 4)), name="cells · untrained", scale=(9, 9), units=("nm", "nm")
    )
    run()
    first = viewer.layers["cells · untrained [1]"].data
    run()
    shown = [layer.name for layer in viewer.layers if layer.visible]
    assert shown == ["cells", "cells · untrained", "cells · untrained [2]"], (
        "the older one is hidden"
    )
    assert viewer.layers["cells · untrained [2]"].data is not first
    assert mine.data.shape == (4, 4)
    assert viewer.layers["cells · untrained [1]"].data is first


def test_results_are_saved_as_three_files(
    panel: ReconstructWidget,
    viewer: Any,
    qtbot: Any,
    run: Callable[[], None],
    stack: np.ndarray,
    tmp_path: Path,
) -> None:
    viewer.add_image(stack, **NM)
    panel.form.fill_in(threshold=0.0)
    run()
    panel.save_results(tmp_path / "out")
    qtbot.waitUntil(lambda: not panel.is_busy, timeout=WAIT_MS)
    assert "Saved reconstruction.tif" in panel.status_note.text()
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert read_report(tmp_path / "out" / "reconstruction.tif") == report
    table = read_localizations(tmp_path / "out" / "localizations.csv")
    assert len(table) == report["localizations"] > 0


def test_preview_shows_the_frame_under_the_slider_and_follows_it(
    panel: ReconstructWidget, viewer: Any, qtbot: Any, stack: np.ndarray
) -> None:
    viewer.add_image(stack, name="cells", **NM)
    viewer.dims.set_point(0, 3)
    panel.preview.button.click()
    qtbot.waitUntil(lambda: "Preview of frame 3:" in panel.status_note.text(), timeout=WAIT_MS)
    preview = viewer.layers["cells preview"]
    third = preview.data
    viewer.dims.set_point(0, 7)
    qtbot.waitUntil(lambda: "Preview of frame 7:" in panel.status_note.text(), timeout=WAIT_MS)
    assert not np.array_equal(preview.data, third)
    panel.preview.button.click()
    assert [layer.name for layer in viewer.layers] == ["cells"]


# -- units and pixel size -------------------------------------------------------------------


def test_an_unknown_pixel_size_is_asked_for(
    panel: ReconstructWidget, viewer: Any, run: Callable[[], None], stack: np.ndarray
) -> None:
    layer = viewer.add_image(stack)
    assert "pixel size is not known" in panel.form.stack_box.note.text()
    assert not panel.run_button.isEnabled()
    panel.form.fill_in(pixel_size_nm=120)
    run()
    np.testing.assert_allclose(layer.scale, [1, 120, 120])
    assert [str(unit) for unit in layer.units] == ["pixel", "nanometer", "nanometer"]
    np.testing.assert_allclose(viewer.layers[-1].scale, 120 / 4)
    assert "nanometer" in str(viewer.layers.units[-1])


def test_micrometres_are_understood(
    panel: ReconstructWidget, viewer: Any, stack: np.ndarray
) -> None:
    viewer.add_image(stack, scale=(1, 0.108, 0.108), units=("pixel", "um", "um"))
    assert panel.form.pixel_size_nm == pytest.approx(108)


def test_a_file_that_another_reader_opened_is_asked_for_its_pixel_size(
    panel: ReconstructWidget, viewer: Any, real_stack: Path
) -> None:
    viewer.open(str(real_stack), plugin="napari")
    assert panel.form.pixel_size_nm == 100
    assert "ImageJ metadata" in panel.form.stack_box.note.text()


def test_what_the_user_set_stays_when_other_layers_come(
    panel: ReconstructWidget, viewer: Any, stack: np.ndarray
) -> None:
    viewer.add_image(stack, **NM)
    panel.form.fill_in(pixel_size_nm=107)
    panel.form.last_frame.value = 5
    viewer.add_image(np.zeros((32, 32)))
    viewer.add_points(np.zeros((1, 2)))
    assert (panel.form.pixel_size_nm, panel.form.last_frame.value) == (107.0, 5)


# -- models ---------------------------------------------------------------------------------


def test_a_model_for_as_many_planes_is_preferred(qtbot: Any) -> None:
    box = ModelBox()
    qtbot.addWidget(box)
    models = [
        ModelChoice("one", "one", "deep-storm", 100),
        ModelChoice("four", "four", "voxel-regression", 192, n_planes=4),
    ]
    box.set_models(models, tolerance=1.15)
    box.set_data(180, n_planes=1)
    assert box.choice == models[0]
    box.set_data(180, n_planes=4)
    assert box.choice == models[1]


def test_the_nearest_model_is_chosen_with_the_reason(qtbot: Any) -> None:
    box = ModelBox()
    qtbot.addWidget(box)
    models = [ModelChoice(f"m{nm}", f"m{nm}", "deep-storm", nm, 8) for nm in (65, 100, 160)]
    box.set_models(models, tolerance=1.15)
    box.set_data(106)
    assert box.choice == models[1]
    text = "Nearest to the data: trained for 100 nm pixels, data 106 nm, 8× finer."
    assert box.note.text() == text
    box.set_data(300)
    assert box.choice == models[2]
    assert box.note.text().startswith("No model fits: the nearest was trained for 160 nm pixels")
    box.set_data(100, n_planes=4)
    assert (
        "reads frames of 1 focal plane, the data has 4: choose another one, or a channel."
        in box.note.text()
    )
    box.activated.emit(0)
    box.set_data(100)
    assert box.choice == models[0], "the user's choice stays"
    assert "This model was trained for 65 nm pixels" in box.note.text()


@pytest.mark.parametrize("is_chosen", [True, False])
def test_the_last_entry_loads_a_file(
    qtbot: Any, model_file: Path, monkeypatch: pytest.MonkeyPatch, is_chosen: bool
) -> None:
    box = ModelBox()
    qtbot.addWidget(box)
    built_in = ModelChoice("m100", "m100", "deep-storm", 100, 8)
    box.set_models([built_in], tolerance=1.15)
    answer = str(model_file) if is_chosen else ""
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_, **__: (answer, ""))
    box.setCurrentIndex(box.count() - 1)
    box.activated.emit(box.count() - 1)
    assert box.choice is not None
    assert box.currentText() == box.choice.title == (model_file.name if is_chosen else "m100")


def test_models_that_were_trained_here_are_offered(
    viewer: Any, qtbot: Any, no_threads_left: None, own_models: Path, stack: np.ndarray
) -> None:
    for name, nm in (("2026-01-01_deep-storm", 160.0), ("2026-01-02_deep-storm", 300.0)):
        (own_models / name).mkdir(parents=True)
        config = {"upsampling": 4, "pixel_size_nm": nm}
        save_model(own_models / name / "best.safetensors", build_model("deep-storm", config))
    (own_models / "broken").mkdir()
    (own_models / "broken" / "best.safetensors").write_bytes(b"")
    viewer.add_image(stack, scale=(1, 155, 155), units=("pixel", "nm", "nm"))
    panel = ReconstructWidget(viewer)
    viewer.window.add_dock_widget(panel)
    qtbot.waitUntil(lambda: panel.is_ready, timeout=WAIT_MS)
    box = panel.form.model_box
    assert box.currentText() == "2026-01-01_deep-storm/best", "the nearest, and the user's own"
    trained = "trained for 160 nm pixels, data 155 nm"
    qtbot.waitUntil(lambda: trained in box.note.text(), timeout=WAIT_MS)
    assert [choice.title for choice in box.choices][-2:] == [
        "2026-01-02_deep-storm/best",
        "2026-01-01_deep-storm/best",
    ]
    panel.abandon()


@pytest.mark.parametrize(
    ("depths_nm", "defocus_nm", "covers"),
    [
        ((-500.0, 500.0), 400.0, True),
        ((-700.0, 900.0), 400.0, False),
        ((-500.0, 500.0), 390.0, False),
    ],
)
def test_a_model_reads_a_psf_that_is_its_own_through_no_more_depth(
    depths_nm: tuple[float, float], defocus_nm: float, covers: bool
) -> None:
    trained = AstigmaticPSF(x=DefocusCurve(depth_nm=400.0), z_range_nm=(-700.0, 700.0))
    sample = AstigmaticPSF(x=DefocusCurve(depth_nm=defocus_nm), z_range_nm=depths_nm)
    assert _covers(trained, sample) == covers


def test_a_sample_with_depth_is_offered_the_model_that_reads_it(
    viewer: Any, qtbot: Any, no_threads_left: None, own_models: Path
) -> None:
    made = Experiment.from_preset("dilated-loc-astigmatic-100nm")
    frames = np.random.default_rng(0).poisson(100, (4, 32, 32)).astype(np.uint16)
    placement = frame_placement(3, 100.0)
    known = {"pixel_size_nm": 100.0, "experiment": made.model_dump(mode="json")}
    deep = viewer.add_image(frames, name="deep", metadata={KEY: known}, **placement)
    flat_known = {**known, "experiment": Experiment().model_dump(mode="json")}
    flat = viewer.add_image(frames, name="flat", metadata={KEY: flat_known}, **placement)
    panel = ReconstructWidget(viewer)
    viewer.window.add_dock_widget(panel)
    qtbot.waitUntil(lambda: panel.is_ready, timeout=WAIT_MS)
    box = panel.form.model_box
    panel.form.stack_box.choose(flat)
    assert "astigmatic" not in box.choice.key
    panel.form.stack_box.choose(deep)
    assert box.choice.key == "dilated-loc:astigmatic-100nm"
    assert box.note.text() == f"Suggested: {REASON}."
    panel.form.stack_box.choose(flat)
    assert "astigmatic" not in box.choice.key
    box.choose(box.choices[0])
    panel.form.stack_box.choose(deep)
    assert box.choice == box.choices[0], "the user's choice stays"
    panel.abandon()


def test_no_model_at_all_is_said(qtbot: Any) -> None:
    box = ModelBox()
    qtbot.addWidget(box)
    box.set_models([], tolerance=1.15)
    assert box.choice is None
    assert "load a model file" in box.note.text()


def test_run_waits_for_a_model_that_reads_the_planes(
    panel: ReconstructWidget, viewer: Any, stack: np.ndarray
) -> None:
    planes = np.repeat(stack[:, None], 4, axis=1)
    viewer.add_image(
        planes, name="four", scale=(1, 1, 100, 100), units=("pixel", "pixel", "nm", "nm")
    )
    assert not panel.run_button.isEnabled()
    assert not panel.preview.button.isEnabled()
    assert "reads frames of 1 focal plane, the data has 4" in panel.form.model_box.note.text()
    panel.form.channel_box.value = 2
    assert panel.run_button.isEnabled(), "one of the planes is read"


# -- networks that localize ----------------------------------------------------------------


def test_a_localizing_network_asks_for_the_camera_and_draws_its_table(
    panel: ReconstructWidget,
    viewer: Any,
    run: Callable[[], None],
    stack: np.ndarray,
    spotter: Callable[..., Path],
) -> None:
    form = panel.form
    camera, upsampling = form.camera_box, form.findChild(QAbstractSpinBox, "upsampling")
    viewer.add_image(stack, name="cells", **NM)
    assert camera.native.isHidden()
    assert upsampling.isHidden()
    form.model_box.load_file(spotter(neighbours=1))
    assert not camera.native.isHidden()
    assert camera.baseline.native.isHidden()
    assert not upsampling.isHidden()
    run()
    assert panel._result.report["camera"]["source"] == "estimated"
    assert viewer.layers[panel._overlay.name].data.shape == (128, 192)

    camera.value = BY_NUMBERS
    assert not camera.baseline.native.isHidden()
    camera.baseline.value = 90
    camera.photons_per_adu.value = 0.5
    form.fill_in(upsampling=5)
    run()
    name = panel._overlay.name
    assert name.endswith(", ×5")
    sr, points = viewer.layers[name], viewer.layers[f"{name} molecules"]
    assert not points.visible, "rings would hide the image"
    expected = reconstruction.reconstruct(
        stack,
        form.model_box.choice.key,
        pixel_size_nm=100.0,
        upsampling=5,
        camera=IdealCamera(baseline=90, gain=2),
    )
    np.testing.assert_array_equal(sr.data, expected.image)
    np.testing.assert_allclose(points.features["photons"], expected.localizations["photons"])
    assert panel.message_note.text() == ""
    camera.value = "scmos-qe95"
    assert form.options().camera == camera_preset("scmos-qe95")


def test_the_preview_of_a_localizing_network_sees_the_neighbours(
    panel: ReconstructWidget,
    viewer: Any,
    qtbot: Any,
    stack: np.ndarray,
    spotter: Callable[..., Path],
) -> None:
    viewer.add_image(stack, name="cells", **NM)
    path = spotter(neighbours=1)
    panel.form.model_box.load_file(path)
    viewer.dims.set_point(0, 3)
    panel.preview.button.click()
    qtbot.waitUntil(lambda: "Preview of frame 3:" in panel.status_note.text(), timeout=WAIT_MS)
    expected = reconstruction.reconstruct(stack, str(path), pixel_size_nm=100.0, frame_range=(3, 4))
    np.testing.assert_array_equal(viewer.layers["cells preview"].data, expected.image)
    assert expected.image.sum() > 0


# -- bad input ------------------------------------------------------------------------------


def test_colour_images_and_our_results_are_not_offered(
    panel: ReconstructWidget, viewer: Any, run: Callable[[], None], stack: np.ndarray
) -> None:
    viewer.add_image(np.zeros((32, 32, 3), np.uint8), rgb=True)
    viewer.add_image([np.zeros((64, 64)), np.zeros((32, 32))], multiscale=True)
    viewer.add_labels(np.zeros((32, 32), int))
    assert panel.form.stack is None
    assert "No layer holds camera frames" in panel.form.stack_box.note.text()
    assert not panel.run_button.isEnabled()
    viewer.add_image(stack, name="cells", **NM)
    run()
    box = panel.form.stack_box
    shown = [box.native.itemText(k) for k in range(box.native.count())]
    assert shown == ["cells", "Image [1] (cannot be used)"], "a pyramid, whose way out is said"


def test_nan_is_one_sentence_in_the_panel_and_a_notification(
    panel: ReconstructWidget, viewer: Any, run: Callable[[], None], stack: np.ndarray
) -> None:
    from napari.utils.notifications import notification_manager

    frames = stack.astype(np.float32)
    frames[:, 2, 2] = np.nan
    viewer.add_image(frames, contrast_limits=(0, 1000), **NM)
    run()
    sentence = panel.message_note.text()
    assert "(counted from 0) hold NaN or infinite values" in sentence
    assert notification_manager.records[-1].message == sentence
    assert panel.run_button.isEnabled()
    assert not panel.save_button.isEnabled()
    partial = [layer for layer in viewer.layers if layer.name.endswith("untrained")]
    assert all("Incomplete" in layer.metadata[KEY]["warnings"][0] for layer in partial)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(None, "No model file at"), (b"", "not a safetensors"), (b"\xff" * 64, "not a safetensors")],
)
def test_a_file_that_is_no_model_is_refused(
    panel: ReconstructWidget, tmp_path: Path, content: bytes | None, sentence: str
) -> None:
    chosen = panel.form.model_box.choice
    path = tmp_path / "bad.safetensors"
    if content is not None:
        path.write_bytes(content)
    panel.form.model_box.load_file(path)
    assert sentence in panel.message_note.text()
    assert panel.form.model_box.choice == chosen


def test_a_model_that_is_damaged_meanwhile_is_one_sentence(
    panel: ReconstructWidget,
    viewer: Any,
    run: Callable[[], None],
    stack: np.ndarray,
    model_file: Path,
) -> None:
    viewer.add_image(stack, **NM)
    data = bytearray(model_file.read_bytes())
    data[-100:] = bytes(100)
    model_file.write_bytes(data)
    run()
    assert "do not match their checksum" in panel.message_note.text()


def test_a_runtime_error_inside_the_job_is_reported(
    panel: ReconstructWidget,
    viewer: Any,
    run: Callable[[], None],
    stack: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(self: object) -> Iterator[object]:
        raise RuntimeError("no kernel image is available")
        yield

    monkeypatch.setattr(reconstruction.ReconstructJob, "run", broken)
    viewer.add_image(stack, **NM)
    run()
    assert "RuntimeError: no kernel image is available" in panel.message_note.text()
    assert panel.run_button.isEnabled()


# -- stopping -------------------------------------------------------------------------------


@pytest.fixture
def running(
    panel: ReconstructWidget, viewer: Any, qtbot: Any, long_stack: np.ndarray
) -> ReconstructWidget:
    """A run that has shown its first image and would go on for long."""
    viewer.add_image(long_stack, name="long", **NM)
    panel.run_button.click()
    qtbot.waitUntil(lambda: "long · untrained" in viewer.layers, timeout=WAIT_MS)
    return panel


def test_cancel_is_quick_and_keeps_what_is_done(
    running: ReconstructWidget, viewer: Any, qtbot: Any
) -> None:
    started = time.monotonic()
    running.cancel_button.click()
    qtbot.waitUntil(lambda: not running.is_busy, timeout=WAIT_MS)
    assert time.monotonic() - started < 5  # a batch on a busy machine; 1 s on an idle one
    report = viewer.layers["long · untrained"].metadata[KEY]
    assert 0 < report["frames"] < 24_000
    assert "Stopped after" in running.message_note.text()
    assert running.save_button.isEnabled()


def test_removing_the_stack_stops_and_keeps_what_is_done(
    running: ReconstructWidget, viewer: Any, qtbot: Any
) -> None:
    viewer.layers.remove("long")
    qtbot.waitUntil(lambda: not running.is_busy, timeout=WAIT_MS)
    assert viewer.layers["long · untrained"].metadata[KEY]["frames"] < 24_000
    assert running.form.stack is None


def test_removing_the_result_leaves_the_run_alone(
    running: ReconstructWidget, viewer: Any, qtbot: Any
) -> None:
    viewer.layers.remove("long · untrained")
    qtbot.wait(300)
    assert running.is_busy
    running.cancel()
    qtbot.waitUntil(lambda: not running.is_busy, timeout=WAIT_MS)
    assert "Stopped after" in running.message_note.text()


@pytest.mark.parametrize("how", ["viewer", "dock"])
def test_closing_stops_the_job(
    running: ReconstructWidget, viewer: Any, qtbot: Any, how: str
) -> None:
    if how == "viewer":
        viewer.close()
    else:
        viewer.window.remove_dock_widget(running)
    qtbot.waitUntil(lambda: not any_worker_runs(), timeout=WAIT_MS)


def any_worker_runs() -> bool:
    return any(thread.name == "deepsmlm-read-ahead" for thread in threading.enumerate())


# -- the window stays alive -----------------------------------------------------------------


def test_the_event_loop_goes_on_while_running(
    panel: ReconstructWidget, viewer: Any, qtbot: Any, long_stack: np.ndarray
) -> None:
    viewer.add_image(long_stack, name="long", **NM)
    ticks: list[float] = []
    timer = QTimer()
    timer.timeout.connect(lambda: ticks.append(time.perf_counter()))
    timer.start(5)
    panel.run_button.click()
    qtbot.waitUntil(lambda: panel.bar.value() > 200, timeout=WAIT_MS)
    timer.stop()
    gaps = np.diff(ticks)
    # Typical gaps, as another process may take the processor for long at any time.
    assert np.percentile(gaps, 90) < 0.05
    assert gaps.max() < 2


def test_the_panel_opens_at_once(viewer: Any, no_threads_left: None) -> None:
    started = time.perf_counter()
    panel = ReconstructWidget(viewer)
    seconds = time.perf_counter() - started
    panel.abandon()
    panel.deleteLater()
    assert seconds < 1


def test_the_panel_fits_a_narrow_dock(panel: ReconstructWidget) -> None:
    assert panel.minimumSizeHint().width() <= 370
    assert panel.minimumSizeHint().height() < 400
    scroll = panel.findChild(QScrollArea)
    assert scroll is not None
    assert scroll.minimumSizeHint().width() >= scroll.widget().minimumSizeHint().width()
