from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from napari.layers import Image, Points

from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.plugin.layers.tables import keep_table, origin_of, table_of
from napari_deepsmlm.plugin.layers.world import KEY, PlaneSpan, points_of

TABLE = Localizations(frame=[0, 2], x_nm=[150.0, 250.0], y_nm=[50.0, 70.0], photons=[9.0, 8.0])


def test_an_image_has_the_table_that_was_kept_with_it() -> None:
    image = Image(np.zeros((4, 4)), metadata={"mine": 1, KEY: {"kind": "reconstruction"}})
    assert table_of(image) is None
    keep_table(image, TABLE, (100.0, -50.0))
    assert table_of(image) is TABLE
    assert origin_of(image) == (100.0, -50.0)
    assert image.metadata["mine"] == 1
    assert image.metadata[KEY]["kind"] == "reconstruction"


def test_points_have_the_table_of_those_that_are_left() -> None:
    data, keywords, _ = points_of(TABLE, (100.0, -50.0), 3)
    points = Points(data, **keywords)
    assert origin_of(points) == (100.0, -50.0)
    found = table_of(points)
    assert found is not None
    np.testing.assert_array_equal(found["photons"], TABLE["photons"])
    points.selected_data = {0}
    points.remove_selected()
    left = table_of(points)
    assert left is not None
    assert left.x_nm.tolist() == [250.0]


def test_layers_of_others_have_none_and_count_from_their_corner() -> None:
    assert table_of(Points(np.zeros((3, 2)))) is None
    image = Image(np.zeros((4, 4)), scale=(100, 100), translate=(1000, 0), units=("nm", "nm"))
    assert table_of(image) is None
    assert origin_of(image) == (950.0, -50.0)


@pytest.mark.parametrize(("channel", "seen"), [(None, [0, 1, 2]), (2, [1])])
def test_points_are_seen_on_the_planes_that_they_were_found_in(
    viewer: Any, channel: int | None, seen: list[int]
) -> None:
    frames = np.zeros((5, 3, 16, 20), np.uint16)
    viewer.add_image(frames, scale=(1, 1, 100, 100), units=("pixel", "pixel", "nm", "nm"))
    span = PlaneSpan.of(frames, channel)
    data, keywords, _ = points_of(TABLE, (-50.0, -50.0), 4, span)
    points = viewer.add_points(data, size=100, **keywords)
    assert viewer.dims.nsteps[1] == 3, "the slider stays as it was"
    shown = []
    for plane in range(3):
        viewer.dims.set_point(0, int(TABLE.frame[0]))
        viewer.dims.set_point(1, plane)
        at = (int(TABLE.frame[0]), plane, TABLE.y_nm[0] - 50, TABLE.x_nm[0] - 50)
        if points.get_value(at, world=True) == 0:
            shown.append(plane)
    assert shown == seen
