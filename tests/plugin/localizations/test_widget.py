from __future__ import annotations

import gc
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import QPointF
from qtpy.QtGui import QEnterEvent
from qtpy.QtWidgets import QAbstractSpinBox, QComboBox, QLineEdit
from tests.plugin.localizations.conftest import DELAY_MS

from napari_deepsmlm.filtering import filter_table
from napari_deepsmlm.io import read_localizations, table_pixel_size, write_localizations
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.plugin.layers import localizations
from napari_deepsmlm.plugin.layers.localizations import layer_of
from napari_deepsmlm.plugin.layers.tables import keep_table, table_of
from napari_deepsmlm.plugin.localizations.widget import LocalizationsWidget
from napari_deepsmlm.render import RenderOptions, draw, draw_mean, field_shape, gaussians

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

WAIT_MS = 60_000
KEY = "napari_deepsmlm"
N = 400


def random_table(n: int = N, seed: int = 0) -> Localizations:
    chance = np.random.default_rng(seed)
    return Localizations(
        frame=np.sort(chance.integers(0, 100, n)),
        x_nm=chance.uniform(0, 2000, n),
        y_nm=chance.uniform(0, 1000, n),
        z_nm=chance.uniform(-300, 300, n),
        photons=chance.uniform(100, 900, n),
        uncertainty_x_nm=chance.uniform(5, 15, n),
        uncertainty_y_nm=chance.uniform(5, 15, n),
        detections=np.ones(n, int),
    )


TABLE = random_table()


@pytest.fixture
def tables(viewer: Any, qtbot: Any, no_threads_left: None) -> Iterator[LocalizationsWidget]:
    """The panel in its dock, everything loaded."""
    panel = LocalizationsWidget(viewer)
    viewer.window.add_dock_widget(panel, name="Localizations")
    qtbot.waitUntil(lambda: panel.is_ready, timeout=WAIT_MS)
    yield panel
    with suppress(RuntimeError):  # a test may have closed the window
        panel.abandon()


def add_points(viewer: Any, table: Localizations = TABLE, name: str = "mine") -> Any:
    data, keywords, _ = layer_of(table, name, (-50.0, -50.0), {})
    return viewer.add_points(data, **keywords)


@pytest.fixture
def settle(tables: LocalizationsWidget, qtbot: Any) -> Callable[[], None]:
    """Wait until what was asked for is done."""

    def wait() -> None:
        qtbot.wait(DELAY_MS + 20)
        qtbot.waitUntil(
            lambda: not tables.is_busy and not tables._delay.isActive(), timeout=WAIT_MS
        )
        qtbot.waitUntil(
            lambda: tables.shown.rendered is None or tables.shown.rendered.is_complete,
            timeout=WAIT_MS,
        )

    return wait


@pytest.fixture
def points(viewer: Any, tables: LocalizationsWidget, settle: Callable[[], None], qtbot: Any) -> Any:
    """A small table, chosen and looked at."""
    layer = add_points(viewer)
    qtbot.waitUntil(lambda: tables._kept is not None, timeout=WAIT_MS)
    settle()
    return layer


def range_of(panel: LocalizationsWidget, name: str) -> Any:
    return next(row for row in panel.ranges.rows if row.column.name == name)


def test_without_a_table_it_says_what_to_do(tables: LocalizationsWidget) -> None:
    assert "No layer has localizations" in tables.status_note.text()
    for each in (tables.render_button, tables.save_button, tables.where_line.native):
        assert not each.isEnabled()
    assert tables.open_button.isEnabled()


def test_the_image_covers_the_field_of_the_frames(
    tables: LocalizationsWidget, viewer: Any, points: Any, settle: Callable[[], None]
) -> None:
    frames = np.zeros((2, 40, 60), np.uint16)
    viewer.add_image(frames, name="frames", scale=(1, 100, 100), units=("pixel", "nm", "nm"))
    tables.drawing.fields.fill({"sr_pixel_nm": 25.0})
    tables.render_button.setChecked(True)
    settle()
    image = viewer.layers["mine rendered"]
    assert image.data.shape == (160, 240)
    np.testing.assert_allclose(image.translate, -37.5)
    tables.drawing.field_box.value = "molecules only"
    settle()
    assert image.data.shape == field_shape(TABLE, 25.0)


def test_gaussians_have_a_width_where_the_table_has_none(
    tables: LocalizationsWidget, viewer: Any, settle: Callable[[], None], qtbot: Any
) -> None:
    bare = Localizations(frame=np.zeros(1), x_nm=[500.0], y_nm=[500.0])
    add_points(viewer, bare, "bare")
    qtbot.waitUntil(lambda: tables._kept is not None, timeout=WAIT_MS)
    tables.drawing.fields.fill({"kind": "gaussian", "sr_pixel_nm": 5.0})
    assert tables.drawing.fields.editors["sigma_nm"].native.text() == "10 (table has none)"
    assert tables.drawing.options().sigma_nm == 10
    tables.drawing.fields.fill({"sigma_nm": 30.0})
    assert tables.drawing.options().sigma_nm == 30


def test_every_column_that_varies_has_a_range(tables: LocalizationsWidget, points: Any) -> None:
    names = [row.column.name for row in tables.ranges.rows]
    assert names[:2] == ["photons", "uncertainty_x_nm"]
    assert set(names) == set(TABLE.names) - {"detections"}  # all 1
    assert tables.status_note.text() == "400 of 400 molecules kept (100 %)."
    row = range_of(tables, "frame")
    assert (row.range(), row.condition()) == ((0.0, 99.0), ""), "frames as on the slider"
    row.set_range(10.0, 99.0)
    assert row.condition() == "frame >= 11.0", "frames as in files"


def test_ranges_and_filter_keep_what_both_allow(
    tables: LocalizationsWidget, points: Any, settle: Callable[[], None]
) -> None:
    range_of(tables, "photons").set_range(500.0, 10_000.0)
    range_of(tables, "frame").boxes.value = (0, 49)
    tables.where_line.value = "x < 1000 | frame < 3"
    assert "frame 1 is 0 on the slider" in tables.frame_note.text()
    tables.where_line.value = "x < 1000 | y < 200"
    assert tables.frame_note.text() == ""
    settle()
    expected = (
        (TABLE["photons"] >= 500) & (TABLE.frame < 50) & ((TABLE.x_nm < 1000) | (TABLE.y_nm < 200))
    )
    assert tables._kept is not None
    np.testing.assert_array_equal(tables._kept.mask, expected)
    np.testing.assert_array_equal(points.shown, expected)
    assert tables.status_note.text().startswith(f"{expected.sum()} of 400 molecules kept")
    blue = range_of(tables, "z_nm").histogram._kept
    assert blue.sum() == expected.sum()
    # The whole condition can be used on the command line.
    same = filter_table(TABLE, tables._kept.wanted.where)
    np.testing.assert_array_equal(same.x_nm, tables._kept.table.x_nm)
    tables.reset_button.click()
    settle()
    assert points.shown.all()


def test_a_bad_filter_is_one_sentence_and_the_last_good_one_stays(
    tables: LocalizationsWidget, points: Any, settle: Callable[[], None]
) -> None:
    tables.where_line.value = "x < 1000"
    settle()
    shown = points.shown.copy()
    tables.where_line.value = "x < 1000 & intensty > 3"
    settle()
    assert "character 12: no column 'intensty'. Available: " in tables.message_note.text()
    np.testing.assert_array_equal(points.shown, shown)
    tables.where_line.value = "x < 1000 & intensity > 300"
    settle()
    assert not tables.message_note.text()
    assert 0 < points.shown.sum() < shown.sum()


def test_the_image_shows_what_is_kept_where_the_points_are(
    tables: LocalizationsWidget, points: Any, settle: Callable[[], None], viewer: Any
) -> None:
    tables.drawing.fields.fill({"sr_pixel_nm": 20.0})
    tables.render_button.click()
    settle()
    image = viewer.layers["mine rendered"]
    options = RenderOptions(sr_pixel_nm=20)
    np.testing.assert_array_equal(image.data, draw(TABLE, options=options).numpy())
    np.testing.assert_allclose(image.translate, (-40, -40))
    assert {str(unit) for unit in image.units} == {"nanometer"}
    tables.where_line.value = "x < 1000"
    settle()
    assert len(viewer.layers) == 2
    assert viewer.layers["mine rendered"] == image
    assert image.data.sum() == (TABLE.x_nm < 1000).sum()
    assert image.metadata[KEY]["where"] == "(x < 1000)"
    kept = table_of(image)
    assert kept is not None
    assert len(kept) == image.data.sum()
    assert tables.table_box.layer == points  # not its own image
    tables.render_button.click()
    tables.where_line.value = "x < 500"
    settle()
    assert image.data.sum() == (TABLE.x_nm < 1000).sum()


def test_colours_say_what_they_mean(
    tables: LocalizationsWidget, points: Any, settle: Callable[[], None], viewer: Any
) -> None:
    tables.render_button.click()
    settle()
    box = tables.drawing.color_box
    box.value = "z_nm"
    tables.drawing.fields.fill({"kind": "gaussian"})
    settle()
    names = ["mine", "mine rendered", "Z (nm)"]
    assert [layer.name for layer in viewer.layers] == names
    assert "Z (nm): blue -29" in tables.status_note.text()
    density, hues = viewer.layers[1:]
    options = RenderOptions(kind="gaussian", sr_pixel_nm=tables.drawing.options().sr_pixel_nm)
    np.testing.assert_array_equal(density.data, draw(TABLE, options=options).numpy())
    depths = draw_mean(TABLE, "z_nm", density.data.shape, options=options)
    np.testing.assert_array_equal(hues.data, depths.mean)
    assert (density.colormap.name, hues.blending) == ("gray", "multiplicative")
    # napari's own colour bar, with the title that has the unit.
    assert hues.colorbar.visible
    assert hues.name_overlay.visible
    assert tuple(hues.contrast_limits) == pytest.approx((depths.low, depths.high))
    np.testing.assert_allclose(hues.translate, density.translate)
    box.value = "photons"
    tables.drawing.fields.fill({"sr_pixel_nm": 25.0})
    settle()
    assert [layer.name for layer in viewer.layers] == [*names[:2], "Photons"]
    assert tuple(hues.contrast_limits) == pytest.approx(np.percentile(TABLE["photons"], (1, 99)))
    for layer in (density, hues):
        np.testing.assert_allclose(layer.scale, 25)
        np.testing.assert_allclose(layer.translate, -50 + 12.5)
        assert layer.data.shape == (40, 80)
    box.value = ""
    settle()
    assert (hues.visible, density.colormap.name) == (False, "magma")


def test_colours_that_the_user_sets_or_removes_stay_so(
    tables: LocalizationsWidget, points: Any, settle: Callable[[], None], viewer: Any
) -> None:
    box = tables.drawing.color_box
    box.value = "z_nm"
    tables.render_button.click()
    settle()
    hues = viewer.layers["Z (nm)"]
    hues.contrast_limits = (-100, 100)
    tables.where_line.value = "x < 1000"
    settle()
    assert tuple(hues.contrast_limits) == (-100, 100)
    viewer.layers.remove(hues)
    tables.where_line.value = "x < 500"
    settle()
    assert [layer.name for layer in viewer.layers] == ["mine", "mine rendered"]
    box.value = "photons"
    settle()
    assert "Photons" in viewer.layers
    viewer.layers.remove("mine rendered")
    tables.where_line.value = "x < 400"
    settle()
    assert [layer.name for layer in viewer.layers] == ["mine"], "hues alone mean nothing"


def test_the_filter_does_not_wait_for_a_long_drawing(
    tables: LocalizationsWidget,
    viewer: Any,
    settle: Callable[[], None],
    qtbot: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gaussians, "PIXELS_PER_STEP", 1)  # each molecule by itself: minutes
    wide = random_table(40_000).with_columns(
        uncertainty_x_nm=np.full(40_000, 100.0), uncertainty_y_nm=np.full(40_000, 100.0)
    )
    add_points(viewer, wide)
    qtbot.waitUntil(lambda: tables._kept is not None, timeout=WAIT_MS)
    settle()
    tables.drawing.fields.fill({"kind": "gaussian", "sr_pixel_nm": 1.0})
    tables.render_button.click()
    qtbot.waitUntil(lambda: "Drawing" in tables.status_note.text(), timeout=WAIT_MS)
    first = tables._job._stream
    tables.where_line.value = "x < 1000"
    qtbot.waitUntil(lambda: "40,000 of" not in tables.status_note.text(), timeout=3_000)
    qtbot.waitUntil(lambda: first.is_over, timeout=300)
    second = tables._job._stream
    assert not second.is_over
    tables.abandon()
    qtbot.waitUntil(lambda: second.is_over, timeout=300)
    assert len(viewer.layers) == 1


def test_an_image_that_the_user_removes_stays_away(
    tables: LocalizationsWidget, points: Any, settle: Callable[[], None], viewer: Any
) -> None:
    tables.render_button.click()
    settle()
    viewer.layers.remove("mine rendered")
    tables.where_line.value = "x < 1000"
    settle()
    assert len(viewer.layers) == 1
    assert not tables.render_button.isChecked()


def test_a_table_without_uncertainties_is_drawn_with_one_width(
    tables: LocalizationsWidget, viewer: Any, settle: Callable[[], None], qtbot: Any
) -> None:
    add_points(viewer, TABLE.without("uncertainty_x_nm"))
    qtbot.waitUntil(lambda: tables._kept is not None, timeout=WAIT_MS)
    tables.drawing.fields.fill({"kind": "gaussian"})
    tables.render_button.click()
    settle()
    assert not tables.message_note.text()
    usual = viewer.layers["mine rendered"].data.max()
    shown = tables.drawing.fields.editors["sigma_nm"].native
    assert shown.specialValueText() == "10 (table has none)"
    tables.drawing.fields.fill({"sigma_nm": 20.0})
    settle()
    assert viewer.layers["mine rendered"].data.max() < usual


def test_the_molecules_kept_are_saved(
    tables: LocalizationsWidget,
    points: Any,
    settle: Callable[[], None],
    tmp_path: Path,
    viewer: Any,
) -> None:
    viewer.add_image(
        np.zeros((5, 16, 16), np.uint16), scale=(1, 130, 130), units=("px", "nm", "nm")
    )
    tables.where_line.value = "z > 0"
    settle()
    for name, kind in (("a.csv", None), ("b", "picasso"), ("c.csv", "challenge")):
        tables.save(tmp_path / name, kind)
        settle()
        assert "Saved" in tables.status_note.text()
    for name in ("a.csv", "b.hdf5", "c.csv"):
        saved = read_localizations(tmp_path / name)
        np.testing.assert_allclose(saved.x_nm, TABLE.x_nm[TABLE["z_nm"] > 0], atol=0.01)
    assert table_pixel_size(tmp_path / "b.hdf5") == 130


def test_a_file_is_opened_from_the_panel(
    tables: LocalizationsWidget,
    viewer: Any,
    tmp_path: Path,
    qtbot: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(localizations, "MAX_POINTS", 10)
    write_localizations(TABLE, tmp_path / "large.csv")
    tables.open(tmp_path / "large.csv")
    qtbot.waitUntil(lambda: tables._kept is not None, timeout=WAIT_MS)
    (layer,) = viewer.layers
    assert layer.name == "large"
    assert layer.data.sum() == N
    assert tables.status_note.text().startswith("400 of 400")
    (tmp_path / "bad.csv").write_text("frame,x [nm],y [nm]\n1,2,two\n")
    tables.open(tmp_path / "bad.csv")
    qtbot.waitUntil(lambda: "is 'two', not a number" in tables.message_note.text())


def test_tables_of_other_layers_are_offered(
    tables: LocalizationsWidget, points: Any, viewer: Any, qtbot: Any
) -> None:
    image = viewer.add_image(np.zeros((20, 20)), name="reconstructed")
    keep_table(image, random_table(30, 1), (0.0, 0.0))
    viewer.add_points(np.zeros((3, 2)), name="somebody's")
    viewer.add_image(np.zeros((20, 20)), name="an image")
    box = tables.table_box
    assert box.choices == (image, points)
    assert box.layer == points
    box.value = image
    qtbot.waitUntil(lambda: tables.status_note.text().startswith("30 of 30"), timeout=WAIT_MS)
    viewer.layers.remove(image)
    qtbot.waitUntil(lambda: tables.status_note.text().startswith("400 of"), timeout=WAIT_MS)
    viewer.layers.remove(points)
    assert "No layer has localizations" in tables.status_note.text()


def test_a_table_that_a_layer_gets_later_is_found(
    tables: LocalizationsWidget, viewer: Any, qtbot: Any
) -> None:
    image = viewer.add_image(np.zeros((20, 20)), name="reconstructed")
    assert not tables.table_box.choices
    keep_table(image, random_table(30, 1), (0.0, 0.0))
    inside = QPointF(5, 5)
    tables.enterEvent(QEnterEvent(inside, inside, inside))
    qtbot.waitUntil(lambda: tables.status_note.text().startswith("30 of 30"), timeout=WAIT_MS)


def test_missing_values_and_empty_tables_do_no_harm(
    tables: LocalizationsWidget, viewer: Any, qtbot: Any
) -> None:
    z = np.where(np.arange(N) % 2, np.nan, TABLE["z_nm"])
    add_points(viewer, TABLE.with_columns(z_nm=z), "half")
    qtbot.waitUntil(lambda: tables.status_note.text().startswith("400 of 400"), timeout=WAIT_MS)
    row = range_of(tables, "z_nm")
    assert row.column.counts.sum() == N // 2
    row.set_range(row.column.low + 10, row.column.high)
    qtbot.waitUntil(lambda: "400 of 400" not in tables.status_note.text(), timeout=WAIT_MS)
    assert not tables._kept.mask[1::2].any()
    layer = add_points(viewer, TABLE[:0], "empty")
    tables.table_box.choose(layer)
    qtbot.waitUntil(lambda: tables.status_note.text().startswith("0 of 0"), timeout=WAIT_MS)


def test_closing_shows_all_points_and_leaves_nothing(
    viewer: Any, qtbot: Any, no_threads_left: None
) -> None:
    add_points(viewer)
    known: list[weakref.ref[LocalizationsWidget]] = []
    emitters = [viewer.layers.events.inserted, viewer.layers.events.removed, viewer.events.theme]
    before = [len(emitter.callbacks) for emitter in emitters]

    def open_and_close() -> None:
        panel = LocalizationsWidget(viewer)
        known.append(weakref.ref(panel))
        viewer.window.add_dock_widget(panel, name="Localizations")
        qtbot.waitUntil(lambda: panel._kept is not None, timeout=WAIT_MS)
        panel.where_line.value = "x < 500"
        qtbot.waitUntil(lambda: not viewer.layers[0].shown.all(), timeout=WAIT_MS)
        viewer.window.remove_dock_widget(panel)
        assert viewer.layers[0].shown.all()
        panel.deleteLater()

    def is_gone() -> bool:
        gc.collect()
        return all(ref() is None for ref in known)

    for _ in range(2):
        open_and_close()
    qtbot.waitUntil(is_gone, timeout=WAIT_MS)
    assert [len(emitter.callbacks) for emitter in emitters] == before


def test_closing_the_viewer_ends_the_job(
    tables: LocalizationsWidget, points: Any, viewer: Any, qtbot: Any
) -> None:
    tables.drawing.fields.fill({"kind": "gaussian", "sr_pixel_nm": 1.0})
    tables.render_button.click()
    qtbot.waitUntil(lambda: tables.is_busy, timeout=WAIT_MS)
    stream = tables._job._stream
    viewer.close()
    qtbot.waitUntil(lambda: stream.is_over, timeout=WAIT_MS)


def test_every_editor_has_a_tooltip_and_all_fit_a_narrow_dock(
    tables: LocalizationsWidget, points: Any
) -> None:
    for kind in (QAbstractSpinBox, QComboBox, QLineEdit):
        for editor in tables.findChildren(kind):
            is_inner = isinstance(editor.parent(), QAbstractSpinBox)
            assert is_inner or editor.toolTip().startswith("<qt>"), editor.objectName()
    assert range_of(tables, "uncertainty_x_nm").findChild(type(tables.message_note)) is None
    assert tables.minimumSizeHint().width() <= 370
    assert tables.minimumSizeHint().height() < 400
