"""Rendered tables against the error function and against their own numbers of rows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.special import erf

from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.render import gaussian, histogram, rendering_of

SHAPE = (40, 50)
PIXEL_NM = 10.0


def table(x, y, sigma_x=None, sigma_y=None) -> Localizations:
    x, y = np.atleast_1d(x).astype(float), np.atleast_1d(y).astype(float)
    own = {}
    if sigma_x is not None:
        own = {
            "uncertainty_x_nm": np.full(x.shape, float(sigma_x)),
            "uncertainty_y_nm": np.full(x.shape, float(sigma_y)),
        }
    return Localizations(frame=np.arange(len(x)), x_nm=x, y_nm=y, **own)


def along(n: int, centre_nm: float, sigma_nm: float) -> np.ndarray:
    """Mass of a Gaussian in each of n pixels."""
    borders = np.arange(n + 1) * PIXEL_NM
    return np.diff(erf((borders - centre_nm) / (np.sqrt(2) * sigma_nm))) / 2


@pytest.mark.parametrize("sigma", [(4.0, 4.0), (13.0, 29.0), (50.0, 7.0)])
@pytest.mark.parametrize("place", [(200.0, 200.0), (251.3, 189.9), (3.0, 396.0), (-12.0, 200.0)])
def test_a_gaussian_is_integrated_over_pixels(sigma, place) -> None:
    image = gaussian(table(*place, *sigma), SHAPE, sr_pixel_nm=PIXEL_NM).numpy()
    expected = np.outer(along(40, place[1], sigma[1]), along(50, place[0], sigma[0]))
    np.testing.assert_allclose(image, expected, atol=5e-5)


def test_no_mass_is_lost_inside_the_image() -> None:
    rng = np.random.default_rng(0)
    rows = table(rng.uniform(150, 350, 500), rng.uniform(150, 250, 500), 25.0, 11.0)
    image = gaussian(rows, SHAPE, sr_pixel_nm=PIXEL_NM)
    assert image.sum().item() == pytest.approx(500, rel=1e-5)


@pytest.mark.parametrize("place", [(-900.0, 200.0), (200.0, 5000.0), (1e9, -1e9)])
def test_molecules_outside_of_the_image_are_not_drawn(place: tuple[float, float]) -> None:
    assert not gaussian(table(*place, 12.0, 12.0), SHAPE, sr_pixel_nm=PIXEL_NM).any()


def test_one_sigma_for_all_overrides_their_own() -> None:
    rows = table([100, 300], [200, 220], 5, 5)
    image = gaussian(rows, SHAPE, sr_pixel_nm=PIXEL_NM, sigma_nm=20.0)
    same = gaussian(table([100, 300], [200, 220], 20, 20), SHAPE, sr_pixel_nm=PIXEL_NM)
    torch.testing.assert_close(image, same)
    with pytest.raises(
        ValueError, match="no uncertainty_x_nm and no uncertainty_y_nm: give one width"
    ):
        gaussian(table(100, 200), SHAPE, sr_pixel_nm=PIXEL_NM)


@pytest.mark.parametrize("sigma", [0.0, np.nan, 1e-9])
def test_a_molecule_without_width_is_a_point(sigma: float) -> None:
    rows = table([100, 133.3], [200, 399.9], sigma, sigma)
    image = gaussian(rows, SHAPE, sr_pixel_nm=PIXEL_NM)
    row, column = torch.nonzero(image, as_tuple=True)
    assert image.sum().item() == pytest.approx(2)
    assert set(row.tolist()) <= {19, 20, 39}
    assert set(column.tolist()) <= {9, 10, 13}


def test_molecules_of_many_widths_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    x, y, sx, sy = rng.uniform(0, 1, (4, 300)) * [[500], [400], [80], [80]]
    rows = Localizations(
        frame=np.zeros(300), x_nm=x, y_nm=y, uncertainty_x_nm=sx, uncertainty_y_nm=sy
    )
    image = gaussian(rows, SHAPE, sr_pixel_nm=PIXEL_NM)
    expected = sum(np.outer(along(40, y[k], sy[k]), along(50, x[k], sx[k])) for k in range(300))
    np.testing.assert_allclose(image, expected, atol=2e-3)
    monkeypatch.setattr("napari_deepsmlm.render.gaussians.PIXELS_PER_STEP", 100)
    torch.testing.assert_close(gaussian(rows, SHAPE, sr_pixel_nm=PIXEL_NM), image)


odd = st.sampled_from([np.nan, np.inf, -np.inf, 1e300, -1e300])
numbers = hnp.arrays(np.float64, st.integers(0, 50), elements=st.floats(-1e5, 1e5) | odd)


@given(numbers, st.floats(0.1, 1000))
def test_the_histogram_counts_the_rows_inside(values: np.ndarray, pixel_nm: float) -> None:
    x, y = values, values[::-1]
    is_inside = (x >= 0) & (x / pixel_nm < 50) & (y >= 0) & (y / pixel_nm < 40)
    image = histogram(table(x, y), SHAPE, sr_pixel_nm=pixel_nm)
    assert image.shape == SHAPE
    assert image.sum() == is_inside.sum()
    drawn = gaussian(table(x, y), SHAPE, sr_pixel_nm=pixel_nm, sigma_nm=1e-6)
    assert torch.isfinite(drawn).all()
    assert drawn.sum() >= is_inside.sum() * 0.24  # a quarter of a point on the corner


def test_a_molecule_belongs_to_the_pixel_that_contains_it() -> None:
    image = histogram(table([0, 9.999, 10, 499.9], [0, 5, 399.9, 3]), SHAPE, sr_pixel_nm=PIXEL_NM)
    expected = np.zeros(SHAPE)
    expected[0, 0], expected[39, 1], expected[0, 49] = 2, 1, 1
    np.testing.assert_array_equal(image, expected)


def test_tables_of_torch_and_numpy_give_the_same() -> None:
    rows = table([100, 300], [200, 220], 15, 25)
    for render in (histogram, gaussian):
        ours = render(rows, SHAPE, sr_pixel_nm=PIXEL_NM)
        torch.testing.assert_close(
            render(rows.to_torch(), SHAPE, sr_pixel_nm=PIXEL_NM), ours.float(), atol=1e-5, rtol=0
        )


def test_what_is_drawn_follows_the_columns() -> None:
    known = rendering_of(table(100, 200, 15, 25).names)
    unknown = rendering_of(("frame", "x_nm", "y_nm", "uncertainty_x_nm"))
    assert "Gaussian" in known.words
    assert unknown.words == "molecules counted in each pixel"
    assert (known.draw(table(100, 200, 15, 25), SHAPE, PIXEL_NM) > 0).sum() > 9
    assert (unknown.draw(table(100, 200), SHAPE, PIXEL_NM) > 0).sum() == 1


@pytest.mark.parametrize(("sigma_x_nm", "sigma_y_nm"), [(5000, 5000), (5000, 300), (2400, 1600)])
def test_wide_gaussians_are_as_wide_as_they_say_and_soon_drawn(
    sigma_x_nm: float, sigma_y_nm: float
) -> None:
    shape, pixel_nm = (217, 300), 20.0
    place = {"frame": [0], "x_nm": [2410.0], "y_nm": [1333.0]}
    widths = {"uncertainty_x_nm": [sigma_x_nm], "uncertainty_y_nm": [sigma_y_nm]}
    one = Localizations(**place, **widths)

    def along(n: int, centre_nm: float, sigma_nm: float) -> np.ndarray:
        edges = (np.arange(n + 1) * pixel_nm - centre_nm) / (np.sqrt(2) * sigma_nm)
        return np.diff(erf(edges)) / 2

    expected = np.outer(along(217, 1333, sigma_y_nm), along(300, 2410, sigma_x_nm))
    image = gaussian(one.to_torch(), shape, sr_pixel_nm=pixel_nm).numpy()
    np.testing.assert_allclose(image, expected, atol=4e-3 * expected.max())
    assert image.sum() == pytest.approx(expected.sum(), rel=2e-3)
