"""Views against the whole image that they are a part of, and found molecules against all."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.render import (
    Box,
    PlacedMolecules,
    RenderOptions,
    View,
    draw,
    draw_mean,
    view,
    view_of,
)

N = 20_000
SIDE_NM = 10_000.0


def molecules(n: int = N, seed: int = 0) -> Localizations:
    """Return clusters and strays, some nowhere, some far away, some as wide as the field."""
    chance = np.random.default_rng(seed)
    centres = chance.uniform(0, SIDE_NM, (2, 50))[:, chance.integers(0, 50, n)]
    x, y = centres + chance.normal(0, 200, (2, n))
    x[::500], y[1::500], x[2::2000], y[3::2000] = np.nan, np.inf, 3e8, -4e8
    sigma_x, sigma_y = chance.gamma(4, 3, (2, n))
    sigma_x[::700], sigma_y[5::700], sigma_x[7::900] = 3000.0, np.nan, np.inf
    return Localizations(
        frame=np.arange(n),
        x_nm=x,
        y_nm=y,
        z_nm=chance.normal(0, 300, n),
        uncertainty_x_nm=sigma_x,
        uncertainty_y_nm=sigma_y,
    )


TABLE = molecules()
PLACED = PlacedMolecules(TABLE)
KINDS = [
    RenderOptions(),
    RenderOptions(kind="ash", n_shifts=5),
    RenderOptions(kind="gaussian"),
    RenderOptions(kind="gaussian", sigma_nm=40.0),
]
VIEWS = [
    View((300, 410), (90, 120), 8.0),
    View((int(TABLE.y_nm[4] / 0.5) - 100, int(TABLE.x_nm[4] / 0.5) - 70), (200, 150), 0.5),
    View((-30, -20), (80, 100), 11.3),
    View((0, 0), (100, 100), 100.0),
]


@pytest.mark.parametrize("options", KINDS, ids=lambda options: f"{options.kind}")
@pytest.mark.parametrize("part", VIEWS)
def test_a_view_is_the_image_of_all_molecules_there(part: View, options: RenderOptions) -> None:
    drawn = PLACED.draw(part, options)
    of_all = draw(TABLE, part.shape, options=drawn.options, corner_px=part.corner_px).numpy()
    if options.kind == "gaussian":  # what lies beyond four standard deviations may be elsewhere
        np.testing.assert_allclose(drawn.density, of_all, rtol=1e-4, atol=1e-4)
    else:
        np.testing.assert_array_equal(drawn.density, of_all)
    assert drawn.density.any()
    assert drawn.options == options.replace(sr_pixel_nm=part.sr_pixel_nm)


@pytest.mark.parametrize("options", KINDS[:2], ids=lambda options: f"{options.kind}")
@given(
    corner=st.tuples(st.integers(0, 500), st.integers(0, 500)),
    shape=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    size=st.sampled_from([10.0, 11.313708498984761, 0.3]),
)
def test_a_view_is_cut_out_of_the_whole_image(
    options: RenderOptions, corner: tuple[int, int], shape: tuple[int, int], size: float
) -> None:
    whole = draw(TABLE, (600, 600), options=options.replace(sr_pixel_nm=size)).numpy()
    drawn = PLACED.draw(View(corner, shape, size), options).density
    (top, left), (height, width) = corner, shape
    np.testing.assert_array_equal(drawn, whole[top : top + height, left : left + width])


@given(
    top=st.floats(-1e4, 2e4),
    left=st.floats(-1e4, 2e4),
    height=st.floats(0, 3e4),
    width=st.floats(0, 3e4),
)
def test_all_molecules_in_a_box_are_found(
    top: float, left: float, height: float, width: float
) -> None:
    box = Box(top, left, top + height, left + width)
    found = PLACED.near(box)
    x, y = TABLE.x_nm, TABLE.y_nm
    inside = (y >= box.top) & (y <= box.bottom) & (x >= box.left) & (x <= box.right)
    if found is None:
        return
    assert set(np.flatnonzero(inside)) <= set(found)
    assert len(found) == len(set(found))


def test_few_molecules_are_looked_at_for_a_small_view() -> None:
    found = PLACED.near(Box(5000, 5000, 5040, 5040))
    assert found is not None
    assert len(found) < N / 1000
    assert PLACED.near(Box(-1e9, -1e9, 1e9, 1e9)) is None, "all, in the order of the table"


@pytest.mark.parametrize("options", KINDS[:3], ids=lambda options: f"{options.kind}")
def test_colours_mean_the_same_in_all_views(options: RenderOptions) -> None:
    part = VIEWS[0]
    drawn = PLACED.draw(part, options, "z_nm")
    made = draw_mean(
        TABLE,
        "z_nm",
        part.shape,
        options=options.replace(sr_pixel_nm=part.sr_pixel_nm),
        corner_px=part.corner_px,
    )
    assert drawn.limits == (made.low, made.high)
    assert drawn.mean is not None
    np.testing.assert_allclose(drawn.density, made.density, rtol=1e-4, atol=1e-4)
    some = made.density > 1e-3
    np.testing.assert_allclose(drawn.mean[some], made.mean[some], rtol=1e-3, atol=1e-2)


def test_where_no_molecule_has_a_value_a_view_has_no_colours() -> None:
    table = Localizations(
        frame=[0, 0, 0], x_nm=[5.0, 55.0, 900.0], y_nm=[5.0] * 3, z_nm=[np.nan, np.nan, 1.0]
    )
    drawn = PlacedMolecules(table).draw(View((0, 0), (1, 10), 10.0), RenderOptions(), "z_nm")
    assert not drawn.density.any()
    assert np.isnan(drawn.mean).all()
    with pytest.raises(ValueError, match="No column 'w' to colour by"):
        PlacedMolecules(table).draw(VIEWS[0], RenderOptions(), "w")


def test_too_many_gaussians_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view, "MAX_GAUSSIANS", 1000)
    many, few = View((0, 0), (200, 200), 50.0), View((1000, 1000), (100, 100), 4.0)
    options = RenderOptions(kind="gaussian")
    assert PLACED.draw(many, options).options.kind == "histogram"
    assert PLACED.draw(few, options).options.kind == "gaussian"


def test_a_drawing_is_given_up_once_it_is_not_wanted() -> None:
    stopping = threading.Event()
    stopping.set()
    with pytest.raises(InterruptedError):
        PLACED.draw(VIEWS[0], RenderOptions(), stopping=stopping)


@pytest.mark.parametrize("n", [0, 1])
def test_tables_of_no_or_one_molecule_have_views(n: int) -> None:
    table = Localizations(frame=[0] * n, x_nm=[15.0] * n, y_nm=[25.0] * n)
    placed = PlacedMolecules(table)
    for part in (View((2, 1), (1, 1), 10.0), View((-50, -50), (100, 100), 10.0)):
        assert placed.draw(part, RenderOptions()).density.sum() == n
    assert PlacedMolecules(table.to_torch()).field == placed.field


def test_the_field_reaches_from_the_first_molecule_to_the_last() -> None:
    table = Localizations(
        frame=[0] * 4, x_nm=[-20.0, 50.0, np.nan, 1e12], y_nm=[7.0, 90.0, 5000.0, 5000.0]
    )
    assert PlacedMolecules(table).field == Box(6.5, -20.5, 90.5, 50.5)


# -- which view ------------------------------------------------------------------------------

FIELD = Box(0.0, -500.0, 20_000.0, 30_000.0)


@given(
    middle=st.tuples(st.floats(-1e5, 1e5), st.floats(-1e5, 1e5)),
    screen=st.tuples(st.integers(50, 4000), st.integers(50, 4000)),
    pixel=st.floats(0.01, 300.0),
)
def test_a_view_holds_what_is_seen_in_few_pixels(
    middle: tuple[float, float], screen: tuple[int, int], pixel: float
) -> None:
    half = [side * pixel / 2 for side in screen]
    seen = Box(middle[0] - half[0], middle[1] - half[1], middle[0] + half[0], middle[1] + half[1])
    found = view_of(seen, pixel, FIELD)
    part = seen.within(FIELD)
    if part is None:
        assert found is None
        return
    assert found is not None
    assert part.within(found.box.wider(1e-6)) == part, "all that is seen is there"
    n_wide = screen[0] * screen[1] * (1 + 2 * view.MARGIN) ** 2
    rim = 2 * (found.shape[0] + found.shape[1] + 1)  # pixels that are seen in part
    assert np.prod(found.shape) <= min(n_wide, view.MAX_VIEW_PIXELS) + rim
    assert found.sr_pixel_nm >= min(pixel, view.MAX_PIXEL_NM) * (1 - 1e-6)
    if n_wide < view.MAX_VIEW_PIXELS and pixel > view.LEAST_PIXEL_NM:
        assert found.sr_pixel_nm <= pixel * 2**0.25 * (1 + 1e-6), "as fine as the screen"


def test_pixels_get_smaller_with_the_zoom_and_stay_where_they_are() -> None:
    sizes: list[Any] = []
    for zoom in 2.0 ** np.arange(0, 9, 0.125):
        half = 9000 / zoom
        seen = Box(9000 - half, 9000 - half, 9000 + half, 9000 + half)
        found = view_of(seen, 80 / zoom, FIELD)
        assert found is not None
        sizes.append(found.sr_pixel_nm)
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) == pytest.approx(9 * 4, abs=1)
    assert sizes[0] / sizes[-1] == pytest.approx(2**8.875, rel=0.2)
