"""Image metrics against their formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.metrics import (
    count_image,
    image_scores,
    least_squares_scale,
    ms_ssim,
    nmse_percent,
)


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
    assert image_scores(x, x)["psnr_db"] == np.inf


def test_what_has_no_answer_is_refused() -> None:
    x, t = images(0)
    with pytest.raises(ValueError, match="different shapes"):
        nmse_percent(x, t[:5])
    with pytest.raises(ValueError, match="NaN or infinite"):
        image_scores(np.full_like(x, np.nan), t)
    with pytest.raises(ValueError, match="truth image is empty"):
        nmse_percent(x, 0 * t)
    assert least_squares_scale(0 * x, t) == 0


def test_ratios_in_decibels_follow_their_formulas() -> None:
    x, t = images(3)
    scores = image_scores(x, t)
    error = np.square(scores["scale"] * x - t)
    assert scores["snr_db"] == pytest.approx(10 * np.log10((t**2).sum() / error.sum()))
    assert scores["psnr_db"] == pytest.approx(10 * np.log10(t.max() ** 2 / error.mean()))


def test_ms_ssim_is_the_product_over_scales_that_torchmetrics_finds() -> None:
    measures = pytest.importorskip("torchmetrics.functional.image")
    rng = np.random.default_rng(0)
    truth = gaussian_filter(rng.random((201, 188)), 1.5)
    estimate = truth + rng.normal(0, truth.std() / 2, truth.shape)
    data_range = float(np.ptp(truth))
    a, b = (torch.as_tensor(image)[None, None] for image in (estimate, truth))
    expected = 1.0
    for scale, weight in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
        kind = "return_full_image" if scale == 4 else "return_contrast_sensitivity"
        _, part = measures.structural_similarity_index_measure(
            a, b, data_range=data_range, **{kind: True}
        )
        # Its map of the coarsest scale has the padded border, which the measure leaves out.
        part = part[..., 5:-5, 5:-5] if scale == 4 else part
        expected *= float(part.mean()) ** weight
        a, b = (torch.nn.functional.avg_pool2d(image, 2) for image in (a, b))
    assert ms_ssim(estimate, truth, data_range=data_range) == pytest.approx(expected, rel=1e-6)


def test_small_images_have_the_measures_that_fit() -> None:
    x, t = images(4)
    small = image_scores(x, t)
    assert np.isnan(small["ms_ssim"])
    assert np.isfinite(small["ssim"])
    assert np.isnan(image_scores(x[:6], t[:6])["ssim"])
    large = np.random.default_rng(0).random((176, 176))
    assert image_scores(large, large)["ms_ssim"] == pytest.approx(1)
