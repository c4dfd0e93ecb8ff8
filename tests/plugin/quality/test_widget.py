from __future__ import annotations

import gc
import json
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import tifffile
from napari.utils.notifications import notification_manager
from qtpy.QtWidgets import QApplication
from scipy.ndimage import gaussian_filter

from napari_deepsmlm.evaluation import frc_of_table, squirrel_of_image
from napari_deepsmlm.io import open_frames, write_localizations
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.metrics import count_image, match, nmse_percent
from napari_deepsmlm.plugin.layers.tables import keep_table
from napari_deepsmlm.plugin.layers.world import (
    KEY,
    can_hold_frames,
    frame_placement,
    overlay_placement,
    points_of,
)
from napari_deepsmlm.plugin.opening.readers import layer_of
from napari_deepsmlm.plugin.quality.widget import QualityWidget

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WAIT_MS = 60_000
FIELD_NM, PIXEL_NM, SR_NM = 3200.0, 100.0, 12.5
CORNER = (-PIXEL_NM / 2, -PIXEL_NM / 2)


@pytest.fixture(scope="module")
def truth() -> Localizations:
    """1,500 molecules, each in one frame of the first half and in one of the second."""
    rng = np.random.default_rng(0)
    places = np.tile(rng.uniform(0, FIELD_NM - 1, (1500, 2)), (2, 1))
    frame = np.concatenate([rng.integers(0, 50, 1500), rng.integers(50, 100, 1500)])
    return Localizations(frame=frame, x_nm=places[:, 0], y_nm=places[:, 1])


@pytest.fixture(scope="module")
def found(truth: Localizations) -> Localizations:
    """All of them, with an error of 15 nm."""
    rng = np.random.default_rng(1)
    x, y = (
        np.clip(values + rng.normal(0, 15, len(truth)), 0, FIELD_NM - 1)
        for values in (truth.x_nm, truth.y_nm)
    )
    return truth.with_columns(x_nm=x, y_nm=y)


@pytest.fixture(scope="module")
def stack(truth: Localizations) -> np.ndarray:
    fine = count_image(truth, (320, 320), 10.0) * 400
    mean = gaussian_filter(fine, 12).reshape(32, 10, 32, 10).mean((1, 3)) * 100 + 100
    frames: np.ndarray = np.random.default_rng(2).poisson(np.tile(mean, (8, 1, 1)))
    return frames.astype(np.uint16)


def add_points(viewer: Any, table: Localizations, name: str, **metadata: Any) -> Any:
    data, keywords, _ = points_of(table, CORNER, 3)
    return viewer.add_points(data, name=name, metadata=metadata, **keywords)


def add_result(viewer: Any, found: Localizations) -> Any:
    known = {KEY: {"kind": "reconstruction", "pixel_size_nm": PIXEL_NM}}
    add_points(viewer, found, "found", **known)
    image = count_image(found, (256, 256), SR_NM)
    placement = overlay_placement(CORNER, SR_NM)
    return viewer.add_image(image, name="SR", metadata=known, **placement)


def add_stack(viewer: Any, stack: np.ndarray) -> Any:
    return viewer.add_image(stack, name="frames", **frame_placement(3, PIXEL_NM))


def values(quality: QualityWidget) -> dict[str, Any]:
    return {row.name: row.value for row in quality.results.rows}


def test_everything_is_chosen_and_measured(
    quality: QualityWidget, viewer: Any, run: Callable[[], None], found, truth, stack
) -> None:
    assert not quality.run_button.isEnabled()
    frames = add_stack(viewer, stack)
    add_points(viewer, truth, "true positions")
    add_result(viewer, found)
    chosen = [box.current_choice for box in quality.boxes]
    assert chosen == ["SR", "found", "frames", "none", "true positions"]
    run()
    got = values(quality)
    options = quality._options(n_blocks=2)
    expected = frc_of_table(found, options)
    assert got["frc_time_nm"] == pytest.approx(expected.time.resolution_nm)
    assert got["frc_random_nm"] == pytest.approx(expected.random.resolution_nm)
    law = 2 * np.pi * 15 / np.sqrt(np.log(7))
    assert got["frc_time_nm"] == pytest.approx(law, rel=0.15)
    scores = match(found, truth).scores()
    for name in ("jaccard", "rmse_lateral_nm", "efficiency_lateral"):
        assert got[name] == pytest.approx(scores[name])
    true_image = count_image(truth, (256, 256), SR_NM)
    image = viewer.layers["SR"].data
    assert got["nmse_percent"] == pytest.approx(nmse_percent(image, true_image))
    errors, _ = squirrel_of_image(image, SR_NM, stack.mean(0), PIXEL_NM)
    assert got["squirrel_rsp"] == pytest.approx(errors.rsp)
    assert got["squirrel_sigma_nm"] == pytest.approx(120, rel=0.05)
    layer = viewer.layers["frames error map"]
    np.testing.assert_allclose(layer.data, errors.error)
    np.testing.assert_allclose(layer.scale, frames.scale[1:])
    np.testing.assert_allclose(layer.translate, frames.translate[1:])
    assert [str(unit) for unit in layer.units] == ["nanometer", "nanometer"]
    assert layer.metadata[KEY]["rse"] == pytest.approx(errors.rse)
    assert not can_hold_frames(layer)
    assert quality.results.conclusion_note.text().startswith("Good: the resolution is")
    assert not quality.plot.isHidden()
    assert f"{expected.time.resolution_nm:.3g}&nbsp;nm" in quality.plot.key.text()
    assert quality.message_note.text().startswith("Decorrelation: There is no peak")


def test_an_image_of_a_region_is_held_against_that_region(
    quality: QualityWidget, viewer: Any, run: Callable[[], None], found, stack
) -> None:
    frames = add_stack(viewer, stack)
    image = count_image(found, (256, 256), SR_NM)[64:192, 32:256]  # rows 8-24, columns 4-32
    corner = (CORNER[0] + 800, CORNER[1] + 400)
    known = {KEY: {"kind": "reconstruction"}}
    viewer.add_image(image, name="SR", metadata=known, **overlay_placement(corner, SR_NM))
    run()
    expected, _ = squirrel_of_image(image, SR_NM, stack.mean(0)[8:24, 4:32], PIXEL_NM)
    assert values(quality)["squirrel_rsp"] == pytest.approx(expected.rsp)
    layer = viewer.layers["frames error map"]
    assert layer.data.shape == (16, 28)
    np.testing.assert_allclose(layer.translate, frames.translate[1:] + np.array([800, 400]))


def test_blur_belongs_to_the_comparison(
    quality: QualityWidget, viewer: Any, run: Callable[[], None], found, truth
) -> None:
    add_points(viewer, truth, "true positions")
    add_result(viewer, found)
    quality.comparison_fields.fill({"blur_sigma_px": 2.0})
    run()
    true_image = count_image(truth, (256, 256), SR_NM)
    expected = nmse_percent(viewer.layers["SR"].data, true_image, blur_sigma_px=2.0)
    assert values(quality)["nmse_percent"] == pytest.approx(expected)
    assert values(quality)["blur_sigma_px"] == 2.0


def test_colours_of_the_frames_that_are_added_up_are_said(
    quality: QualityWidget, viewer: Any, run: Callable[[], None], found, stack, tmp_path: Path
) -> None:
    pixel = {"PhysicalSizeX": 0.1, "PhysicalSizeY": 0.1}
    both = np.stack([stack, stack], 1)
    tifffile.imwrite(tmp_path / "two.ome.tif", both, metadata={"axes": "TCYX", **pixel})
    data, keywords, _kind = layer_of([tmp_path / "two.ome.tif"])
    viewer.add_image(data, **keywords)
    add_result(viewer, found)
    run()
    told = "The 2 channels were added up to the reference; split their layer to compare with one."
    assert told in quality.message_note.text()


def test_a_true_image_of_other_pixels_is_a_remark_and_the_rest_is_measured(
    quality: QualityWidget, viewer: Any, run: Callable[[], None], found
) -> None:
    add_result(viewer, found)
    viewer.add_image(np.eye(100), name="other")
    quality.truth_image_box.choose(viewer.layers["other"])
    run()
    assert "Truth image: Images of different shapes" in quality.message_note.text()
    assert values(quality)["frc_time_nm"] > 0


def test_an_image_without_a_scale_says_so(
    quality: QualityWidget, viewer: Any, run: Callable[[], None]
) -> None:
    viewer.add_image(np.random.default_rng(0).random((64, 64)), name="plain")
    quality.image_box.choose(viewer.layers["plain"])
    run()
    assert "no pixel size; give its layer a scale in nm" in quality.message_note.text()
    assert notification_manager.records[-1].message == quality.message_note.text()
    assert quality.results.isHidden()
    assert quality.run_button.isEnabled()


def test_tables_come_from_files_too(
    quality: QualityWidget, run: Callable[[], None], found, truth, tmp_path: Path
) -> None:
    for name, table, box in (
        ("found.csv", found, quality.table_box),
        ("truth.csv", truth, quality.truth_table_box),
    ):
        write_localizations(table, tmp_path / name)
        box.add_file(tmp_path / name)
    assert quality.table_box.current_choice == "file: found.csv"
    run()
    expected = match(found, truth).scores()["jaccard"]
    assert values(quality)["jaccard"] == pytest.approx(expected)
    quality.truth_table_box.add_file(tmp_path / "absent.csv")
    run()
    assert "absent.csv" in quality.message_note.text()
    assert "jaccard" not in values(quality)


def test_tables_that_count_from_elsewhere_are_brought_together(
    quality: QualityWidget, viewer: Any, run: Callable[[], None], found, truth
) -> None:
    add_result(viewer, found)
    moved = truth.with_columns(x_nm=truth.x_nm - 700.0, y_nm=truth.y_nm + 300.0)
    layer = add_points(viewer, moved, "true positions")
    layer.translate = layer.translate + np.array([0.0, -300.0, 700.0])
    run()
    assert values(quality)["jaccard"] == pytest.approx(match(found, truth).scores()["jaccard"])
    true_image = count_image(truth, (256, 256), SR_NM)
    expected = nmse_percent(viewer.layers["SR"].data, true_image)
    assert values(quality)["nmse_percent"] == pytest.approx(expected, rel=1e-3)


def test_one_frame_of_localizations_is_one_sentence(
    quality: QualityWidget, viewer: Any, run: Callable[[], None]
) -> None:
    table = Localizations(frame=[3, 3], x_nm=[10.0, 900.0], y_nm=[10.0, 900.0])
    add_points(viewer, table, "few")
    quality.table_box.choose(viewer.layers["few"])
    run()
    assert "All 2 molecules are in one frame" in quality.message_note.text()


def test_results_can_be_copied_and_saved(
    quality: QualityWidget, viewer: Any, run: Callable[[], None], found, tmp_path: Path
) -> None:
    add_result(viewer, found)
    run()
    quality.results.copy_button.click()
    first = QApplication.clipboard().text().splitlines()[0].split("\t")
    assert first[:2] == ["Resolution", "FRC, time blocks"]
    assert first[2].endswith(" nm")
    quality.results.save(tmp_path / "quality.csv")
    table = pd.read_csv(tmp_path / "quality.csv", index_col="measure")["value"]
    assert table["frc_time_nm"] == pytest.approx(values(quality)["frc_time_nm"])
    quality.results.save(tmp_path / "quality.json")
    saved = json.loads((tmp_path / "quality.json").read_text())
    assert saved["frc_time_nm"] == pytest.approx(values(quality)["frc_time_nm"])
    assert saved["decorrelation_nm"] is None
    assert saved["settings"]["localizations"] == "found"
    assert saved["settings"]["n_blocks"] == 2


def test_cancel_keeps_what_is_measured(
    quality: QualityWidget, viewer: Any, qtbot: Any, found, stack
) -> None:
    add_result(viewer, found)
    long = np.broadcast_to(stack[0], (2_000_000, *stack.shape[1:]))  # seconds to read
    add_stack(viewer, long)
    quality.run_button.click()
    qtbot.waitUntil(lambda: "decorrelation_nm" in values(quality), timeout=WAIT_MS)
    assert quality.cancel_button.isEnabled()
    quality.cancel_button.click()
    qtbot.waitUntil(lambda: not quality.is_busy, timeout=WAIT_MS)
    assert "squirrel_rsp" not in values(quality)
    assert "frames error map" not in [layer.name for layer in viewer.layers]
    assert quality.run_button.isEnabled()


@pytest.mark.parametrize("how", ["viewer", "dock", "layer"])
def test_closing_stops_and_a_removed_layer_does_no_harm(
    quality: QualityWidget, viewer: Any, qtbot: Any, found, stack, how: str
) -> None:
    add_result(viewer, found)
    long = np.broadcast_to(stack, (500, *stack.shape)).reshape(-1, *stack.shape[1:])
    frames = add_stack(viewer, long)
    quality.run_button.click()
    stream = quality._job._stream
    if how == "viewer":
        viewer.close()
    elif how == "dock":
        viewer.window.remove_dock_widget(quality)
    else:
        viewer.layers.remove(frames)
    qtbot.waitUntil(lambda: stream.is_over, timeout=WAIT_MS)
    if how == "layer":
        qtbot.waitUntil(lambda: not quality.is_busy, timeout=WAIT_MS)
        assert "squirrel_rsp" in values(quality)
        assert [layer.name for layer in viewer.layers] == ["found", "SR"]


def test_a_series_of_images_is_halved(
    quality: QualityWidget, viewer: Any, run: Callable[[], None]
) -> None:
    rng = np.random.default_rng(3)
    common = gaussian_filter(rng.normal(size=(64, 64)), 2) * 12
    images = common + rng.normal(size=(6, 64, 64))
    viewer.add_image(images, name="lapse", **frame_placement(3, 25.0))
    quality.image_box.choose(viewer.layers["lapse"])
    run()
    assert 50 < values(quality)["frc_time_nm"] < 300
    assert values(quality)["frc_random_nm"] > 0


def test_an_image_that_is_given_a_table_later_is_offered(
    quality: QualityWidget, viewer: Any, run: Callable[[], None], found
) -> None:
    known = {KEY: {"kind": "reconstruction"}}
    image = count_image(found, (256, 256), SR_NM)
    layer = viewer.add_image(image, name="SR", metadata=known, **overlay_placement(CORNER, SR_NM))
    assert quality.table_box.value is None
    keep_table(layer, found, CORNER)
    assert quality.table_box.current_choice == "SR"
    run()
    expected = frc_of_table(found, quality._options(n_blocks=2)).time.resolution_nm
    assert values(quality)["frc_time_nm"] == pytest.approx(expected)


def test_removed_layers_leave_the_lists(quality: QualityWidget, viewer: Any, found) -> None:
    add_result(viewer, found)
    assert quality.image_box.current_choice == "SR"
    viewer.layers["SR"].name = "renamed"
    assert quality.image_box.current_choice == "renamed"
    viewer.layers.remove("renamed")
    assert quality.image_box.value is None
    assert quality.table_box.current_choice == "found"


def open_and_close(viewer: Any, qtbot: Any) -> QualityWidget:
    panel = QualityWidget(viewer)
    viewer.window.add_dock_widget(panel, name="Quality")
    qtbot.waitUntil(lambda: panel.is_ready, timeout=WAIT_MS)
    viewer.window.remove_dock_widget(panel)
    panel.deleteLater()
    return panel


def test_a_closed_panel_is_collected(viewer: Any, qtbot: Any, found, no_threads_left) -> None:
    gone = weakref.ref(open_and_close(viewer, qtbot))
    add_result(viewer, found)  # the viewer calls nothing of it

    def is_gone() -> bool:
        gc.collect()
        return gone() is None

    qtbot.waitUntil(is_gone, timeout=WAIT_MS)


def test_the_panel_fits_a_narrow_dock(quality: QualityWidget) -> None:
    quality.more.expand()
    assert quality.minimumSizeHint().width() <= 400
    assert quality.minimumSizeHint().height() < 400


def test_frames_are_read_in_pieces(stack: np.ndarray) -> None:
    from napari_deepsmlm.evaluation import summed

    source = open_frames(stack)
    np.testing.assert_allclose(summed(source, mean=True), stack.mean(0))
    with pytest.raises(InterruptedError):
        summed(source, stop=lambda: True)


def report_of_part(**options: Any) -> dict[str, Any]:
    """What a layer knows of a reconstruction of 20 frames from frame 10."""
    options = {"frame_range": [10, 30], "region": None, "sum_frames": 1, **options}
    return {"inputs": {"options": options}, "frames": 20, "pixel_size_nm": PIXEL_NM}


@pytest.mark.parametrize("shift_nm", [0.0, 700.0])
def test_a_result_of_a_part_is_held_against_the_truth_of_that_part(
    quality: QualityWidget, viewer: Any, run: Callable[[], None], truth, shift_nm: float
) -> None:
    region = (4, 8, 24, 28)  # rows 4 to 24, columns 8 to 28
    is_in = (truth.x_nm >= 800) & (truth.x_nm < 2800) & (truth.y_nm >= 400) & (truth.y_nm < 2400)
    is_in &= (truth.frame >= 10) & (truth.frame < 30)
    part = truth[is_in]
    known = {KEY: {"kind": "reconstruction", **report_of_part(region=region)}}
    exact = part.with_columns(x_nm=part.x_nm - 800, y_nm=part.y_nm - 400)
    image = count_image(exact, (160, 160), SR_NM)
    corner = tuple(edge + shift_nm for edge in CORNER)
    placement = overlay_placement((corner[0] + 400, corner[1] + 800), SR_NM)
    # Nothing was found in the last ten frames: those count as missed.
    seen = part[part.frame < 20]
    for table, name, metadata in ((truth, "true positions", {}), (seen, "found", known)):
        add_points(viewer, table, name, **metadata).translate = (0, *corner)
    viewer.add_image(image, name="SR", metadata=known, **placement)
    run()
    got = values(quality)
    assert got["nmse_percent"] == pytest.approx(0, abs=1e-9)
    assert got["n_true_positive"] == (part.frame < 20).sum() > 0
    assert got["n_false_negative"] == (part.frame >= 20).sum() > 0
    assert got["precision"] == 1
    said = quality.message_note.text()
    assert "the result 20 (10 to 29, counted from 0)" in said
    assert said.count("the result 20") == 1, "image and table are of the same frames"
    quality.comparison_fields.fill({"all_frames": True})
    run()
    assert values(quality)["n_false_negative"] == len(truth) - (part.frame < 20).sum()
    assert "left out" not in quality.message_note.text()
    assert "all_frames" not in quality.kept_editors()


def test_a_bare_table_says_that_its_frames_are_a_guess(
    quality: QualityWidget, viewer: Any, run: Callable[[], None], found, truth
) -> None:
    add_points(viewer, truth, "true positions")
    part = found[found.frame < 40]
    layer = add_points(viewer, part, "found")
    quality.table_box.choose(layer)
    run()
    n_true = int((truth.frame < 40).sum())
    got = values(quality)
    assert got["n_true_positive"] + got["n_false_negative"] == n_true
    said = quality.message_note.text()
    assert "the result 40 (0 to 39, counted from 0)" in said
    assert "All of the truth, under More about the measures, counts all" in said
