"""The image that is as sharp as the screen, in a viewer whose camera moves."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.plugin.localizations.conftest import REST_MS

from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.plugin.layers.localizations import layer_of
from napari_deepsmlm.plugin.localizations import render_form
from napari_deepsmlm.plugin.localizations.render_form import FIXED, MOLECULES, OF_SCREEN
from napari_deepsmlm.plugin.localizations.widget import LocalizationsWidget
from napari_deepsmlm.render import PlacedMolecules, RenderOptions, draw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WAIT_MS = 60_000
KEY = "napari_deepsmlm"
N = 5000
SIDE_NM = 20_000.0
ORIGIN = (-50.0, -50.0)
CHANCE = np.random.default_rng(0)
TABLE = Localizations(
    frame=np.sort(CHANCE.integers(0, 100, N)),
    x_nm=CHANCE.uniform(0, SIDE_NM, N),
    y_nm=CHANCE.uniform(0, SIDE_NM, N),
    z_nm=CHANCE.normal(0, 300, N),
    uncertainty_x_nm=CHANCE.gamma(4, 3, N),
    uncertainty_y_nm=CHANCE.gamma(4, 3, N),
)


@pytest.fixture
def panel(viewer: Any, qtbot: Any, no_threads_left: None) -> Iterator[LocalizationsWidget]:
    """The panel with a table that is rendered as the screen shows it."""
    data, keywords, _ = layer_of(TABLE, "mine", ORIGIN, {})
    viewer.add_points(data, **keywords)
    viewer.reset_view()
    made = LocalizationsWidget(viewer)
    viewer.window.add_dock_widget(made, name="Localizations")
    qtbot.waitUntil(lambda: made.is_ready and made._kept is not None, timeout=WAIT_MS)
    made.drawing.sharpness_box.value = OF_SCREEN
    yield made
    with suppress(RuntimeError):
        made.abandon()


@pytest.fixture
def settle(panel: LocalizationsWidget, qtbot: Any) -> Callable[[], None]:
    """Wait until what was asked for is done."""

    def is_still() -> bool:
        shown = panel.shown
        is_shown = shown.rendered is None or shown.rendered.is_complete
        is_at_rest = not (panel.is_busy or panel._delay.isActive() or shown.view.is_busy)
        return is_shown and is_at_rest

    def wait() -> None:
        for _ in range(3):  # one thing may ask for the next
            qtbot.wait(20)
            qtbot.waitUntil(is_still, timeout=WAIT_MS)

    return wait


@pytest.fixture
def image(panel: LocalizationsWidget, viewer: Any, settle: Callable[[], None]) -> Any:
    """The layer that follows the view."""
    panel.render_button.setChecked(True)
    settle()
    return viewer.layers["mine rendered"]


def look_at(viewer: Any, y_nm: float, x_nm: float, px_nm: float) -> None:
    """Let the screen show a place of the table, so many nm in each of its pixels."""
    viewer.scene.camera.center = (0, y_nm + ORIGIN[0], x_nm + ORIGIN[1])
    viewer.scene.camera.zoom = 1 / px_nm


def pixel_nm(layer: Any) -> float:
    return float(layer.metadata[KEY]["sr_pixel_nm"])


def seen_nm(viewer: Any) -> np.ndarray:
    """Return top, left, bottom and right of what the screen shows, nm in the table."""
    middle = np.asarray(viewer.scene.camera.center[-2:]) - ORIGIN
    half = np.asarray(viewer.canvas.size) / viewer.scene.camera.zoom / 2
    return np.concatenate([middle - half, middle + half])


def corner_nm(layer: Any) -> np.ndarray:
    return np.asarray(layer.translate) - np.asarray(layer.scale) / 2 - ORIGIN


def direct(layer: Any, table: Localizations, options: RenderOptions) -> np.ndarray:
    """Draw the same window of the whole table."""
    size = pixel_nm(layer)
    top, left = np.rint(corner_nm(layer) / size).astype(int).tolist()
    options = options.replace(sr_pixel_nm=size)
    return draw(table, layer.data.shape, options=options, corner_px=(top, left)).numpy()


def test_zooming_in_shows_the_place_with_smaller_pixels(
    panel: LocalizationsWidget, viewer: Any, image: Any, settle: Callable[[], None]
) -> None:
    whole, first = pixel_nm(image), image.data
    assert first.sum() == N, "all are in view"
    for px_nm in (10.0, 2.0, 0.5):
        look_at(viewer, 9000, 8000, px_nm)
        settle()
        size = pixel_nm(image)
        assert px_nm <= size <= 1.2 * px_nm
        assert tuple(image.scale) == (size, size)
        np.testing.assert_array_equal(image.data, direct(image, TABLE, RenderOptions()))
        seen, corner = seen_nm(viewer), corner_nm(image)
        assert (corner <= np.maximum(seen[:2], 0)).all()
        assert (corner + np.multiply(image.data.shape, size) >= np.minimum(seen[2:], 19_900)).all()
        assert image.data.size < 2 * np.prod(viewer.canvas.size)
        assert f"{size:.3g} nm per pixel" in panel.status_note.text()
    assert whole > 10
    viewer.reset_view()
    settle()
    np.testing.assert_array_equal(image.data, first)


def test_each_molecule_lies_where_its_point_is(
    viewer: Any, image: Any, settle: Callable[[], None]
) -> None:
    points = viewer.layers["mine"]
    look_at(viewer, float(TABLE.y_nm[7]), float(TABLE.x_nm[7]), 1.0)
    settle()
    pixel = np.rint(image.world_to_data(points.data_to_world(points.data[7]))).astype(int)
    assert image.data[tuple(pixel)] >= 1


def test_a_small_step_needs_no_other_image(
    viewer: Any, image: Any, settle: Callable[[], None]
) -> None:
    look_at(viewer, 9000, 8000, 2.0)
    settle()
    before = image.data
    look_at(viewer, 9040, 8040, 2.0)
    settle()
    assert image.data is before
    look_at(viewer, 9040, 9000, 2.0)
    settle()
    assert image.data is not before


@pytest.mark.parametrize("kind", ["gaussian", "ash"])
def test_all_kinds_of_images_follow(
    panel: LocalizationsWidget, viewer: Any, image: Any, settle: Callable[[], None], kind: str
) -> None:
    panel.drawing.fields.fill({"kind": kind})
    look_at(viewer, 9000, 8000, 2.0)
    settle()
    wanted = direct(image, TABLE, RenderOptions(kind=kind))
    # squares of another size: what a Gaussian has beyond four standard deviations lies elsewhere
    np.testing.assert_allclose(image.data, wanted, rtol=1e-4, atol=1e-4)


def test_another_kind_of_image_needs_no_filter(
    panel: LocalizationsWidget, image: Any, settle: Callable[[], None]
) -> None:
    kept = panel.filtered
    panel.drawing.fields.fill({"kind": "ash"})
    settle()
    assert panel.filtered.mask is kept.mask
    np.testing.assert_array_equal(image.data, direct(image, TABLE, RenderOptions(kind="ash")))


def test_what_is_filtered_out_is_not_drawn(
    panel: LocalizationsWidget, viewer: Any, image: Any, settle: Callable[[], None]
) -> None:
    panel.where_line.value = "z > 0"
    settle()
    kept = TABLE[TABLE["z_nm"] > 0]
    assert image.data.sum() == len(kept)
    look_at(viewer, 9000, 8000, 4.0)
    settle()
    np.testing.assert_array_equal(image.data, direct(image, kept, RenderOptions()))
    shapes = viewer.add_shapes(
        [[[8950, 7950], [8950, 9050], [9950, 9050], [9950, 7950]]], shape_type="polygon"
    )
    panel.shapes.list.choose(shapes)
    settle()
    inside = kept[(kept.x_nm > 8000) & (kept.x_nm < 9100) & (kept.y_nm > 9000)]
    inside = inside[inside.y_nm < 10_000]
    np.testing.assert_array_equal(image.data, direct(image, inside, RenderOptions()))


def test_colours_mean_the_same_at_every_zoom(
    panel: LocalizationsWidget, viewer: Any, image: Any, settle: Callable[[], None]
) -> None:
    panel.drawing.color_box.value = "z_nm"
    settle()
    hues = panel.shown.rendered.hues
    limits = tuple(hues.contrast_limits)
    assert hues.data.shape == image.data.shape
    assert hues.interpolation3d == "nearest", "beside empty pixels others would turn grey"
    look_at(viewer, 9000, 8000, 2.0)
    settle()
    assert hues.data.shape == image.data.shape
    assert tuple(hues.translate) == tuple(image.translate)
    assert tuple(hues.contrast_limits) == limits
    assert np.array_equal(np.isfinite(hues.data), image.data > 0)


def test_the_users_contrast_is_kept_as_a_share(
    panel: LocalizationsWidget, viewer: Any, image: Any, settle: Callable[[], None]
) -> None:
    panel.drawing.fields.fill({"kind": "gaussian"})
    settle()
    own = image.contrast_limits[1]
    image.contrast_limits = (0, own / 2)
    for px_nm in (4.0, 1.0):
        look_at(viewer, 9000, 8000, px_nm)
        settle()
        high = panel.shown.view._high
        assert image.contrast_limits[1] == pytest.approx(high / 2, rel=1e-3)
    assert high != own


def test_the_contrast_does_not_flicker(viewer: Any, image: Any, settle: Callable[[], None]) -> None:
    look_at(viewer, 5000, 5000, 5.0)
    settle()
    limits = []
    for step in range(4):
        look_at(viewer, 5000, 5000 + 2000 * step, 5.0)
        settle()
        limits.append(tuple(image.contrast_limits))
    look_at(viewer, -50_000, 5000, 5.0)  # nothing there
    settle()
    limits.append(tuple(image.contrast_limits))
    assert len(set(limits)) == 1


def test_it_says_when_nothing_is_in_view(
    panel: LocalizationsWidget, viewer: Any, image: Any, settle: Callable[[], None]
) -> None:
    look_at(viewer, -90_000, 5000, 5.0)
    settle()
    assert panel.status_note.text().endswith("None of them is in view.")
    look_at(viewer, 9000, 5000, 5.0)
    settle()
    assert "as finely as the screen" in panel.status_note.text()


def test_a_larger_canvas_shows_more(viewer: Any, image: Any, settle: Callable[[], None]) -> None:
    look_at(viewer, 9000, 8000, 2.0)
    settle()
    before = image.data.shape
    height, width = viewer.canvas.size
    viewer.canvas.size = (height + 200, width + 300)
    settle()
    assert np.greater(image.data.shape, before).all()


def test_the_3d_view_has_the_whole_field(
    panel: LocalizationsWidget, viewer: Any, image: Any, settle: Callable[[], None]
) -> None:
    look_at(viewer, 9000, 8000, 2.0)
    settle()
    assert image.data.sum() < N
    viewer.dims.ndisplay = 3
    settle()
    assert image.data.sum() == N
    assert "the whole field" in panel.status_note.text()
    assert 4_000_000 > image.data.size > 2_500_000, "four million, in the next larger pixel"
    before = image.data
    viewer.scene.camera.angles = (10, 20, 30)
    viewer.scene.camera.zoom *= 4
    settle()
    assert image.data is before
    viewer.dims.ndisplay = 2
    look_at(viewer, 9000, 8000, 2.0)
    settle()
    assert image.data.sum() < N


def test_a_world_in_micrometres_is_followed(
    viewer: Any, image: Any, settle: Callable[[], None], request: pytest.FixtureRequest
) -> None:
    request.addfinalizer(lambda: setattr(viewer.layers, "units", None))
    viewer.layers.units = ("um", "um")
    viewer.scene.camera.center = (0, 9.0, 8.0)
    viewer.scene.camera.zoom = 1000 / 2.0
    settle()
    assert 2.0 <= pixel_nm(image) <= 2.4
    size = np.multiply(image.data.shape, image.scale)
    np.testing.assert_allclose(corner_nm(image) + ORIGIN + size / 2, (9000, 8000), atol=10)


def test_the_field_of_the_frames_is_the_most(
    panel: LocalizationsWidget, viewer: Any, image: Any, settle: Callable[[], None]
) -> None:
    nm = {"scale": (1, 100, 100), "units": ("pixel", "nm", "nm")}
    viewer.add_image(np.zeros((2, 100, 80), np.uint16), name="frames", **nm)
    settle()
    panel.drawing.field_box.value = MOLECULES
    settle()
    assert image.data.sum() == N
    panel.drawing.field_box.value = "camera frames"
    viewer.reset_view()
    settle()
    inside = (TABLE.x_nm < 8000) & (TABLE.y_nm < 10_000)
    assert image.data.sum() == pytest.approx(inside.sum(), rel=0.02), "pixels at the edge"


# -- ending ----------------------------------------------------------------------------------


def n_followers(viewer: Any) -> int:
    camera = viewer.scene.camera.events
    events = [camera.center, camera.zoom, viewer.canvas.events.size, viewer.dims.events.ndisplay]
    return sum(len(event.callbacks) for event in [*events, viewer.layers.events.removed])


def test_a_removed_layer_is_drawn_no_more(
    panel: LocalizationsWidget, viewer: Any, settle: Callable[[], None]
) -> None:
    before = n_followers(viewer)
    panel.drawing.color_box.value = "z_nm"
    panel.render_button.setChecked(True)
    settle()
    assert n_followers(viewer) > before
    viewer.layers.remove("mine rendered")
    assert not panel.render_button.isChecked()
    assert n_followers(viewer) == before
    look_at(viewer, 9000, 8000, 2.0)
    settle()
    assert [layer.name for layer in viewer.layers] == ["mine"]
    panel.render_button.setChecked(True)
    settle()
    assert pixel_nm(viewer.layers["mine rendered"]) <= 2.4
    assert len(viewer.layers) == 3, "with its colours"


@pytest.fixture
def slow_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each view takes half a second more."""
    draw_it = PlacedMolecules.draw

    def slowly(*args: Any, **how: Any) -> Any:
        time.sleep(0.3)
        return draw_it(*args, **how)

    monkeypatch.setattr(PlacedMolecules, "draw", slowly)


@pytest.mark.usefixtures("slow_drawing")
def test_a_layer_that_is_removed_while_it_is_drawn_stays_away(
    panel: LocalizationsWidget,
    viewer: Any,
    image: Any,
    settle: Callable[[], None],
    qtbot: Any,
) -> None:
    look_at(viewer, 9000, 8000, 2.0)
    qtbot.waitUntil(lambda: panel.shown.view._job is not None, timeout=WAIT_MS)
    qtbot.wait(60)
    viewer.layers.remove(image)
    qtbot.wait(400)
    settle()
    assert [layer.name for layer in viewer.layers] == ["mine"]


def test_a_hidden_layer_waits_until_it_is_seen(
    viewer: Any, image: Any, settle: Callable[[], None]
) -> None:
    before = image.data
    image.visible = False
    look_at(viewer, 9000, 8000, 2.0)
    settle()
    assert image.data is before
    image.visible = True
    settle()
    assert pixel_nm(image) <= 2.4


@pytest.mark.usefixtures("slow_drawing")
def test_the_latest_view_is_drawn(
    panel: LocalizationsWidget,
    viewer: Any,
    image: Any,
    settle: Callable[[], None],
    qtbot: Any,
) -> None:
    sizes = []
    image.events.data.connect(lambda: sizes.append(image.data.shape))
    for px_nm in (8.0, 4.0, 2.0):
        look_at(viewer, 9000, 8000, px_nm)
        qtbot.wait(REST_MS + 60)  # begun, not done
    settle()
    assert len(sizes) == 1
    assert 2.0 <= pixel_nm(image) <= 2.4


def test_a_closed_panel_follows_no_more(
    panel: LocalizationsWidget, viewer: Any, image: Any, settle: Callable[[], None], qtbot: Any
) -> None:
    during = n_followers(viewer)
    before = image.data
    viewer.window.remove_dock_widget(panel)
    assert n_followers(viewer) < during
    look_at(viewer, 9000, 8000, 2.0)
    qtbot.wait(200)
    assert image.data is before


def test_a_viewer_may_be_closed_while_it_is_followed(
    make_napari_viewer: Any, qtbot: Any, no_threads_left: None
) -> None:
    viewer = make_napari_viewer()
    data, keywords, _ = layer_of(TABLE, "mine", ORIGIN, {})
    viewer.add_points(data, **keywords)
    made = LocalizationsWidget(viewer)
    viewer.window.add_dock_widget(made, name="Localizations")
    qtbot.waitUntil(lambda: made.is_ready and made._kept is not None, timeout=WAIT_MS)
    made.drawing.sharpness_box.value = OF_SCREEN
    made.render_button.setChecked(True)
    qtbot.waitUntil(lambda: "mine rendered" in viewer.layers, timeout=WAIT_MS)
    camera = viewer.scene.camera
    camera.zoom *= 8
    qtbot.wait(REST_MS + 20)  # a drawing is on its way
    camera.zoom *= 2
    viewer.close()
    camera.zoom *= 2
    qtbot.wait(300)


def test_one_pixel_size_is_an_image_of_all(
    panel: LocalizationsWidget, viewer: Any, image: Any, settle: Callable[[], None]
) -> None:
    panel.drawing.sharpness_box.value = FIXED
    settle()
    look_at(viewer, 9000, 8000, 1.0)
    settle()
    assert image.data.sum() == N
    assert pixel_nm(image) == panel.drawing.options().sr_pixel_nm
    np.testing.assert_allclose(corner_nm(image), 0, atol=1e-9)
    assert "nm per pixel" not in panel.status_note.text()


# -- large tables ----------------------------------------------------------------------------


def test_many_molecules_are_drawn_as_the_screen_shows_them_by_themselves(
    viewer: Any, qtbot: Any, no_threads_left: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(render_form, "MANY", N - 1)
    made = LocalizationsWidget(viewer)
    viewer.window.add_dock_widget(made, name="Localizations")
    qtbot.waitUntil(lambda: made.is_ready, timeout=WAIT_MS)
    data, keywords, _ = layer_of(TABLE, "mine", ORIGIN, {})
    viewer.add_points(data, **keywords)
    qtbot.waitUntil(lambda: "mine rendered" in viewer.layers, timeout=WAIT_MS)
    assert made.drawing.sharpness_box.value == OF_SCREEN
    assert made.render_button.isChecked()
    made.drawing.sharpness_box.value = FIXED
    few = TABLE[:100]
    data, keywords, _ = layer_of(few, "few", ORIGIN, {})
    viewer.add_points(data, **keywords)
    made.table_box.choose(viewer.layers["few"])
    qtbot.waitUntil(lambda: made._kept is not None, timeout=WAIT_MS)
    assert not made.render_button.isChecked()
    assert made.drawing.sharpness_box.value == FIXED
    made.abandon()
