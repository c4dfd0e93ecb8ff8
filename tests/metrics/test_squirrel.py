"""SQUIRREL error maps: planted blur, scale and offset come back, planted errors are seen."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_deepsmlm.metrics import error_map

UPSAMPLING = 8


def molecules(seed: int = 0, shape: tuple[int, int] = (48, 40)) -> np.ndarray:
    rng = np.random.default_rng(seed)
    image = np.zeros((shape[0] * UPSAMPLING, shape[1] * UPSAMPLING))
    np.add.at(image.ravel(), rng.integers(0, image.size, 3000), 1.0)
    return gaussian_filter(image, 1)


def seen(image: np.ndarray, sigma_px: float, alpha: float, beta: float) -> np.ndarray:
    sigma = sigma_px * UPSAMPLING
    blurred = gaussian_filter(alpha * image + beta, sigma, mode="reflect", truncate=6)
    rows, columns = image.shape[0] // UPSAMPLING, image.shape[1] // UPSAMPLING
    return blurred.reshape(rows, UPSAMPLING, columns, UPSAMPLING).mean((1, 3))


@pytest.mark.parametrize(
    ("sigma_px", "alpha", "beta"), [(1.2, 500.0, 100.0), (0.6, 20.0, 5.0), (2.5, 1.0, 0.0)]
)
def test_planted_blur_scale_and_offset_come_back(sigma_px, alpha, beta) -> None:
    image = molecules()
    found = error_map(image, seen(image, sigma_px, alpha, beta))
    assert found.sigma_px == pytest.approx(sigma_px, rel=1e-3)
    assert found.alpha == pytest.approx(alpha, rel=1e-3)
    assert found.beta == pytest.approx(beta, rel=1e-3, abs=1e-3)
    assert found.rsp == pytest.approx(1, abs=1e-6)
    assert found.rse < 1e-4 * alpha


def test_noise_of_the_reference_is_the_error() -> None:
    image = molecules()
    clean = seen(image, 1.3, 200.0, 50.0)
    sd = 0.1 * clean.std()
    noisy = clean + np.random.default_rng(1).normal(0, sd, clean.shape)
    found = error_map(image, noisy)
    assert found.rse == pytest.approx(sd, rel=0.05)
    assert found.rsp == pytest.approx(np.sqrt(1 / 1.01), abs=0.002)
    assert (found.sigma_px, found.alpha) == (
        pytest.approx(1.3, rel=0.02),
        pytest.approx(200, rel=0.02),
    )
    np.testing.assert_allclose(found.error, np.abs(noisy - found.explained))


def test_what_is_missing_shows_in_the_map() -> None:
    image = molecules(2)
    reference = seen(image, 1.2, 300.0, 20.0)
    missing = image.copy()
    rows, columns = slice(20 * UPSAMPLING, 26 * UPSAMPLING), slice(10 * UPSAMPLING, 16 * UPSAMPLING)
    missing[rows, columns] = 0
    found = error_map(missing, reference)
    inside = found.error[21:25, 11:15].mean()
    assert inside > 5 * np.median(found.error)
    assert found.rsp < error_map(image, reference).rsp


def test_a_reference_of_the_same_pixels_is_fine() -> None:
    image = np.random.default_rng(3).random((40, 40))
    found = error_map(image, 2 * gaussian_filter(image, 1.5) + 7)
    assert (found.sigma_px, found.alpha, found.beta) == (
        pytest.approx(1.5, rel=0.01),
        pytest.approx(2, rel=0.02),
        pytest.approx(7, rel=0.02),
    )


@pytest.mark.parametrize(
    ("image", "reference", "sentence"),
    [
        (np.eye(60), np.eye(16), "60 x 60 pixels is no whole multiple of the reference of 16 x 16"),
        (np.eye(64), np.eye(16)[:8], "no whole multiple"),
        (np.eye(8), np.eye(16), "no whole multiple"),
        (np.ones((2, 8, 8)), np.eye(8), "two axes"),
        (np.full((16, 16), np.nan), np.eye(8), "The image holds NaN"),
        (np.eye(16), np.ones((8, 8)), "reference has one value in all pixels"),
    ],
)
def test_what_does_not_fit_is_refused(image, reference, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        error_map(image, reference)
