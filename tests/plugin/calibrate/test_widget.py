from __future__ import annotations

import gc
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtWidgets import QComboBox, QFileDialog
from tests.calibration.conftest import simulate_beads

from napari_deepsmlm.calibration.calibrate import calibrate
from napari_deepsmlm.calibration.plot import fitted_images
from napari_deepsmlm.plugin.calibrate.widget import PLANES, CalibrateWidget
from napari_deepsmlm.plugin.calibrate.work import MEASURED, PUPIL, WIDTHS
from napari_deepsmlm.plugin.forms.rows import Fields
from napari_deepsmlm.plugin.layers.world import frame_placement
from napari_deepsmlm.plugin.train import widget as train_widget
from napari_deepsmlm.psf import AstigmaticPSF, CalibratedPSF, MultiplanePSF
from napari_deepsmlm.psf.files import load_psf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

WAIT_MS = 120_000
TRUTH = AstigmaticPSF(z_range_nm=(-900, 900))
# Two lone beads, and two that touch.
PLACES = (
    (1534.0, 1571.0, 0.0),
    (4512.0, 1433.0, 12.0),
    (2600.0, 4543.0, 0.0),
    (3200.0, 4500.0, 0.0),
)
HOW = {"z_step_nm": 80.0, "pixel_size_nm": 100.0, "window_px": 17}


def beads(psf: Any = TRUTH, places: Any = PLACES, n_depths: int = 15, **how: Any) -> np.ndarray:
    made = simulate_beads(
        psf, places_nm=places, side_px=61, z_step_nm=80, n_depths=n_depths, photons=9000, **how
    )
    return made.astype(np.uint16)


@pytest.fixture(scope="module")
def stack() -> np.ndarray:
    return beads()


@pytest.fixture
def panel(viewer: Any, qtbot: Any, no_threads_left: None) -> Iterator[CalibrateWidget]:
    panel = CalibrateWidget(viewer)
    viewer.window.add_dock_widget(panel, name="Calibrate PSF")
    qtbot.waitUntil(lambda: panel.is_ready, timeout=WAIT_MS)
    panel.fields.fill(HOW)
    yield panel
    with suppress(RuntimeError):  # a test may have closed the window
        panel.abandon()


@pytest.fixture
def click(panel: CalibrateWidget, qtbot: Any) -> Callable[[Any], None]:
    """Click a button and wait for the end."""

    def click_and_wait(button: Any) -> None:
        assert button.isEnabled()
        button.click()
        qtbot.waitUntil(lambda: not panel.is_busy, timeout=WAIT_MS)

    return click_and_wait


def add_stack(viewer: Any, data: np.ndarray, name: str = "beads", **keywords: Any) -> Any:
    placement = frame_placement(data.ndim, 100.0) | keywords
    return viewer.add_image(data, name=name, **placement)


def test_beads_are_marked_and_those_left_make_the_psf(
    panel: CalibrateWidget, viewer: Any, click: Callable[[Any], None], stack: np.ndarray
) -> None:
    layer = add_stack(viewer, stack)
    assert panel.stack_list.stacks == [layer]
    click(panel.find_button)
    marks = viewer.layers["beads · marked"]
    places = np.array(sorted(map(tuple, np.asarray(marks.data))))
    np.testing.assert_allclose(places, [(14, 45), (15, 15)], atol=1)
    np.testing.assert_allclose(marks.scale, [100, 100])
    assert "2 beads" in panel.status_note.text()
    assert "so their light mixes" in panel.message_note.text()
    marks.data = marks.data[:1]  # as a person deletes one
    click(panel.run_button)
    one = tuple(np.asarray(marks.data[0]))
    expected = calibrate(
        stack, z_step_nm=80, pixel_size_nm=100, window_px=17, keep=[np.array([one])]
    )
    made = panel._made.result
    assert made.n_beads == expected.n_beads == 1
    np.testing.assert_array_equal(made.measured, expected.measured)
    assert made.gaussian.x.sigma_nm == pytest.approx(130, rel=0.03)
    assert "1 bead, z from" in panel.result_note.text()
    assert "PSF as measured, cubic splines: the rest is" in panel.result_note.text()
    assert "good" in panel.result_note.text()
    np.testing.assert_array_equal(panel._made.fitted, fitted_images(made, is_measured=True))
    assert panel.view.plot.measured["x"].getData()[1].shape == (15,)
    assert panel.view.images.rows["data"][2].pixmap().width() > 20
    assert not panel.view.isHidden()


def test_without_marks_all_beads_are_used(
    panel: CalibrateWidget, viewer: Any, click: Callable[[Any], None], stack: np.ndarray
) -> None:
    add_stack(viewer, stack)
    click(panel.run_button)
    assert panel._made.result.n_beads == 2


def test_files_are_saved_and_train_takes_them(
    panel: CalibrateWidget,
    viewer: Any,
    qtbot: Any,
    click: Callable[[Any], None],
    stack: np.ndarray,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(train_widget, "runs_folder", lambda: tmp_path / "runs")
    add_stack(viewer, stack)
    assert not panel.save_button.isEnabled()
    panel.kind_box.value = WIDTHS
    click(panel.run_button)
    path = tmp_path / "results" / "psf.safetensors"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: (str(path), ""))
    panel.use_button.click()  # it is to be saved first
    qtbot.waitUntil(lambda: not panel.is_busy, timeout=WAIT_MS)
    names = sorted(each.name for each in path.parent.iterdir())
    assert names == ["psf.png", "psf.safetensors", "psf.yaml"]
    assert isinstance(load_psf(path), CalibratedPSF)
    fitted = load_psf(path.with_suffix(".yaml"))
    assert fitted == panel._made.result.gaussian
    _, train = viewer.window.add_plugin_dock_widget("napari-deepsmlm", "Train")
    qtbot.waitUntil(lambda: train.is_ready, timeout=WAIT_MS)
    assert train.form.network_box.value == "dilated-loc", "a network that finds depths"
    assert train.look_box.stack_box.stack is None, "beads are not the sample"
    chosen = train.form.experiment_form.psf_form
    qtbot.waitUntil(lambda: chosen.currentText().startswith("psf.yaml"), timeout=WAIT_MS)
    assert chosen.psf == fitted
    panel._kind = MEASURED  # the other file of the two
    panel.use_button.click()
    assert isinstance(chosen.psf, CalibratedPSF)
    train.abandon()


def test_layers_are_focal_planes_of_one_field(
    panel: CalibrateWidget, viewer: Any, click: Callable[[Any], None]
) -> None:
    quad = MultiplanePSF(
        psf=AstigmaticPSF(
            x=TRUTH.x.replace(focus_nm=0.0),
            y=TRUTH.y.replace(focus_nm=0.0),
            z_range_nm=(-1500, 1500),
        ),
        plane_z_nm=(-200.0, 200.0),
        split=(0.5, 0.5),
        shift_nm=((0.0, 0.0), (0.0, 0.0)),
    )
    planes = beads(quad, places=PLACES[:2])
    layers = [add_stack(viewer, plane, f"plane {i}") for i, plane in enumerate(planes)]
    panel.stack_list.tick(*layers)
    panel.several_box.value = PLANES
    click(panel.run_button)
    foci = panel._made.result.gaussian.plane_z_nm
    assert abs(foci[0] - foci[1]) == pytest.approx(400, abs=20)
    assert panel.view.plane_box.choices == (0, 1)
    panel.view.plane_box.value = 1
    focus = panel._made.result.curves[1].x.focus_nm
    z, width = panel.view.plot.fitted["x"].getData()
    assert z[width.argmin()] == pytest.approx(focus, abs=15)


def saturated() -> np.ndarray:
    data = beads()
    data[3, 15, 15] = data[4, 15, 15] = 65535
    return data


def with_empty_image() -> np.ndarray:
    data = beads()
    data[4] = 100
    return data


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (saturated, "saturated pixels (65535 ADU)"),
        (with_empty_image, "Image 4 of the bead stack is empty"),
        (lambda: beads(places=PLACES[2:]), "their light mixes"),
        (lambda: beads(places=((9e4, 9e4, 0.0),)), "No usable bead"),
    ],
)
def test_bad_stacks_are_one_sentence(
    panel: CalibrateWidget, viewer: Any, click: Callable[[Any], None], make: Any, sentence: str
) -> None:
    add_stack(viewer, make())
    for button in (panel.find_button, panel.run_button):
        click(button)
        assert sentence in panel.message_note.text()
        assert notification_manager.records[-1].message == panel.message_note.text()
    assert not panel.save_button.isEnabled()
    assert panel.run_button.isEnabled()


def test_what_is_no_z_stack_cannot_be_calibrated_and_the_panel_says_why(
    panel: CalibrateWidget, viewer: Any, stack: np.ndarray
) -> None:
    add_stack(viewer, beads(n_depths=4), name="flat")
    assert "flat has 4 depths; a calibration needs at least 5." in panel.stack_note.text()
    assert not panel.run_button.isEnabled()
    assert not panel.find_button.isEnabled()
    good = add_stack(viewer, stack, name="good")
    panel.stack_list.tick(good)
    assert panel.run_button.isEnabled()
    panel.stack_list.tick(good, viewer.layers["flat"])
    assert not panel.run_button.isEnabled()


def test_bad_numbers_are_one_sentence(
    panel: CalibrateWidget, viewer: Any, click: Callable[[Any], None], stack: np.ndarray
) -> None:
    add_stack(viewer, stack)
    panel.fields.fill({"window_px": 18})
    click(panel.run_button)
    assert "must be an odd number of pixels" in panel.message_note.text()
    panel.fields.fill({"window_px": 63})
    click(panel.run_button)
    assert "The window of 63 px is larger than the images" in panel.message_note.text()


def test_a_wrong_z_step_is_said(
    panel: CalibrateWidget, viewer: Any, click: Callable[[Any], None], stack: np.ndarray
) -> None:
    add_stack(viewer, stack)
    panel.fields.fill({"z_step_nm": 800.0})
    click(panel.run_button)
    assert "z-step" in panel.message_note.text()


def test_pixel_size_and_z_step_come_from_the_layer(
    panel: CalibrateWidget, viewer: Any, stack: np.ndarray
) -> None:
    add_stack(viewer, stack, scale=(35.0, 108.0, 108.0), units=("nm", "nm", "nm"))
    values = panel.fields.values()
    assert (values["z_step_nm"], values["pixel_size_nm"]) == (35.0, 108.0)


def test_cancel_answers_during_the_long_fit(
    panel: CalibrateWidget, viewer: Any, qtbot: Any, stack: np.ndarray
) -> None:
    add_stack(viewer, stack)
    panel.kind_box.value = PUPIL
    panel.run_button.click()
    qtbot.waitUntil(lambda: "Zernike" in panel.status_note.text(), timeout=WAIT_MS)
    panel.cancel_button.click()
    qtbot.waitUntil(lambda: not panel.is_busy, timeout=WAIT_MS)
    assert panel._made is None
    assert panel.message_note.text() == ""
    assert panel.run_button.isEnabled()


@pytest.mark.parametrize("how", ["viewer", "dock"])
def test_closing_stops(
    panel: CalibrateWidget, viewer: Any, qtbot: Any, stack: np.ndarray, how: str
) -> None:
    add_stack(viewer, stack)
    panel.kind_box.value = PUPIL
    panel.run_button.click()
    stream = panel._job._stream
    if how == "viewer":
        viewer.close()
    else:
        viewer.window.remove_dock_widget(panel)
    qtbot.waitUntil(lambda: stream.is_over, timeout=WAIT_MS)


def open_and_close(viewer: Any, qtbot: Any) -> CalibrateWidget:
    panel = CalibrateWidget(viewer)
    viewer.window.add_dock_widget(panel, name="Calibrate PSF")
    qtbot.waitUntil(lambda: panel.is_ready, timeout=WAIT_MS)
    viewer.window.remove_dock_widget(panel)
    panel.deleteLater()
    return panel


def test_a_closed_panel_is_collected(
    viewer: Any, qtbot: Any, stack: np.ndarray, no_threads_left: None
) -> None:
    gone = weakref.ref(open_and_close(viewer, qtbot))
    add_stack(viewer, stack)  # the viewer calls nothing of it

    def is_gone() -> bool:
        gc.collect()
        return gone() is None

    qtbot.waitUntil(is_gone, timeout=WAIT_MS)


def test_every_editor_has_a_unit_and_a_tooltip_and_all_fit_a_narrow_dock(
    panel: CalibrateWidget,
) -> None:
    editors = [e for fields in panel.findChildren(Fields) for e in fields.editors.values()]
    assert [editor.label for editor in editors] == ["Z step (nm)", "Pixel size (nm)", "Window (px)"]
    for editor in editors:
        assert len(editor.native.toolTip()) > 20
    for box in panel.findChildren(QComboBox):
        assert box.toolTip(), box.objectName()
    assert panel.minimumSizeHint().width() <= 390
    assert panel.minimumSizeHint().height() < 400
