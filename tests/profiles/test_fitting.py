from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import j0
from tests.profiles.conftest import gaussian, profile_across, ridge

from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.profiles import (
    MODELS,
    LineProfile,
    PixelGrid,
    fit_profile,
    line_profile,
)
from napari_deepsmlm.profiles.curves import curve_of, full_width
from napari_deepsmlm.render import histogram

PER_SIGMA = 2.354820


@settings(max_examples=60)
@given(
    angle=st.floats(0, np.pi),
    size=st.tuples(st.floats(50, 120), st.floats(50, 120)),
    shear=st.floats(-0.3, 0.3),
    sigma_px=st.floats(1.1, 2.5),
    shift=st.floats(0, 1),
)
def test_the_width_of_a_line_is_right_in_every_direction(
    angle: float, size: tuple[float, float], shear: float, sigma_px: float, shift: float
) -> None:
    grid = PixelGrid((17.0, -40.0), (size[0], shear * size[0]), (0.0, size[1]))
    sigma_nm = sigma_px * max(size) * 1.2  # of the coarsest direction of the sheared pixels
    image, middle, across = ridge(grid, angle, gaussian(sigma_nm), 39.5 + shift)
    profile = profile_across(7 + 100 * image, grid, middle, across, 4.5 * sigma_nm, width_px=3)
    fit = fit_profile(profile)
    assert fit.fwhm_nm == pytest.approx(PER_SIGMA * sigma_nm, rel=0.01)
    assert fit.sigma_nm * PER_SIGMA == pytest.approx(fit.fwhm_nm, rel=1e-6)
    assert fit.centre_nm == pytest.approx(4.5 * sigma_nm, abs=0.01 * sigma_nm)
    assert fit.background == pytest.approx(7, abs=1)
    assert fit.r_squared > 0.999


@pytest.mark.parametrize("degrees", [0, 30, 45, 77, 90])
def test_a_line_of_one_pixel_sigma_is_within_one_percent(degrees: float) -> None:
    grid = PixelGrid.of_pixels(100)
    image, middle, across = ridge(grid, np.deg2rad(degrees), gaussian(100))
    fit = fit_profile(profile_across(image, grid, middle, across, 600))
    assert fit.fwhm_nm == pytest.approx(235.482, rel=0.01)


@pytest.mark.parametrize("distance_nm", [40, 60, 80])
@pytest.mark.parametrize("degrees", [0, 37])
def test_two_lines_of_molecules_are_their_distance_apart(distance_nm: int, degrees: int) -> None:
    rng, n, sigma_nm, pixel_nm = np.random.default_rng(distance_nm + degrees), 40_000, 10.0, 5.0
    angle = np.deg2rad(degrees)
    across = np.array([np.sin(angle), np.cos(angle)])
    along = np.array([-across[1], across[0]])
    side = rng.choice([-0.5, 0.5], n) * distance_nm + rng.normal(0, sigma_nm, n)
    y, x = 500 + np.outer(across, side) + np.outer(along, rng.uniform(-300, 300, n))
    table = Localizations(frame=np.zeros(n, int), x_nm=x, y_nm=y)
    image = histogram(table, (200, 200), sr_pixel_nm=pixel_nm).numpy()
    grid = PixelGrid.of_pixels(pixel_nm)
    middle = np.array([500.0, 500.0])
    profile = profile_across(image, grid, middle, across, 120.0, width_nm=400)
    fit = fit_profile(profile, "two-gauss")
    assert fit.distance_nm == pytest.approx(distance_nm, abs=1.0)
    low, high = fit.distance_ci_nm or (0, 0)
    assert high - low < 4
    # A pixel of a histogram adds a twelfth of its square.
    assert fit.fwhm_nm == pytest.approx(
        PER_SIGMA * np.hypot(sigma_nm, pixel_nm / 12**0.5), rel=0.04
    )


# What each object is before it is blurred, from points all over it.
SPREADS: dict[str, Any] = {
    "flat": lambda rng, n: rng.uniform(-0.5, 0.5, n),
    "disk": lambda rng, n: 0.5 * np.sqrt(rng.random(n)) * np.cos(rng.uniform(0, 2 * np.pi, n)),
    "ring": lambda rng, n: 0.5 * np.cos(rng.uniform(0, 2 * np.pi, n)),
}


@pytest.mark.parametrize("model", SPREADS)
def test_models_are_the_projections_of_their_objects(model: Any) -> None:
    """The curve against a histogram of points drawn from the object, and blurred."""
    rng, n, size, sigma = np.random.default_rng(0), 1_000_000, 100.0, 12.0
    places = size * SPREADS[model](rng, n) + rng.normal(0, sigma, n)
    edges = np.arange(-121, 122, 2)
    counts = np.histogram(places, edges)[0]
    curve = curve_of(model).shapes((edges[1:] + edges[:-1]) / 2, np.array([0.0, sigma, size]))[0]
    expected = n * curve / curve.sum()
    is_common = expected > 100
    z_scores = (counts - expected)[is_common] / np.sqrt(expected[is_common])
    assert np.abs(z_scores).max() < 4.5
    assert z_scores.std() < 1.3


@pytest.mark.parametrize("model", SPREADS)
@pytest.mark.parametrize("size_nm", [150.0, 400.0])
@pytest.mark.parametrize("degrees", [0, 52])
def test_sizes_are_recovered(model: Any, size_nm: float, degrees: float) -> None:
    rng = np.random.default_rng(1)
    grid = PixelGrid.of_pixels(20)
    form = np.array([0.0, 30.0, size_nm])
    image, middle, across = ridge(
        grid,
        np.deg2rad(degrees),
        lambda d: curve_of(model).shapes(d.ravel(), form)[0].reshape(d.shape),
    )
    noisy = 20 + 100 * image / image.max() + rng.normal(0, 2, image.shape)
    fit = fit_profile(profile_across(noisy, grid, middle, across, 480.0, width_px=5), model)
    assert fit.size_nm == pytest.approx(size_nm, rel=0.03)
    assert fit.sigma_nm == pytest.approx(30, rel=0.2)
    assert fit.distance_nm is None
    low, high = fit.size_ci_nm or (0, 0)
    assert 0 < low < high < 1.2 * size_nm


def test_the_hollow_cylinder_is_the_transform_of_a_bessel_function() -> None:
    """Fourier transform of the projected ring: J0(pi D k) exp(-2 pi^2 sigma^2 k^2)."""
    position = np.arange(-512.0, 512.0)
    curve = curve_of("ring").shapes(position, np.array([0.0, 9.0, 120.0]))[0]
    k = np.fft.rfftfreq(len(position))
    found = np.fft.rfft(np.fft.ifftshift(curve)).real
    expected = j0(np.pi * 120 * k) * np.exp(-2 * (np.pi * 9 * k) ** 2)
    np.testing.assert_allclose(found / found[0], expected, atol=1e-6)


def test_the_half_maximum_of_wide_objects_is_their_own() -> None:
    """A slab is as wide at half its height as it is; a half circle sqrt(3)/2 of its diameter."""
    form = np.array([0.0, 0.5, 100.0])
    assert full_width(curve_of("flat"), form) == pytest.approx(100, rel=1e-4)
    assert full_width(curve_of("disk"), form) == pytest.approx(100 * np.sqrt(3) / 2, rel=1e-3)
    assert full_width(curve_of("ring"), form) == pytest.approx(100, rel=0.02)


@pytest.mark.parametrize("model", ["flat", "disk", "ring"])
def test_a_thin_object_is_as_wide_as_the_blur(model: Any) -> None:
    form = np.array([0.0, 10.0, 0.1])
    assert full_width(curve_of(model), form) == pytest.approx(PER_SIGMA * 10, rel=1e-4)


@pytest.mark.parametrize("model", MODELS)
def test_the_result_gives_the_curve_again(model: Any) -> None:
    curve, position = curve_of(model), 10.0 * np.arange(60)
    form = [280.0, 30.0, 150.0][: len(curve.form)]
    numbers = np.array([*form, *([50.0, 80.0][: curve.n_shapes]), 12.0])
    value = curve.values(position, numbers)
    fit = fit_profile(LineProfile(position, value, 10.0, 1, 0, 0), model)
    np.testing.assert_allclose(fit.curve(position), value, atol=1e-3)
    assert fit.heights == pytest.approx([50.0, 80.0][: curve.n_shapes], rel=1e-3)
    assert fit.residual_rms < 1e-3
    assert not fit.remarks
    plain = fit.to_json()
    assert plain["fwhm_nm"] == fit.fwhm_nm
    assert plain["model"] == model


def coverage(noisy: Any, n_trials: int = 200) -> float:
    """Return how often the interval holds the true width, over directions, widths and noise."""
    rng, grid, hits = np.random.default_rng(5), PixelGrid.of_pixels(1), 0
    for trial in range(n_trials):
        sigma, angle = rng.uniform(1.5, 3), rng.uniform(0, np.pi) if trial % 4 else 0.0
        image, middle, across = ridge(grid, angle, gaussian(sigma), rng.uniform(39, 41))
        image, sigma = noisy(image, sigma, rng)
        half, width = rng.uniform(12, 20), rng.choice([1, 5])
        fit = fit_profile(profile_across(image, grid, middle, across, half, width_px=width))
        low, high = fit.fwhm_ci_nm
        hits += low <= PER_SIGMA * sigma <= high
    return hits / n_trials


def test_intervals_hold_the_truth_in_even_noise() -> None:
    assert 0.92 <= coverage(lambda i, s, rng: (i + rng.normal(0, 0.1, i.shape), s)) <= 0.99


def test_intervals_hold_the_truth_in_shot_noise() -> None:
    assert 0.92 <= coverage(lambda i, s, rng: (rng.poisson(20 + 100 * i), s)) <= 0.99


def test_intervals_hold_the_truth_in_noise_that_neighbours_share() -> None:
    from scipy.ndimage import gaussian_filter

    def blurred(image: Any, sigma: float, rng: Any) -> tuple[Any, float]:
        return gaussian_filter(rng.poisson(20 + 100 * image) * 1.0, 1.0), np.hypot(sigma, 1.0)

    assert 0.90 <= coverage(blurred) <= 0.99


def flat_line(value: Any, step_nm: float = 10.0) -> LineProfile:
    return LineProfile(step_nm * np.arange(len(value)), np.asarray(value, float), 10.0, 1, 0, 0)


def test_what_cannot_be_fitted_is_one_sentence() -> None:
    with pytest.raises(ValueError, match=r"Unknown model 'gaus'\. Available: gauss, two-gauss"):
        fit_profile(flat_line(np.arange(30)), "gaus")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="needs 6 samples in the image, the line has 5"):
        fit_profile(flat_line([0, 1, 3, 1, 0]))
    with pytest.raises(ValueError, match="are the same"):
        fit_profile(flat_line(np.full(30, 7.0)))
    with pytest.raises(ValueError, match="the line has 0"):
        fit_profile(flat_line(np.full(30, np.nan)))


def test_samples_without_a_value_are_left_out_of_the_fit() -> None:
    position = np.arange(50)
    value = np.exp(-0.5 * ((position - 25) / 4) ** 2)
    value[[3, 20, 21]] = np.nan
    fit = fit_profile(flat_line(value))
    assert fit.n_samples == 47
    assert fit.sigma_nm == pytest.approx(40, rel=1e-6)


def test_doubts_are_said() -> None:
    position = np.arange(50)
    rng = np.random.default_rng(0)
    bell = np.exp(-0.5 * ((position - 25) / 4) ** 2)
    assert "only" in " ".join(fit_profile(flat_line(0.1 * bell + rng.normal(0, 1, 50))).remarks)
    short = fit_profile(flat_line(bell[20:31]))
    assert "three times as long" in " ".join(short.remarks)
    thin = fit_profile(flat_line(bell + rng.normal(0, 0.05, 50)), "ring")
    assert "the diameter cannot be told from the blur" in " ".join(thin.remarks)
    one = fit_profile(flat_line(bell + rng.normal(0, 0.05, 50)), "two-gauss")
    assert "nothing says that these are two lines" in " ".join(one.remarks)
    spike = fit_profile(flat_line(np.eye(50)[25]))
    assert "narrower than a pixel" in " ".join(spike.remarks)


def test_the_faint_tails_beside_a_structure_are_not_measured() -> None:
    y, x = np.mgrid[:60, :60]
    image = np.exp(-0.5 * ((x - 15) / 4.0) ** 2) + 3e-4 * np.exp(-0.5 * ((x - 45) / 3.0) ** 2)
    across = ((305, 25), (305, 275)), ((305, 355), (305, 595))
    on_it, beside_it = (line_profile(image, line, pixel_size_nm=10) for line in across)
    assert fit_profile(on_it).fwhm_nm == pytest.approx(40 * 2.354820, rel=1e-3)
    with pytest.raises(ValueError, match="Next to nothing lies along the line"):
        fit_profile(beside_it)


def test_a_faint_structure_beside_a_bright_one_is_measured() -> None:
    y, x = np.mgrid[:60, :60]
    image = np.exp(-0.5 * ((x - 15) / 4.0) ** 2) + 0.05 * np.exp(-0.5 * ((x - 45) / 3.0) ** 2)
    profile = line_profile(image, ((305, 305), (305, 595)), pixel_size_nm=10)
    assert fit_profile(profile).fwhm_nm == pytest.approx(30 * 2.354820, rel=1e-2)
