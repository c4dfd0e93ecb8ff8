"""Image metrics against their formulas."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.metrics import count_image, image_scores, least_squares_scale, nmse_percent


def images(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.random((16, 12)), rng.random((16, 12))


@given(st.integers(0, 99), st.floats(0.01, 100))
def test_nmse_is_its_formula_at_the_best_scale(seed: int, factor: float) -> None:
    x, t = images(seed)
    a = (x * t).sum() / (x * x).sum()
    expected = 100 * ((a * x - t) ** 2).sum() / (t * t).sum()
    assert nmse_percent(x, t) == pytest.approx(expected)
    assert nmse_percent(factor * x, t) == pytest.approx(expected)
    for other in (0.9 * a, 1.1 * a):
        assert nmse_percent(x, t, scale=other) >= expected
    # At the least-squares scale NMSE is 1 - cos^2 of the angle between the images.
    cosine = (x * t).sum() / np.sqrt((x * x).sum() * (t * t).sum())
    assert expected == pytest.approx(100 * (1 - cosine**2))


def test_blur_brings_neighbours_together() -> None:
    a, b = np.zeros((21, 21)), np.zeros((21, 21))
    a[10, 10] = b[10, 11] = 1
    assert nmse_percent(a, b) == pytest.approx(100)
    # Gaussians of width s a distance d apart: cos = exp(-d^2 / (4 s^2)).
    expected = 100 * (1 - np.exp(-1 / (4 * 2.0**2)) ** 2)
    assert nmse_percent(a, b, blur_sigma_px=2) == pytest.approx(expected, rel=0.02)


def test_molecules_are_binned_by_floor() -> None:
    table = Localizations(
        frame=[0, 0, 1, 1, 2],
        x_nm=[0.0, 12.49, 12.5, 99.99, 100.0],
        y_nm=[0.0, 0.0, 25.0, 49.99, 10.0],
    )
    image = count_image(table, (4, 8), 12.5)
    assert image[0, 0] == 2
    assert image[2, 1] == 1
    assert image[3, 7] == 1
    assert image.sum() == 4  # the last lies outside


def test_a_scaled_copy_is_perfect() -> None:
    x, _ = images(0)
    scores = image_scores(3 * x, x)
    assert scores["nmse_percent"] == pytest.approx(0, abs=1e-9)
    assert scores["scale"] == pytest.approx(1 / 3)
    assert scores["ssim"] == pytest.approx(1)


def test_what_has_no_answer_is_refused() -> None:
    x, t = images(0)
    with pytest.raises(ValueError, match="different shapes"):
        nmse_percent(x, t[:5])
    with pytest.raises(ValueError, match="truth image is empty"):
        nmse_percent(x, 0 * t)
    assert least_squares_scale(0 * x, t) == 0
