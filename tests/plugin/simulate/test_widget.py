from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from napari.utils.notifications import notification_manager

from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.io import PixelSize
from napari_deepsmlm.plugin.layers.world import can_hold_frames, pixel_size_of
from napari_deepsmlm.plugin.simulate import widget as simulate_widget
from napari_deepsmlm.plugin.simulate.widget import SimulateWidget
from napari_deepsmlm.psf import AstigmaticPSF, CalibratedPSF

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

WAIT_MS = 60_000
KEY = "napari_deepsmlm"


@pytest.fixture
def simulate(viewer: Any, qtbot: Any, no_threads_left: None) -> Iterator[SimulateWidget]:
    panel = SimulateWidget(viewer)
    viewer.window.add_dock_widget(panel, name="Simulate")
    qtbot.waitUntil(lambda: panel.is_ready, timeout=WAIT_MS)
    panel.movie.fill({"n_frames": 20, "height_px": 16, "width_px": 24, "seed": 3})
    yield panel
    with suppress(RuntimeError):  # a test may have closed the window
        panel.abandon()


@pytest.fixture
def run(simulate: SimulateWidget, qtbot: Any) -> Callable[[], None]:
    """Click Run and wait for the end."""

    def run_to_the_end() -> None:
        simulate.run_button.click()
        qtbot.waitUntil(lambda: not simulate.is_busy, timeout=WAIT_MS)

    return run_to_the_end


def test_the_layers_are_what_the_library_simulates(
    simulate: SimulateWidget, viewer: Any, run: Callable[[], None]
) -> None:
    run()
    expected = Experiment(image_px=(16, 24)).simulate(20, seed=3)
    stack, points = viewer.layers
    np.testing.assert_array_equal(stack.data, expected.stack[:, 0])
    assert stack.data.dtype == np.uint16
    assert len(points.data) == len(expected.truth)
    # The centre of pixel (0, 0) is at 0 in the world, and at 50 nm in the table.
    in_world = points.data[:, 1:] + points.translate[1:]
    np.testing.assert_allclose(in_world[:, 1], expected.truth.x_nm - 50)
    np.testing.assert_allclose(in_world[:, 0], expected.truth.y_nm - 50)
    np.testing.assert_array_equal(points.data[:, 0], expected.truth.frame)
    text = f"20 frames with {len(expected.truth)} molecules, drawn in their frames."
    assert simulate.status_note.text() == text


def test_the_stack_lies_in_nm_and_knows_how_it_was_made(
    simulate: SimulateWidget, viewer: Any, run: Callable[[], None]
) -> None:
    simulate.form.psf_form.fields.fill({"pixel_size_nm": 120.0})
    run()
    stack = viewer.layers["simulated"]
    np.testing.assert_allclose(stack.scale, [1, 120, 120])
    assert [str(unit) for unit in stack.units] == ["pixel", "nanometer", "nanometer"]
    assert stack.axis_labels == ("t", "y", "x")
    known = stack.metadata[KEY]
    made = Experiment.from_dict(known["experiment"])
    assert made == simulate.experiment()
    assert known["camera"] == made.camera.model_dump(mode="json")
    assert known["seed"] == 3
    assert pixel_size_of(stack) == PixelSize(120.0, "simulated")
    assert can_hold_frames(stack)
    assert viewer.canvas.overlays.scale_bar.visible


def test_a_preset_with_focal_planes_has_an_axis_for_them(
    simulate: SimulateWidget, viewer: Any, run: Callable[[], None]
) -> None:
    simulate.form.show_experiment(Experiment.from_preset("quad-plane"), "quad-plane")
    simulate.movie.fill({"n_frames": 3, "height_px": 16, "width_px": 16})
    run()
    assert viewer.layers["simulated"].data.shape == (3, 4, 16, 16)
    assert viewer.layers["simulated"].axis_labels == ("t", "c", "y", "x")
    assert "4 focal planes" in simulate.form.psf_form.note.text()


def test_many_molecules_are_not_drawn_and_it_says_so(
    simulate: SimulateWidget,
    viewer: Any,
    run: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(simulate_widget, "MAX_POINTS", 5)
    run()
    assert [layer.name for layer in viewer.layers] == ["simulated"]
    assert "too many to draw as points" in simulate.status_note.text()


def test_cancel_keeps_the_frames_that_are_there(
    simulate: SimulateWidget, viewer: Any, qtbot: Any
) -> None:
    simulate.movie.fill({"n_frames": 1_000_000, "height_px": 8, "width_px": 8})
    simulate.run_button.click()
    assert not simulate.run_button.isEnabled()
    qtbot.waitUntil(lambda: simulate.bar.value() > 0, timeout=WAIT_MS)
    simulate.cancel_button.click()
    qtbot.waitUntil(lambda: not simulate.is_busy, timeout=WAIT_MS)
    assert 16 <= len(viewer.layers["simulated"].data) < 1_000_000


def test_a_stack_larger_than_the_memory_is_refused(
    simulate: SimulateWidget, viewer: Any, run: Callable[[], None]
) -> None:
    simulate.movie.fill({"n_frames": 1_000_000, "height_px": 8192, "width_px": 8192})
    run()
    assert "choose at most" in simulate.message_note.text()
    assert notification_manager.records[-1].message == simulate.message_note.text()
    assert len(viewer.layers) == 0
    assert simulate.run_button.isEnabled()


def test_a_setting_out_of_range_is_one_sentence(simulate: SimulateWidget) -> None:
    simulate.form.psf_form.fields.fill({"sigma_nm": (120, 100)})
    simulate.run_button.click()
    assert "must be two positive numbers" in simulate.message_note.text()
    assert not simulate.is_busy


def test_a_file_fills_the_form_and_the_frame_size(simulate: SimulateWidget, tmp_path: Path) -> None:
    experiment = Experiment.from_preset("nuclear-pores").replace(image_px=(32, 48))
    experiment.to_file(tmp_path / "mine.yaml")
    simulate.form.load(tmp_path / "mine.yaml")
    assert simulate.experiment() == experiment
    assert simulate.form.source_box.value == "mine.yaml"
    assert simulate.form.structure_form.currentText() == "nuclear pores"


def test_a_camera_by_its_numbers(simulate: SimulateWidget) -> None:
    camera = simulate.form.camera_form
    camera.setCurrentIndex(camera.findData("emccd"))
    camera._fields["emccd"].fill({"em_gain": 200.0, "baseline": 398.6})
    made = simulate.experiment().camera
    assert (made.kind, made.em_gain, made.baseline) == ("emccd", 200.0, 398.6)


@pytest.mark.parametrize("how", ["viewer", "dock"])
def test_closing_stops(simulate: SimulateWidget, viewer: Any, qtbot: Any, how: str) -> None:
    simulate.movie.fill({"n_frames": 1_000_000, "height_px": 8, "width_px": 8})
    simulate.run_button.click()
    qtbot.waitUntil(lambda: simulate.bar.value() > 0, timeout=WAIT_MS)
    stream = simulate._job._stream
    if how == "viewer":
        viewer.close()
    else:
        viewer.window.remove_dock_widget(simulate)
    qtbot.waitUntil(lambda: stream.is_over, timeout=WAIT_MS)


def test_the_panel_fits_a_narrow_dock(simulate: SimulateWidget) -> None:
    assert simulate.minimumSizeHint().width() <= 380
    assert simulate.minimumSizeHint().height() < 400


def test_a_measured_psf_is_simulated(
    simulate: SimulateWidget, run: Callable[[], None], viewer: Any, tmp_path: Path
) -> None:
    at_centre = torch.tensor([[[1250.0, 1250.0, z]] for z in np.linspace(-300, 300, 13)])
    images = AstigmaticPSF().render(at_centre, torch.ones(13, 1), (25, 25)).numpy()
    measured = CalibratedPSF.from_volume(images[:, 0], pixel_size_nm=100, z_step_nm=50)
    measured.save(tmp_path / "beads.safetensors")
    simulate.form.psf_form.load(tmp_path / "beads.safetensors")
    assert simulate.form.psf_form.currentText() == "beads.safetensors: calibrated"
    assert "z from -300 to 300 nm" in simulate.form.psf_form.note.text()
    assert simulate.experiment().psf.kind == "calibrated"
    run()
    assert "simulated" in viewer.layers


def test_a_file_that_is_no_psf_is_one_sentence_and_changes_nothing(
    simulate: SimulateWidget, tmp_path: Path
) -> None:
    before = simulate.experiment()
    (tmp_path / "noise.safetensors").write_bytes(b"no calibration at all")
    simulate.form.psf_form.load(tmp_path / "noise.safetensors")
    assert "noise.safetensors" in simulate.message_note.text()
    assert simulate.experiment() == before


def test_the_numbers_of_a_structure_are_used(simulate: SimulateWidget) -> None:
    structure = simulate.form.structure_form
    structure.setCurrentIndex(structure.findData("rings"))
    structure.fields.fill({"diameter_nm": (80.0, 90.0), "z_nm": (-200.0, 150.0)})
    made = simulate.experiment().simulation.structure
    assert (made.kind, made.diameter_nm, made.z_nm) == ("rings", (80.0, 90.0), (-200.0, 150.0))


def test_a_structure_without_editors_is_kept(simulate: SimulateWidget) -> None:
    preset = Experiment.from_preset("dilated-loc-2d-100nm")
    assert preset.simulation.structure.kind == "mixture"
    simulate.form.show_experiment(preset)
    assert not simulate.form.structure_form.more.isVisible()
    assert simulate.experiment().simulation.structure == preset.simulation.structure
