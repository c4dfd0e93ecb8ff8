"""Molecules with depth in the 3-D view, beside a movie."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.layers import Layer

from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.plugin.layers.localizations import layer_of
from napari_deepsmlm.plugin.localizations import depth_work
from napari_deepsmlm.plugin.localizations.widget import LocalizationsWidget

if TYPE_CHECKING:
    from collections.abc import Iterator

WAIT_MS = 20_000
N = 3000
CHANCE = np.random.default_rng(0)
X, Y = CHANCE.uniform(0, 3000, N), CHANCE.uniform(0, 1500, N)
TABLE = Localizations(
    frame=np.arange(N), x_nm=X, y_nm=Y, z_nm=300 * np.sin(X / 500) + CHANCE.normal(0, 10, N)
)


@pytest.fixture
def panel(viewer: Any, qtbot: Any, no_threads_left: None) -> Iterator[LocalizationsWidget]:
    viewer.add_image(
        np.zeros((4, 16, 32), np.uint16),
        name="movie",
        scale=(1, 100, 100),
        units=("pixel", "nm", "nm"),
    )
    data, keywords, _ = layer_of(TABLE, "mine", (-50.0, -50.0), {})
    viewer.add_points(data, **keywords)
    made = LocalizationsWidget(viewer)
    viewer.window.add_dock_widget(made, name="Localizations")
    qtbot.waitUntil(lambda: made.is_ready and made._kept is not None, timeout=WAIT_MS)
    yield made
    with suppress(RuntimeError):
        made.abandon()


def test_molecules_with_z_are_points_and_a_volume_where_they_are(
    panel: LocalizationsWidget, viewer: Any, qtbot: Any
) -> None:
    assert panel.after.depth_button.isEnabled()
    panel.after.depth_button.click()
    qtbot.waitUntil(lambda: len(viewer.layers) == 4, timeout=WAIT_MS)
    volume, points = viewer.layers["mine, volume"], viewer.layers["mine, depth"]
    assert viewer.dims.ndisplay == 3
    assert [layer.name for layer in viewer.layers if layer.visible] == [volume.name, points.name]
    assert volume.data.sum() == N
    assert tuple(volume.scale) == (50, 24, 24)
    np.testing.assert_allclose(points.data[:, 0], TABLE["z_nm"])
    # each point lies in a voxel that counts it
    for k in range(0, N, 100):
        world = points.data_to_world(points.data[k])
        voxel = tuple(np.rint(volume.world_to_data(world)).astype(int))
        assert volume.data[voxel] >= 1
    # blue below, orange above
    low, high = np.argmin(TABLE["z_nm"]), np.argmax(TABLE["z_nm"])
    assert points.face_color[low][2] > points.face_color[low][0]
    assert points.face_color[high][0] > points.face_color[high][2]
    assert panel.table_box.layer.name == "mine"  # what was drawn is no table of its own


def test_symbols_are_plain_strings_which_napari_draws_selects_and_copies(
    panel: LocalizationsWidget, viewer: Any, qtbot: Any
) -> None:
    """From an enum, a million of them would be turned into strings for most of a second."""
    panel.after.depth_button.click()
    qtbot.waitUntil(lambda: len(viewer.layers) == 4, timeout=WAIT_MS)
    points = viewer.layers["mine, depth"]
    assert {type(symbol) for symbol in points.symbol} == {str}
    viewer.window.screenshot(flash=False, canvas_only=True)
    points.selected_data = {0, 1}
    assert points.current_symbol == points.symbol[0]
    points.current_symbol = "ring"
    assert [str(symbol) for symbol in points.symbol[:3]] == ["ring", "ring", points.symbol[2]]
    copied = Layer.create(*points.as_layer_data_tuple())
    assert [str(symbol) for symbol in copied.symbol[:3]] == ["ring", "ring", points.symbol[2]]


def test_a_bead_is_neither_in_the_volume_nor_a_point() -> None:
    n = 400
    bead = Localizations(
        frame=np.arange(n),
        x_nm=CHANCE.normal(800, 5, n),
        y_nm=CHANCE.normal(700, 5, n),
        z_nm=CHANCE.normal(0, 10, n),
    )
    table = Localizations.concatenate([TABLE.with_columns(frame=TABLE.frame % n), bead])
    (made,) = depth_work.in_depth(table, "mine", (0.0, 0.0), threading.Event())
    near = np.hypot(X - 800, Y - 700) < 150
    assert "of a bead" in made.sentence
    volume, points = made.layers
    assert volume.data.sum() == pytest.approx(N - near.sum(), abs=2)
    assert len(points.data) == volume.data.sum()


def test_some_of_very_many_molecules_are_points(
    panel: LocalizationsWidget, viewer: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(depth_work, "MAX_POINTS", 100)
    panel.after.depth_button.click()
    qtbot.waitUntil(lambda: len(viewer.layers) == 4, timeout=WAIT_MS)
    assert viewer.layers["mine, volume"].data.sum() == N
    points = viewer.layers["mine, depth"].data
    assert len(points) == 100
    assert set(points[:, 0]) <= set(TABLE["z_nm"])
    assert "100 of them, drawn at random" in panel.status_note.text()
