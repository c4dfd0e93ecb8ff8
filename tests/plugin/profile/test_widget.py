from __future__ import annotations

import gc
import threading
import weakref
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import dask.array
import numpy as np
import pandas as pd
import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QAbstractButton, QAbstractSpinBox, QApplication, QComboBox, QWidget

from napari_deepsmlm.plugin.profile.means import BLOCK_BYTES, average
from napari_deepsmlm.plugin.profile.widget import NO_IMAGES, NO_LINES, ProfileWidget
from napari_deepsmlm.profiles import PixelGrid, fit_profile, line_profile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

WAIT_MS = 60_000
FWHM_PER_SIGMA = 2.354820
NM = ("nm", "nm")


def open_panel(viewer: Any, qtbot: Any) -> ProfileWidget:
    panel = ProfileWidget(viewer)
    viewer.window.add_dock_widget(panel, name="Line profile")
    qtbot.waitUntil(lambda: panel.is_ready, timeout=WAIT_MS)
    return panel


@pytest.fixture
def profile(viewer: Any, qtbot: Any, no_threads_left: None) -> Iterator[ProfileWidget]:
    panel = open_panel(viewer, qtbot)
    yield panel
    with suppress(RuntimeError):  # a test may have closed the window
        panel.abandon()


@pytest.fixture
def settle(profile: ProfileWidget, qtbot: Any) -> Callable[[], list[Any]]:
    """Wait until nothing is left to be measured; return the measurements."""
    return partial(settled, profile, qtbot)


def settled(panel: ProfileWidget, qtbot: Any) -> list[Any]:
    qtbot.waitUntil(
        lambda: panel._live is None and not panel._is_due and panel._means._job is None,
        timeout=WAIT_MS,
    )
    assert panel.measured is not None
    return list(panel.measured.measurements)


def ridge(shape: tuple[int, int], centre: float, sigma: float) -> np.ndarray:
    """An upright bright line."""
    row = np.exp(-0.5 * ((np.arange(shape[1]) - centre) / sigma) ** 2)
    return np.tile(10 + 100 * row, (shape[0], 1))


def add_pair(viewer: Any) -> None:
    """A stack of 100 nm pixels, and an image of 10 nm pixels over it, both with a line at 3 µm."""
    frames = np.stack([ridge((40, 64), 30, sigma) for sigma in (1.5, 2.0, 2.5)])
    viewer.add_image(frames, name="raw", scale=(1, 100, 100), units=("pixel", *NM))
    fine = ridge((400, 640), 304.5, 2.0)
    viewer.add_image(fine, name="fine", scale=(10, 10), translate=(-45, -45), units=NM)
    viewer.dims.set_current_step(0, 1)


def draw(profile: ProfileWidget, *lines: Any, kind: str = "line") -> Any:
    layer = profile.form.lines_box.layer or profile.form.lines_box.add_layer()
    layer.add([np.array(line, float) for line in lines], shape_type=kind)
    return layer


ACROSS = ((2000, 2000), (2000, 4000))


def test_all_visible_images_are_measured_in_nm(
    profile: ProfileWidget, viewer: Any, settle: Callable[[], list[Any]]
) -> None:
    add_pair(viewer)
    assert [one.image for one in settle()] == []
    assert profile.remark_note.text() == NO_LINES
    draw(profile, ACROSS)
    raw, fine = settle()
    assert (raw.image, fine.image, raw.unit, fine.unit) == ("raw", "fine", "nm", "nm")
    assert raw.fit.fwhm_nm == pytest.approx(FWHM_PER_SIGMA * 200, rel=1e-3)  # frame 1
    assert fine.fit.fwhm_nm == pytest.approx(FWHM_PER_SIGMA * 20, rel=1e-3)
    # Both lie at 3000 nm in the world, which is 1000 nm from the start of the line.
    assert raw.fit.centre_nm == pytest.approx(1000, abs=1)
    assert fine.fit.centre_nm == pytest.approx(1000, abs=1)
    table = profile.table
    cells = [table.item(0, column).text() for column in range(3)]
    assert cells == ["1", "raw", "471"]
    assert table.horizontalHeaderItem(2).text() == "FWHM (nm)"
    viewer.layers["raw"].visible = False
    assert [one.image for one in settle()] == ["fine"]


def test_a_stack_is_measured_by_its_mean_beside_a_reconstruction(
    profile: ProfileWidget, viewer: Any, settle: Callable[[], list[Any]], qtbot: Any
) -> None:
    add_pair(viewer)
    draw(profile, ACROSS)
    assert [one.image for one in settle()] == ["raw", "fine"]
    viewer.layers["fine"].metadata["napari_deepsmlm"] = {"kind": "reconstruction"}
    viewer.layers["fine"].visible = False
    assert [one.image for one in settle()] == ["raw"], "nothing to compare with"
    viewer.layers["fine"].visible = True
    mean, fine = settle()
    assert (mean.image, fine.image) == ("mean of raw", "fine")
    raw = viewer.layers["raw"]
    grid = PixelGrid((0, 0), (100, 0), (0, 100))
    expected = line_profile(raw.data.mean(0), ACROSS, grid=grid, width_px=3)
    np.testing.assert_allclose(mean.profile.value, expected.value, rtol=1e-5)
    assert profile.table.item(0, 1).text() == "mean of raw"
    # A choice goes before the rule.
    box = profile.form.stacks_box
    box.value = "frame"
    frame = settle()[0]
    assert frame.image == "raw"
    assert frame.fit.fwhm_nm == pytest.approx(FWHM_PER_SIGMA * 200, rel=1e-3)
    box.value = "mean"
    # Other data, and the same array with other values, have other means.
    raw.data = raw.data[:1]
    assert settle()[0].image == "raw", "a single frame is its own mean"
    raw.data = np.stack([ridge((40, 64), 30, 3.0)] * 4)
    assert settle()[0].fit.fwhm_nm == pytest.approx(FWHM_PER_SIGMA * 300, rel=1e-3)
    raw.data[:] = ridge((40, 64), 30, 1.5)
    raw.data = raw.data
    assert settle()[0].fit.fwhm_nm == pytest.approx(FWHM_PER_SIGMA * 150, rel=5e-3)


def test_a_preview_is_compared_with_its_frame(
    profile: ProfileWidget, viewer: Any, settle: Callable[[], list[Any]]
) -> None:
    add_pair(viewer)
    viewer.layers["fine"].metadata["napari_deepsmlm"] = {
        "kind": "reconstruction",
        "is_preview": True,
    }
    draw(profile, ACROSS)
    assert [one.image for one in settle()] == ["raw", "fine"]


def test_the_mean_of_a_lazy_stack_is_of_the_plane_that_is_shown(
    profile: ProfileWidget, viewer: Any, settle: Callable[[], list[Any]]
) -> None:
    frames = np.stack([[ridge((20, 60), 30, 1.5 + t + 0.5 * c) for c in (0, 1)] for t in (0, 1)])
    lazy = dask.array.from_array(frames, chunks=(1, 1, 20, 60))
    viewer.add_image(lazy, name="planes", scale=(1, 1, 100, 100), units=("pixel", "pixel", *NM))
    box = profile.form.stacks_box
    box.value = "mean"
    draw(profile, ((1000, 500), (1000, 5500)))
    for c in (0, 1):
        viewer.dims.set_current_step(1, c)
        (found,) = settle()
        row = frames[:, c].mean(0)[10]
        np.testing.assert_allclose(found.profile.value.max(), row.max(), rtol=1e-3)


def test_a_stack_that_cannot_be_read_is_left_out_with_a_sentence(
    profile: ProfileWidget, viewer: Any, settle: Callable[[], list[Any]]
) -> None:
    def read(block: Any, block_info: Any = None) -> Any:
        if block_info[0]["chunk-location"][0] == 2:
            raise OSError("cells.tif: frame 2 is damaged.")
        return block

    lazy = dask.array.from_array(np.stack([ridge((20, 60), 30, 2)] * 4), chunks=(1, 20, 60))
    viewer.add_image(lazy.map_blocks(read, dtype=float), name="cells", contrast_limits=(0, 99))
    box = profile.form.stacks_box
    box.value = "mean"
    draw(profile, ((10, 5), (10, 55)))
    assert settle() == []
    assert "cells: cells.tif: frame 2 is damaged." in profile.remark_note.text()


def test_the_mean_is_made_of_few_frames_at_a_time() -> None:
    """As for a stack larger than memory: what is read at once is counted."""
    read: list[int] = []

    class Frames:
        shape, dtype, ndim = (1000, 256, 256), np.dtype(np.uint16), 3

        def __getitem__(self, index: Any) -> np.ndarray:
            first, last = index[0].start, min(index[0].stop, 1000)
            read.append(last - first)
            return np.broadcast_to(
                np.arange(first, last, dtype=np.uint16)[:, None, None], (last - first, 256, 256)
            )

    every = slice(None)
    (mean,) = average(Frames(), (0, every, every), threading.Event())
    np.testing.assert_array_equal(mean, np.full((256, 256), 499.5, np.float32))
    assert sum(read) == 1000
    assert max(read) * 2 * 256**2 <= BLOCK_BYTES
    stopping = threading.Event()
    stopping.set()
    assert not list(average(Frames(), (0, every, every), stopping))


def test_the_numbers_are_those_of_the_library(
    profile: ProfileWidget, viewer: Any, settle: Callable[[], list[Any]]
) -> None:
    """Unequal sides, a shift, a rotation and a shear; 5 px wide; two lines."""
    rng = np.random.default_rng(0)
    image = ridge((60, 90), 35, 3) + ridge((60, 90), 47, 3) + rng.normal(0, 2, (60, 90))
    layer = viewer.add_image(
        image, scale=(50, 80), translate=(300, -200), rotate=20, shear=[0.2], units=NM
    )
    profile.form.width_box.value = 5
    profile.form.model_box.value = "two-gauss"
    ends = [layer.data_to_world(place) for place in ((20, 15), (35, 70))]
    draw(profile, ends)
    (found,) = settle()
    origin, down, right = (np.array(layer.data_to_world(p)) for p in ((0, 0), (1, 0), (0, 1)))
    grid = PixelGrid(tuple(origin), tuple(down - origin), tuple(right - origin))
    expected = line_profile(image, ends, grid=grid, width_px=5)
    np.testing.assert_allclose(found.profile.value, expected.value, rtol=1e-6)
    np.testing.assert_allclose(found.profile.position_nm, expected.position_nm)
    fit = fit_profile(expected, "two-gauss")
    assert found.fit.distance_nm == pytest.approx(fit.distance_nm, rel=1e-3)
    assert not profile.table.isColumnHidden(4)
    assert profile.table.horizontalHeaderItem(4).text() == "Distance (nm)"


def test_the_frame_under_the_slider_is_measured(
    profile: ProfileWidget, viewer: Any, settle: Callable[[], list[Any]]
) -> None:
    """(T, C, Y, X), lazily read."""
    frames = np.stack([[ridge((20, 60), 30, 1.5 + t + 0.5 * c) for c in (0, 1)] for t in (0, 1)])
    viewer.add_image(dask.array.from_array(frames, chunks=(1, 1, 20, 60)), scale=(1, 1, 100, 100),
                     units=("pixel", "pixel", *NM))  # fmt: skip
    draw(profile, ((1000, 500), (1000, 5500)))
    for t, c in ((0, 0), (1, 0), (1, 1)):
        viewer.dims.set_current_step(0, t)
        viewer.dims.set_current_step(1, c)
        (found,) = settle()
        assert found.fit.fwhm_nm == pytest.approx(235.482 * (1.5 + t + 0.5 * c), rel=5e-3)


def test_an_image_without_that_frame_is_left_out_and_said(
    profile: ProfileWidget, viewer: Any, settle: Callable[[], list[Any]]
) -> None:
    viewer.add_image(np.tile(ridge((20, 60), 30, 2), (9, 1, 1)), name="long")
    viewer.add_image(np.tile(ridge((20, 60), 30, 2), (2, 1, 1)), name="short")
    viewer.dims.set_current_step(0, 5)
    draw(profile, ((10, 10), (10, 50)))
    assert [one.image for one in settle()] == ["long"]
    assert "short: it has no frame where the slider is" in profile.remark_note.text()


def test_colours_are_left_out_and_said(
    profile: ProfileWidget, viewer: Any, settle: Callable[[], list[Any]]
) -> None:
    viewer.add_image(np.zeros((40, 60, 3), np.uint8), name="picture", rgb=True)
    settle()
    assert "picture: colours have no single brightness" in profile.remark_note.text()
    viewer.layers["picture"].visible = False
    settle()
    assert profile.remark_note.text() == NO_IMAGES
    viewer.add_image(ridge((20, 60), 30, 2), name="grey")
    draw(profile, ((10, 10), (10, 50)))
    assert [one.image for one in settle()] == ["grey"]


@pytest.mark.parametrize(
    ("units", "scale", "unit", "fwhm"),
    [
        (None, 1, "px", FWHM_PER_SIGMA * 2),
        (("um", "um"), 0.1, "nm", FWHM_PER_SIGMA * 200),
        (("nm", "nm"), 100, "nm", FWHM_PER_SIGMA * 200),
        (None, 0.1, "units", FWHM_PER_SIGMA * 0.2),
    ],
)
def test_lengths_are_in_the_unit_of_the_layer(
    profile: ProfileWidget,
    viewer: Any,
    settle: Callable[[], list[Any]],
    units: Any,
    scale: float,
    unit: str,
    fwhm: float,
) -> None:
    viewer.add_image(ridge((20, 60), 30, 2), scale=(scale, scale), units=units)
    draw(profile, ((10 * scale, 10 * scale), (10 * scale, 50 * scale)))
    (found,) = settle()
    assert found.unit == unit
    assert found.fit.fwhm_nm == pytest.approx(fwhm, rel=2e-3)
    assert profile.table.horizontalHeaderItem(2).text() == f"FWHM ({unit})"


def test_layers_of_different_lengths_lie_where_napari_shows_them(
    profile: ProfileWidget, viewer: Any, settle: Callable[[], list[Any]]
) -> None:
    viewer.add_image(ridge((20, 60), 30, 2), name="nm", scale=(100, 100), units=NM)
    viewer.add_image(ridge((20, 60), 30, 2), name="um", scale=(0.1, 0.1), units=("um", "um"))
    layer = profile.form.lines_box.add_layer()
    per_nm = float((1 * layer.units[-1]).to("nm").magnitude)
    layer.add(np.array([[1000, 1000], [1000, 5000]]) / per_nm, shape_type="line")
    first, second = settle()
    for found in (first, second):
        assert found.unit == "nm"
        assert found.fit.fwhm_nm == pytest.approx(FWHM_PER_SIGMA * 200, rel=2e-3)
        assert found.fit.centre_nm == pytest.approx(2000, abs=2)


def test_paths_are_measured_part_by_part_and_other_shapes_are_named(
    profile: ProfileWidget, viewer: Any, settle: Callable[[], list[Any]]
) -> None:
    add_pair(viewer)
    draw(profile, ACROSS)
    draw(profile, ((1000, 2000), (1000, 4000), (2000, 3900)), kind="path")
    draw(profile, ((0, 0), (0, 500), (500, 500), (500, 0)), kind="rectangle")
    assert list(dict.fromkeys(one.line for one in settle())) == ["1", "2.1", "2.2"]
    assert "Only lines and paths are measured: shape 3 is a rectangle." in (
        profile.remark_note.text()
    )


def test_lines_can_be_drawn_before_there_is_an_image(
    profile: ProfileWidget, viewer: Any, settle: Callable[[], list[Any]]
) -> None:
    draw(profile, ((10, 10), (10, 50)))
    assert settle() == []
    assert profile.remark_note.text() == NO_IMAGES
    viewer.add_image(ridge((20, 60), 30, 2))
    (found,) = settle()
    assert found.fit.fwhm_nm == pytest.approx(FWHM_PER_SIGMA * 2, rel=2e-3)


def canvas_of(viewer: Any) -> QWidget:
    (canvas,) = (w for w in QApplication.allWidgets() if type(w).__name__ == "CanvasBackendDesktop")
    return canvas


def test_the_profile_follows_a_line_that_is_being_drawn(
    make_napari_viewer_proxy: Any, qtbot: Any, no_threads_left: None
) -> None:
    """With a real mouse: results come before the button is let go."""
    viewer = make_napari_viewer_proxy(show=True)
    add_pair(viewer)
    panel = open_panel(viewer, qtbot)
    click(panel.form.new_button)
    layer = viewer.layers["profile lines"]
    assert layer.mode == "add_line"
    canvas = canvas_of(viewer)
    qtbot.waitUntil(canvas.isVisible)
    at = lambda x: QPoint(int(x * canvas.width()), canvas.height() // 2)  # noqa: E731
    left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    QTest.mousePress(canvas, left, none, at(0.3))
    lengths = []
    for share in np.linspace(0.5, 0.7, 12):
        n_before = panel.n_updates
        QTest.mouseMove(canvas, at(share))
        qtbot.waitUntil(lambda n=n_before: panel.n_updates > n, timeout=WAIT_MS)
        qtbot.waitUntil(lambda: panel._live is None, timeout=WAIT_MS)
        lengths.append(panel.measured.measurements[0].profile.length_nm)
    assert (np.diff(lengths) > 0).all()
    points = panel.plot._pairs[0][0].getData()[0]
    assert points[-1] == pytest.approx(lengths[-1], rel=0.02)
    QTest.mouseRelease(canvas, left, none, at(0.7))
    qtbot.waitUntil(lambda: panel._live is None, timeout=WAIT_MS)
    raw, fine = panel.measured.measurements
    # The line may lean by a pixel of the screen, not more.
    assert raw.fit.fwhm_nm == pytest.approx(FWHM_PER_SIGMA * 200, rel=0.02)
    assert fine.fit.fwhm_nm == pytest.approx(FWHM_PER_SIGMA * 20, rel=0.02)
    assert layer.features["line"].tolist() == ["1"]
    panel.abandon()


def click(button: QAbstractButton) -> None:
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def test_only_the_line_that_moves_is_measured_again(
    profile: ProfileWidget, viewer: Any, settle: Callable[[], list[Any]]
) -> None:
    add_pair(viewer)
    layer = draw(profile, ACROSS, ((1000, 2000), (1100, 4000)), ((3000, 2000), (3000, 4000)))
    before = settle()
    data = layer.data
    data[1] = np.array([[1200, 2000], [1100, 4000]])
    layer.data = data
    after = settle()
    is_same = [a.profile is b.profile for a, b in zip(before, after, strict=True)]
    assert is_same == [True, True, False, False, True, True]
    assert {one.line for one in profile.plotted()} == {"2"}
    viewer.layers["fine"].data = 2 * viewer.layers["fine"].data
    again = settle()
    assert again[1].fit.heights[0] == pytest.approx(2 * after[1].fit.heights[0], rel=1e-3)


def test_layers_may_go_while_lines_are_dragged(
    profile: ProfileWidget, viewer: Any, qtbot: Any, settle: Callable[[], list[Any]]
) -> None:
    add_pair(viewer)
    layer = draw(profile, ACROSS)
    n_notes = len(notification_manager.records)
    for i in range(30):
        layer.data = [np.array(ACROSS) + i]
        if i == 10:
            viewer.layers.remove("fine")
        if i == 20:
            viewer.layers.remove("raw")
        qtbot.wait(1)
    assert settle() == []
    assert profile.remark_note.text() == NO_IMAGES
    add_pair(viewer)
    assert len(settle()) == 2
    viewer.layers.remove(layer)
    assert settle() == []
    assert profile.table.rowCount() == 0
    assert not profile.save_button.isEnabled()
    assert len(notification_manager.records) == n_notes
    viewer.layers.clear()
    settle()


def test_what_cannot_be_measured_is_said_beside_what_can(
    profile: ProfileWidget, viewer: Any, settle: Callable[[], list[Any]]
) -> None:
    viewer.add_image(ridge((40, 64), 30, 2), name="a", scale=(100, 100), units=NM)
    viewer.add_image(np.ones((40, 64)), name="b", scale=(100, 100), units=NM)
    draw(profile, ((2000, 2000), (2000, 9000)))
    good, bad = settle()
    assert good.fit is not None
    assert bad.fit is None
    text = profile.remark_note.text()
    assert "Line 1, b: All values along the line are the same" in text
    assert "samples lie outside the image: left out." in text
    draw(profile, ((9000, 9000), (9000, 9900)))
    settle()
    assert "lies outside the image" in profile.remark_note.text()
    profile.table.cellClicked.emit(0, 0)
    assert "lies outside the image" not in profile.remark_note.text()


def test_the_width_in_nm_is_the_same_in_all_images(
    profile: ProfileWidget, viewer: Any, settle: Callable[[], list[Any]]
) -> None:
    add_pair(viewer)
    draw(profile, ACROSS)
    assert [one.profile.width_nm for one in settle()] == pytest.approx([300, 30])
    profile.form.unit_box.value = "nm"
    profile.form.width_box.value = 250
    assert [one.profile.width_nm for one in settle()] == pytest.approx([250, 250])
    assert [one.profile.n_lines for one in settle()] == [3, 25]


@pytest.mark.parametrize("model", ["flat", "disk", "ring"])
def test_models_with_a_size_name_it(
    profile: ProfileWidget, viewer: Any, settle: Callable[[], list[Any]], model: str
) -> None:
    add_pair(viewer)
    draw(profile, ACROSS)
    box = profile.form.model_box
    box.value = model
    raw, _ = settle()
    assert raw.fit.model == model
    name = "Width" if model == "flat" else "Diameter"
    assert profile.table.horizontalHeaderItem(4).text() == f"{name} (nm)"


def test_normalised_curves_go_from_nought_to_one(
    profile: ProfileWidget, viewer: Any, settle: Callable[[], list[Any]]
) -> None:
    add_pair(viewer)
    draw(profile, ACROSS)
    settle()
    assert profile.plot is not None
    _, values = profile.plot._pairs[0][0].getData()
    assert (values.min(), values.max()) == pytest.approx((0, 1))
    profile.form.normalised_box.value = False
    _, values = profile.plot._pairs[0][0].getData()
    assert (values.min(), values.max()) == pytest.approx((10, 110), rel=1e-3)


def test_all_lines_or_the_one_that_was_clicked(
    profile: ProfileWidget, viewer: Any, settle: Callable[[], list[Any]]
) -> None:
    add_pair(viewer)
    draw(profile, ACROSS, ((1000, 2000), (1000, 4000)))
    settle()
    assert {one.line for one in profile.plotted()} == {"2"}
    viewer.layers["profile lines"].mode = "select"
    profile.table.cellClicked.emit(0, 0)
    assert {one.line for one in profile.plotted()} == {"1"}
    assert viewer.layers["profile lines"].selected_data == {0}
    profile.table.setCurrentCell(0, 0)
    for _ in range(2):  # lines in images
        QTest.keyClick(profile.table, Qt.Key.Key_Down)
    assert {one.line for one in profile.plotted()} == {"2"}
    profile.form.all_box.value = True
    assert {one.line for one in profile.plotted()} == {"1", "2"}
    assert sum(points.isVisible() for points, _ in profile.plot._pairs) == 4


def test_the_table_is_copied_and_saved(
    profile: ProfileWidget,
    viewer: Any,
    qtbot: Any,
    settle: Callable[[], list[Any]],
    tmp_path: Path,
) -> None:
    add_pair(viewer)
    viewer.layers["fine"].name = "=fine"
    draw(profile, ACROSS)
    raw, fine = settle()
    click(profile.copy_button)
    copied = [row.split("\t") for row in QApplication.clipboard().text().splitlines()]
    assert copied[0][:4] == ["image", "line", "model", "fwhm_nm"]
    assert float(copied[1][3]) == pytest.approx(raw.fit.fwhm_nm)
    profile.save_table(tmp_path / "profiles.csv")
    qtbot.waitUntil(lambda: not profile.is_busy, timeout=WAIT_MS)
    table = pd.read_csv(tmp_path / "profiles.csv")
    assert table["image"].tolist() == ["raw", "'=fine"]  # no formula for a spreadsheet
    assert table["fwhm_nm"].tolist() == pytest.approx([raw.fit.fwhm_nm, fine.fit.fwhm_nm])
    assert table["fwhm_ci_low_nm"][0] == pytest.approx(raw.fit.fwhm_ci_nm[0])
    curves = pd.read_csv(tmp_path / "profiles_curves.csv")
    assert len(curves) == len(raw.profile.value) + len(fine.profile.value)
    assert "Saved profiles.csv and profiles_curves.csv" in profile.status_note.text()


@pytest.mark.parametrize(
    ("name", "start"), [("a.png", b"\x89PNG"), ("a.svg", b"<?xml"), ("a.pdf", b"%PDF")]
)
def test_the_figure_is_saved_as_its_name_says(
    profile: ProfileWidget,
    viewer: Any,
    qtbot: Any,
    settle: Callable[[], list[Any]],
    tmp_path: Path,
    name: str,
    start: bytes,
) -> None:
    add_pair(viewer)
    draw(profile, ACROSS)
    settle()
    profile.save_figure(tmp_path / name)
    qtbot.waitUntil(lambda: not profile.is_busy, timeout=WAIT_MS)
    assert (tmp_path / name).read_bytes().startswith(start), profile.message_note.text()


def test_a_figure_of_another_kind_is_one_sentence(
    profile: ProfileWidget,
    viewer: Any,
    qtbot: Any,
    settle: Callable[[], list[Any]],
    tmp_path: Path,
) -> None:
    add_pair(viewer)
    draw(profile, ACROSS)
    settle()
    profile.save_figure(tmp_path / "a.bmp")
    qtbot.waitUntil(lambda: not profile.is_busy, timeout=WAIT_MS)
    assert "figures are .png, .svg, .pdf" in profile.message_note.text()


def test_in_3d_it_asks_for_the_2d_view(
    profile: ProfileWidget, viewer: Any, settle: Callable[[], list[Any]]
) -> None:
    add_pair(viewer)
    draw(profile, ACROSS)
    viewer.dims.ndisplay = 3
    assert settle() == []
    assert "2-D view" in profile.remark_note.text()
    viewer.dims.ndisplay = 2
    assert len(settle()) == 2


def test_another_layer_of_lines_can_be_chosen(
    profile: ProfileWidget, viewer: Any, settle: Callable[[], list[Any]]
) -> None:
    add_pair(viewer)
    viewer.add_shapes([np.array(ACROSS)], shape_type="line", name="mine", units=NM)
    assert len(settle()) == 2
    click(profile.form.new_button)
    assert profile.form.lines_box.current_choice == "profile lines"
    assert settle() == []
    profile.form.lines_box.value = viewer.layers["mine"]
    assert len(settle()) == 2


@pytest.mark.parametrize("how", ["viewer", "dock"])
def test_closing_stops(profile: ProfileWidget, viewer: Any, qtbot: Any, how: str) -> None:
    add_pair(viewer)
    layer = draw(profile, ACROSS)
    profile.ask()
    if how == "viewer":
        viewer.close()
        return
    viewer.window.remove_dock_widget(profile)
    qtbot.wait(50)
    n_before = profile.n_updates
    layer.data = [np.array(ACROSS) + 5]
    qtbot.wait(100)
    assert profile.n_updates == n_before


def test_a_closed_panel_leaves_nothing_behind(
    viewer: Any, qtbot: Any, no_threads_left: None
) -> None:
    add_pair(viewer)
    panel = open_panel(viewer, qtbot)
    draw(panel, ACROSS)
    assert len(settled(panel, qtbot)) == 2
    gone = weakref.ref(panel)
    viewer.window.remove_dock_widget(panel)
    del panel
    qtbot.wait(50)

    def is_collected() -> bool:
        gc.collect()
        return gone() is None

    qtbot.waitUntil(is_collected, timeout=5000)


def test_every_editor_has_a_tooltip_and_all_fit_a_narrow_dock(profile: ProfileWidget) -> None:
    kinds = (QAbstractSpinBox, QComboBox, QAbstractButton)
    widgets = [w for kind in kinds for w in profile.form.findChildren(kind)]
    buttons = [profile.copy_button, profile.save_button, profile.figure_button]
    assert len(widgets) > 5
    for widget in [*widgets, *buttons]:
        assert widget.toolTip().startswith("<qt>"), widget
    assert profile.minimumSizeHint().width() <= 370
    assert profile.minimumSizeHint().height() < 400
