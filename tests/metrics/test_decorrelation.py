"""Decorrelation analysis of images whose finest detail is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_deepsmlm.metrics import decorrelation

SIDE_PX = 512


def molecules(seed: int = 0, n: int = 3000) -> np.ndarray:
    image = np.zeros((SIDE_PX, SIDE_PX))
    np.add.at(image.ravel(), np.random.default_rng(seed).integers(0, image.size, n), 1000.0)
    return image


def noise(sd: float) -> np.ndarray:
    return np.random.default_rng(99).normal(0, sd, (SIDE_PX, SIDE_PX))


@pytest.mark.parametrize("cutoff", [0.2, 0.4, 0.6])
@pytest.mark.parametrize("noise_sd", [0.01, 0.1, 0.5])
def test_a_sharp_limit_is_found_whatever_the_noise(cutoff: float, noise_sd: float) -> None:
    radius = 2 * np.hypot(np.fft.fftfreq(SIDE_PX)[:, None], np.fft.fftfreq(SIDE_PX))
    image = np.fft.ifft2(np.fft.fft2(molecules()) * (radius < cutoff)).real
    found = decorrelation(image / image.std() + noise(noise_sd), pixel_nm=10)
    assert found.peak_k == pytest.approx(cutoff, abs=0.02)
    assert found.resolution_nm == pytest.approx(2 * 10 / found.peak_k)


@pytest.mark.parametrize("sigma_px", [1.5, 3.0, 6.0])
def test_the_resolution_of_a_gaussian_blur_is_about_its_fwhm(sigma_px: float) -> None:
    image = gaussian_filter(molecules(), sigma_px) + noise(0.5)
    found = decorrelation(image, pixel_nm=20)
    assert found.resolution_nm == pytest.approx(2.355 * sigma_px * 20, rel=0.1)


def test_the_unfiltered_curve_of_one_spot_peaks_where_the_closed_form_says() -> None:
    """|F| = exp(-a k^2) gives d(k) ~ (1 - exp(-a k^2)) / k, highest at a k^2 = 1.2564."""
    spot = np.zeros((SIDE_PX, SIDE_PX))
    spot[SIDE_PX // 2, SIDE_PX // 2] = 1
    sigma_px = 2.0
    found = decorrelation(gaussian_filter(spot, sigma_px, truncate=12), pixel_nm=10)
    a = 2 * np.pi**2 * sigma_px**2 / 4  # k = 1 is half a cycle per pixel
    curve = found.curves[0]
    assert found.cutoff[curve.argmax()] == pytest.approx(np.sqrt(1.2564 / a), abs=0.006)
    inner = found.cutoff > 0.05
    law = (1 - np.exp(-a * found.cutoff**2)) / found.cutoff * np.sqrt(2 / a)
    np.testing.assert_allclose(curve[inner], law[inner], rtol=0.02)


def test_the_scale_and_the_pixel_are_only_factors() -> None:
    image = gaussian_filter(molecules(), 3) + noise(0.5)
    a, b = decorrelation(image, 10.0), decorrelation(50 * image + 400, 25.0)
    assert b.resolution_nm == pytest.approx(2.5 * a.resolution_nm, rel=0.02)


def test_noise_alone_has_no_resolution() -> None:
    found = decorrelation(noise(1.0), pixel_nm=10)
    assert np.isnan(found.resolution_nm)
    assert "no peak" in found.problem


@pytest.mark.parametrize(
    ("image", "sentence"),
    [
        (np.eye(20), "20 x 20 pixels cannot be measured"),
        (np.ones((2, 64, 64)), "2 x 64 x 64 pixels cannot be measured"),
        (np.full((64, 64), np.inf), "NaN or infinite"),
        (np.ones((64, 64)), "one value in all pixels"),
    ],
)
def test_what_has_no_detail_is_refused(image, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        decorrelation(image, 10.0)
