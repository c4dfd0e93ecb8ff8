"""Shapes that choose molecules: live, with the filter, in the drawing and in the file."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.layers import Shapes
from tests.plugin.localizations.conftest import DELAY_MS

from napari_deepsmlm.batch.steps.region import RegionStep
from napari_deepsmlm.io import read_history, read_localizations
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.plugin.layers.localizations import layer_of
from napari_deepsmlm.plugin.localizations.shapes_box import polygons_of
from napari_deepsmlm.plugin.localizations.widget import LocalizationsWidget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

WAIT_MS = 20_000
N = 4000
CHANCE = np.random.default_rng(0)
TABLE = Localizations(
    frame=np.sort(CHANCE.integers(0, 500, N)),
    x_nm=CHANCE.uniform(0, 4000, N),
    y_nm=CHANCE.uniform(0, 2000, N),
    photons=CHANCE.uniform(100, 1000, N),
)
ORIGIN = (-50.0, 250.0)
SQUARE = np.array([[0, 0], [0, 1000], [1000, 1000], [1000, 0]], float)


def square(y: float, x: float) -> np.ndarray:
    """Corners of a square of 1000 nm from (y, x) in the world."""
    return SQUARE + np.array([y, x])


@pytest.fixture
def panel(viewer: Any, qtbot: Any, no_threads_left: None) -> Iterator[LocalizationsWidget]:
    data, keywords, _ = layer_of(TABLE, "mine", ORIGIN, {})
    viewer.add_points(data, **keywords)
    made = LocalizationsWidget(viewer)
    viewer.window.add_dock_widget(made, name="Localizations")
    qtbot.waitUntil(lambda: made.is_ready and made._kept is not None, timeout=WAIT_MS)
    yield made
    with suppress(RuntimeError):
        made.abandon()


@pytest.fixture
def settle(panel: LocalizationsWidget, qtbot: Any) -> Callable[[], None]:
    def settled() -> None:
        qtbot.wait(DELAY_MS + 20)
        qtbot.waitUntil(lambda: not panel.is_busy and not panel._delay.isActive(), timeout=WAIT_MS)

    return settled


def inside(x: tuple[float, float], y: tuple[float, float]) -> np.ndarray:
    """Whether molecules are in a rectangle of the world."""
    world_y, world_x = TABLE.y_nm + ORIGIN[0], TABLE.x_nm + ORIGIN[1]
    is_in = (world_x >= x[0]) & (world_x < x[1]) & (world_y >= y[0]) & (world_y < y[1])
    return np.asarray(is_in)


def test_shapes_choose_molecules_as_they_are_moved(
    panel: LocalizationsWidget, viewer: Any, settle: Callable[[], None], tmp_path: Path
) -> None:
    shapes = viewer.add_shapes([square(200, 1000)], shape_type="rectangle", units=("nm", "nm"))
    settle()
    assert panel._kept.mask.all()  # a layer of shapes is there, but not chosen
    panel.shapes.list.choose(shapes)
    settle()
    expected = inside((1000, 2000), (200, 1200))
    np.testing.assert_array_equal(panel._kept.mask, expected)
    points = viewer.layers["mine"]
    np.testing.assert_array_equal(points.shown, expected)
    # napari draws points without a slider whether they are shown or not
    np.testing.assert_array_equal(points.face_color[:, 3] > 0, expected)
    assert f"{expected.sum():,} of 4,000 molecules kept" in panel.status_note.text()
    shapes.data = [square(0, 2000)]
    settle()
    moved = inside((2000, 3000), (0, 1000))
    np.testing.assert_array_equal(panel._kept.mask, moved)
    panel.where_line.value = "intensity > 500"
    settle()
    both = moved & (TABLE["photons"] > 500)
    np.testing.assert_array_equal(panel._kept.mask, both)
    panel.save(tmp_path / "out.csv")
    settle()
    saved = read_localizations(tmp_path / "out.csv")
    assert len(saved) == both.sum()
    where, region = read_history(tmp_path / "out.csv").steps
    assert where == {"kind": "filter", "where": "(intensity > 500)"}
    corners = np.array(RegionStep(**region).polygons_nm)
    np.testing.assert_allclose(corners[0].min(0), (2000 - ORIGIN[1], 0 - ORIGIN[0]))
    panel.reset()
    settle()
    assert panel._kept.mask.all()
    assert (points.face_color[:, 3] == 1).all()
    panel.shapes.list.choose(shapes)
    settle()
    viewer.layers.remove(shapes)
    settle()
    assert panel._kept.mask.all()


def test_the_selected_of_several_shapes_count_else_all(
    panel: LocalizationsWidget, viewer: Any, settle: Callable[[], None]
) -> None:
    shapes = viewer.add_shapes(
        [SQUARE, square(0, 2000)], shape_type="rectangle", units=("nm", "nm")
    )
    panel.shapes.list.choose(shapes)
    shapes.selected_data = set()
    settle()
    left, right = inside((0, 1000), (0, 1000)), inside((2000, 3000), (0, 1000))
    np.testing.assert_array_equal(panel._kept.mask, left | right)
    assert panel.shapes.note.text() == "Inside 2 shapes."
    shapes.selected_data = {1}
    settle()
    np.testing.assert_array_equal(panel._kept.mask, right)


def test_the_resolution_is_that_of_the_molecules_kept(
    panel: LocalizationsWidget, viewer: Any, settle: Callable[[], None]
) -> None:
    shapes = viewer.add_shapes([square(0, 2000)], shape_type="rectangle", units=("nm", "nm"))
    panel.shapes.list.choose(shapes)
    settle()
    n = int(inside((2000, 3000), (0, 1000)).sum())
    panel.after.resolution_button.click()
    settle()
    assert f"of the {n:,} molecules kept" in panel.status_note.text()


def test_a_layer_for_shapes_is_made_and_chosen(
    panel: LocalizationsWidget, viewer: Any, settle: Callable[[], None]
) -> None:
    panel.shapes.draw_button.click()
    made = viewer.layers["molecules inside"]
    assert panel.shapes.list.layer == made
    assert "No shape" in panel.shapes.note.text()
    settle()
    assert panel._kept.mask.all()
    made.add_ellipses(square(0, 1500))
    settle()
    world = TABLE.x_nm + ORIGIN[1] - 2000, TABLE.y_nm + ORIGIN[0] - 500
    radius = np.hypot(*world)
    mask = panel._kept.mask
    assert mask[radius < 498].all()
    assert not mask[radius > 501].any()


def test_lines_have_no_inside_and_a_scale_counts() -> None:
    layer = Shapes(
        [np.array([[0, 0], [5, 5]], float), SQUARE / 100],
        shape_type=["line", "rectangle"],
        scale=(100, 100),
    )
    (corners,) = polygons_of(layer, (0.0, 0.0))
    assert set(corners) == {(0, 0), (1000, 0), (1000, 1000), (0, 1000)}
