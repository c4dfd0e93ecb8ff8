"""Frames against the training, in a real viewer: by the result's own report or as chosen."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.qt import get_current_stylesheet
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.mismatch import MismatchRow, MismatchTable
from napari_deepsmlm.mismatch.table import Measurement
from napari_deepsmlm.models import build_model, built_in_models, read_card, save_model
from napari_deepsmlm.plugin.layers.world import KEY, frame_placement, overlay_placement
from napari_deepsmlm.plugin.quality.training_rows import NO_MODEL, OF_RESULT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_deepsmlm.plugin.quality.widget import QualityWidget

MODEL = "deep-storm:2d-100nm"
NAMES = ("pixel_size_nm", "psf_sigma_px", "psf_sigma_nm", "background", "photons")
NAMES += ("density_per_um2", "snr", "em_noise", "n_planes")


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    made = Experiment.from_dict(read_card(built_in_models()[MODEL]).experiment)
    values = {"density_per_um2": (3, 3), "brightness": (1, 1), "background": (240, 240)}
    simulation = made.simulation.replace(structure={"kind": "uniform"}, **values)
    return made.replace(simulation=simulation)


@pytest.fixture(scope="module")
def frames(experiment: Experiment) -> np.ndarray:
    """What the model was trained on, but four times as much background."""
    return experiment.simulate(60, seed=0).stack[:, 0]


def add_stack(viewer: Any, frames: np.ndarray, pixel_nm: float | None = 100.0) -> Any:
    return viewer.add_image(frames, name="frames", **frame_placement(3, pixel_nm))


def add_result(viewer: Any, **report: Any) -> Any:
    image = np.random.default_rng(0).random((64, 64))
    known = {KEY: {"kind": "reconstruction", **report}}
    return viewer.add_image(image, name="SR", metadata=known, **overlay_placement((0, 0), 100.0))


def report_of(camera: Any, sum_frames: int = 1) -> dict[str, Any]:
    options = {"model": "deep-storm", "camera": camera, "sum_frames": sum_frames}
    return {"inputs": {"options": options}, "model": {"name": MODEL}, "pixel_size_nm": 100.0}


def shown(quality: QualityWidget) -> dict[str, tuple[str, ...]]:
    """The lines of the table, as a person reads them."""
    tree = quality.results.mismatch.tree
    items = [tree.topLevelItem(i) for i in range(tree.topLevelItemCount())]
    texts = [tuple(item.text(i) for i in range(1, 4)) for item in items if item is not None]
    return dict(zip(NAMES, texts, strict=True))


def test_the_result_says_which_model_and_camera(
    quality: QualityWidget, viewer: Any, run: Callable[[], None], frames, experiment, tmp_path: Path
) -> None:
    add_stack(viewer, frames)
    add_result(viewer, **report_of(experiment.camera.model_dump(mode="json")))
    rows = quality.training_rows
    assert rows.box.currentText() == OF_RESULT
    assert rows.note.text() == f"{MODEL}, its camera."
    assert rows.camera_box.native.isHidden()
    run()
    view = quality.results.mismatch
    assert not view.isHidden()
    assert MODEL in view.heading.text()
    lines = shown(quality)
    assert {words for *_, words in lines.values()} == {"✓ inside", "✗ outside"}
    assert [name for name, line in lines.items() if line[2] == "✗ outside"] == ["background"]
    assert lines["background"][1] == "5 to 60"
    assert "molecules may be missed or invented" in view.note.text()
    assert view.tree.topLevelItem(3).foreground(3) != view.tree.topLevelItem(4).foreground(3)
    quality.results.copy_button.click()
    assert "Training\tBackground" in QApplication.clipboard().text()
    quality.results.save(tmp_path / "quality.json")
    saved = json.loads((tmp_path / "quality.json").read_text())["mismatch"]["quantities"]
    assert saved["background"]["verdict"] == "outside"
    assert saved["background"]["measured"] == pytest.approx(240, rel=0.05)
    quality.results.save(tmp_path / "quality.csv")
    assert "frames_background,2" in (tmp_path / "quality.csv").read_text()


def test_no_label_is_cut_beside_long_numbers(quality: QualityWidget, qtbot: Any) -> None:
    view = quality.results.mismatch
    wide = Measurement(1.105, 0.021), (150.0, 15_000.0)
    view.show_table(
        MismatchTable(MODEL, [MismatchRow(name, "cannot be told", *wide, "") for name in NAMES])
    )
    view.setParent(None)
    view.setStyleSheet(get_current_stylesheet())
    view.resize(330, 600)  # the panel on a small laptop, less margins and scroll bar
    view.show()
    qtbot.waitExposed(view)
    room = view.tree.columnWidth(0) - 6  # Qt's margins of a text
    lines = [
        line for i in range(len(NAMES)) for line in view.tree.topLevelItem(i).text(0).splitlines()
    ]
    cut = [each for each in lines if view.tree.fontMetrics().horizontalAdvance(each) > room]
    view.hide()
    assert not cut


def test_what_is_near_has_a_sign_and_says_by_how_much(quality: QualityWidget) -> None:
    view = quality.results.mismatch
    row = MismatchRow(
        "photons", "near", Measurement(6172.0, 100.0), (800.0, 4500.0), "37 % above the range."
    )
    outside = MismatchRow("snr", "outside", Measurement(1.0, 0.1), (3.0, 30.0), "Stand out less.")
    view.show_table(MismatchTable(MODEL, (row, outside), depths="They vary."))
    first, second = (view.tree.topLevelItem(i) for i in range(2))
    assert first.text(3) == "≈ near"
    assert first.foreground(3) != second.foreground(3)
    assert "Near. 37 % above the range." in first.toolTip(0)
    assert first.data(0, Qt.ItemDataRole.AccessibleDescriptionRole).endswith("above the range.")
    assert view.note.text() == "They vary.\nStand out less."
    assert view.lines()[0].endswith("\tnear")


def test_a_chosen_model_needs_no_result_and_gets_what_is_entered(
    quality: QualityWidget, viewer: Any, run: Callable[[], None], frames, experiment
) -> None:
    rows = quality.training_rows
    add_stack(viewer, frames)
    assert not quality.run_button.isEnabled()
    rows.choose("drsn-storm:2d-100nm-x4")
    assert not rows.camera_box.native.isHidden()
    rows._fields.fill({"sum_frames": 4})
    rows.camera_box.value = "baseline and gain"
    rows.camera_box.photons_per_adu.value = 1 / experiment.camera.adu_per_photon
    run()
    table = quality.results.mismatch.table
    assert table.model == "drsn-storm:2d-100nm-x4"
    background = next(row for row in table.rows if row.name == "background")
    assert background.measured.value == pytest.approx(960, rel=0.05)
    assert background.verdict == "inside"
    rows.choose(NO_MODEL)
    assert not quality.run_button.isEnabled()
    assert rows.camera_box.native.isHidden()


def test_what_cannot_be_told_is_said(
    quality: QualityWidget, viewer: Any, run: Callable[[], None], frames, tmp_path: Path
) -> None:
    add_stack(viewer, frames[:19])
    add_result(viewer)
    note = quality.training_rows.note
    assert note.text() == "The result does not say which model made it: choose one."
    save_model(tmp_path / "mine.safetensors", build_model("deep-storm", {}))
    quality.training_rows.load_file(tmp_path / "mine.safetensors")
    assert quality.training_rows.box.currentText() == "mine.safetensors"
    run()
    said = quality.message_note.text()
    assert "Training: The file of mine has no record of its training." in said
    assert "Training: 19 frames cannot tell what blinks: at least 20 are needed." in said
    words = {name: line[2] for name, line in shown(quality).items()}
    assert words.pop("pixel_size_nm") == words.pop("n_planes") == "✓ inside"
    assert set(words.values()) == {"? not told"}


def test_a_file_that_is_no_model_is_one_sentence(quality: QualityWidget, tmp_path: Path) -> None:
    (tmp_path / "bad.safetensors").write_bytes(b"no model")
    quality.training_rows.load_file(tmp_path / "bad.safetensors")
    assert "bad.safetensors" in quality.message_note.text()
    assert quality.training_rows.box.currentText() == OF_RESULT
