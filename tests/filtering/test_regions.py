"""Regions: what lies inside a shape is what geometry says."""

from __future__ import annotations

import numpy as np
import pytest

from napari_deepsmlm.filtering import in_region, in_regions, outline
from napari_deepsmlm.localizations import Localizations

RNG = np.random.default_rng(0)
TABLE = Localizations(
    frame=np.zeros(20_000, int), x_nm=RNG.uniform(0, 100, 20_000), y_nm=RNG.uniform(0, 100, 20_000)
)


def test_a_rectangle_is_two_comparisons() -> None:
    inside = in_region(TABLE, [(10, 20), (60, 20), (60, 90), (10, 90)])
    x, y = TABLE.x_nm, TABLE.y_nm
    np.testing.assert_array_equal(inside, (x >= 10) & (x < 60) & (y >= 20) & (y < 90))


def test_an_ellipse_is_its_equation_but_for_its_rim() -> None:
    corners = np.array([(10, 30), (90, 30), (90, 70), (10, 70)])
    inside = in_region(TABLE, outline("ellipse", corners))
    radius = np.hypot((TABLE.x_nm - 50) / 40, (TABLE.y_nm - 50) / 20)
    is_clear = abs(radius - 1) > 0.01
    np.testing.assert_array_equal(inside[is_clear], radius[is_clear] < 1)


def test_a_star_that_crosses_itself_has_a_hole() -> None:
    angle = np.pi / 2 + np.arange(5) * 4 * np.pi / 5
    star = 50 + 45 * np.column_stack([np.cos(angle), np.sin(angle)])
    middle = Localizations(frame=[0], x_nm=[50.0], y_nm=[50.0])
    assert not in_region(middle, star)[0]
    assert 0.1 < in_region(TABLE, star).mean() < 0.3


def test_regions_are_joined() -> None:
    left, right = [(0, 0), (50, 0), (50, 100), (0, 100)], [(50, 0), (100, 0), (100, 100), (50, 100)]
    assert in_regions(TABLE, [left, right]).all()
    assert not (in_region(TABLE, left) & in_region(TABLE, right)).any()
    assert not in_regions(TABLE, []).any()


def test_what_has_no_inside_is_refused() -> None:
    with pytest.raises(ValueError, match="no inside"):
        outline("line", [(0, 0), (1, 1)])
    with pytest.raises(ValueError, match="three or more corners"):
        in_region(TABLE, [(0, 0), (1, 1)])
    with pytest.raises(ValueError, match="no number"):
        in_region(TABLE, [(0, 0), (1, np.nan), (2, 2)])
