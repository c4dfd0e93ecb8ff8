from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_deepsmlm.profiles import PixelGrid, line_profile

RAMP = np.add.outer(10.0 * np.arange(20), np.arange(30.0))  # 10 per row, 1 per column


@given(
    ends=st.tuples(*4 * [st.floats(20, 40)]).filter(
        lambda e: np.hypot(e[2] - e[0], e[3] - e[1]) > 0.1
    ),
    size=st.tuples(st.floats(5, 200), st.floats(5, 200)),
    width=st.integers(1, 4),
)
def test_a_plane_is_sampled_exactly_at_true_distances(
    ends: Any, size: tuple[float, float], width: int
) -> None:
    grid = PixelGrid.of_pixels(size)
    ends_px = np.reshape(ends, (2, 2))
    line = grid.to_nm(ends_px)
    plane = np.add.outer(10.0 * np.arange(60), np.arange(60.0))
    profile = line_profile(plane, line, pixel_size_nm=size, width_px=width)
    length_nm = np.linalg.norm(line[1] - line[0])
    n = len(profile.position_nm)
    np.testing.assert_allclose(profile.position_nm, np.arange(n) * length_nm / (n - 1))
    # No further apart than a pixel.
    assert np.linalg.norm(ends_px[1] - ends_px[0]) / (n - 1) <= 1 + 1e-6
    share = profile.position_nm[:, None] / length_nm
    places = ends_px[0] + share * (ends_px[1] - ends_px[0])
    np.testing.assert_allclose(profile.value, places @ [10, 1], atol=1e-3)


@pytest.mark.parametrize("size", [(100.0, 100.0), (50.0, 200.0)])
def test_the_width_is_at_right_angles_in_the_sample(size: tuple[float, float]) -> None:
    """An edge that is parallel to the line in nm stays sharp however wide the band is."""
    grid = PixelGrid.of_pixels(size)
    places = grid.to_nm(np.moveaxis(np.indices((60, 60)), 0, -1))
    direction = np.array([0.6, 0.8])
    image = (places - grid.to_nm([30, 30])) @ direction  # the distance along the line itself
    start = grid.to_nm([30, 30]) - 600 * direction
    profile = line_profile(image, (start, start + 1200 * direction), grid=grid, width_px=7)
    np.testing.assert_allclose(profile.value, profile.position_nm - 600, atol=1e-6)
    across = line_profile(image, (start, start + np.array([-320, 240])), grid=grid, width_nm=200)
    np.testing.assert_allclose(across.value, -600, atol=1e-4)


def test_a_rotated_and_sheared_grid_gives_the_places_in_the_sample() -> None:
    grid = PixelGrid((3.0, -7.0), (80.0, 60.0), (-30.0, 90.0))
    points = np.array([[0.0, 0.0], [4.0, 2.5], [-1.0, 7.0]])
    np.testing.assert_allclose(grid.to_pixels(grid.to_nm(points)), points, atol=1e-12)
    assert grid.pitch_nm((80, 60)) == pytest.approx(100)
    profile = line_profile(RAMP, grid.to_nm([[2, 3], [9, 12]]), grid=grid)
    np.testing.assert_allclose(profile.value[[0, -1]], [23, 102], atol=0.2)


def test_what_is_outside_is_left_out_and_never_zero() -> None:
    profile = line_profile(RAMP + 5, ((950, -950), (950, 1050)), pixel_size_nm=100)
    is_outside = profile.position_nm < 950
    assert np.isnan(profile.value[is_outside]).all()
    assert (profile.value[~is_outside] > 90).all()
    assert profile.n_outside == is_outside.sum() == 10
    assert profile.remarks == ("10 of 21 samples lie outside the image: left out.",)


def test_a_band_over_the_edge_is_the_mean_of_what_is_there() -> None:
    image = np.tile(np.arange(10.0)[:, None], (1, 20))
    profile = line_profile(image, ((50, 300), (50, 1200)), pixel_size_nm=100, width_px=3)
    # The row itself and the one below it; the one above is not there.
    np.testing.assert_allclose(profile.value, 0.5, atol=1e-9)


def test_pixels_without_a_value_are_left_out_and_spoil_no_other() -> None:
    image = RAMP.copy()
    image[5, 10] = np.nan
    profile = line_profile(image, ((550, 250), (550, 2050)), pixel_size_nm=100)
    assert np.flatnonzero(np.isnan(profile.value)).tolist() == [8]
    np.testing.assert_allclose(np.delete(profile.value, 8), 50 + np.delete(np.arange(2, 21), 8))
    assert "1 of 19 samples have no value (NaN): left out." in profile.remarks


def test_only_what_is_near_the_line_is_read() -> None:
    class Huge:
        shape, dtype = (10**6, 10**6), np.dtype(np.uint16)
        n_read = 0

        def __getitem__(self, key: tuple[slice, slice]) -> np.ndarray:
            rows, columns = (range(10**6)[one] for one in key)
            self.n_read += len(rows) * len(columns)
            return np.add.outer(np.array(rows) % 7, np.array(columns) % 7)

    image = Huge()
    profile = line_profile(image, ((1000, 1000), (3000, 3000)), pixel_size_nm=1)
    assert len(profile.value) == 2830
    assert image.n_read < 1_000_000


def test_a_long_line_in_parts_is_one_line() -> None:
    image = np.random.default_rng(0).random((300, 300))
    line = ((20.5, 10.5), (290.5, 280.5))
    whole = line_profile(image, line, pixel_size_nm=1)
    middle = line_profile(image, ((155.5, 145.5), line[1]), pixel_size_nm=1)
    assert len(whole.value) > 256
    np.testing.assert_allclose(whole.value[-192:], middle.value, atol=1e-5)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (((50, 50), (50, 50)), "has no length"),
        (((-500, -500), (-90, -90)), r"from \(-5.5, -5.5\) to \(-1.4, -1.4\) px lies outside"),
        (((0, 0), (np.nan, 3)), "finite numbers"),
        ((1, 2, 3, 4), "A line is"),
        (((0, 0), (0, 1e9)), "at most 100,000"),
    ],
)
def test_a_line_that_cannot_be_profiled_is_one_sentence(line: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        line_profile(RAMP, line, pixel_size_nm=100)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.zeros((9, 9, 3), np.uint8), "colour image"),
        (np.zeros((5, 9, 9)), "one image"),
        (np.zeros((9, 9), complex), "real grey levels"),
        (np.zeros((0, 9)), "one image"),
    ],
)
def test_an_image_that_is_none_is_one_sentence(image: np.ndarray, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        line_profile(image, ((50, 50), (50, 500)), pixel_size_nm=100)


@pytest.mark.parametrize("size", [0, -1.0, np.nan, (100, 0)])
def test_pixels_need_a_size(size: Any) -> None:
    with pytest.raises(ValueError, match="above 0 nm"):
        line_profile(RAMP, ((50, 50), (50, 500)), pixel_size_nm=size)


def test_flat_pixels_and_bad_widths_are_refused() -> None:
    with pytest.raises(ValueError, match="must have an area"):
        PixelGrid((0, 0), (1, 1), (2, 2))
    with pytest.raises(ValueError, match="either pixel_size_nm or grid"):
        line_profile(RAMP, ((50, 50), (50, 500)))
    with pytest.raises(ValueError, match="width must be above 0"):
        line_profile(RAMP, ((50, 50), (50, 500)), pixel_size_nm=100, width_px=0)
