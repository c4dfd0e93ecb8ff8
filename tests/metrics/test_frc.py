"""Fourier ring correlation against closed forms: shared signal, and a known localization error."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.metrics import ring_correlation
from napari_deepsmlm.metrics.frc import half_images, random_halves, time_halves

FIELD_NM = 12_000.0


def localized(sigma_nm: float, per_half: int, seed: int, n: int = 12_000) -> Localizations:
    """Molecules anywhere, each found `per_half` times in frame 0 and as often in frame 1."""
    rng = np.random.default_rng(seed)
    places = np.tile(rng.uniform(0, FIELD_NM, (n, 2)), (2 * per_half, 1))
    found = places + rng.normal(0, sigma_nm, places.shape)
    frame = np.repeat([0, 1], n * per_half)
    return Localizations(frame=frame, x_nm=found[:, 0], y_nm=found[:, 1])


@pytest.mark.parametrize(("signal", "noise"), [(1.0, 1.0), (4.0, 1.0), (1.0, 3.0), (1.0, 0.0)])
def test_common_signal_and_independent_noise_give_their_share(signal: float, noise: float) -> None:
    rng = np.random.default_rng(0)
    common, *own = rng.normal(size=(3, 256, 240))
    halves = [np.sqrt(signal) * common + np.sqrt(noise) * one for one in own]
    curve = ring_correlation(*halves, pixel_nm=10)
    share = signal / (signal + noise)
    # Each ring has about pi r independent frequencies: the error falls as 1 / sqrt(pi r).
    n_free = np.pi * np.arange(1, len(curve.correlation) + 1)
    pull = (curve.correlation - share) * np.sqrt(n_free)
    assert np.sqrt(np.mean(pull**2)) < 2 * (1 - share) + 1e-6
    assert np.average(curve.correlation, weights=n_free) == pytest.approx(share, abs=0.01)


def test_noise_alone_has_no_resolution() -> None:
    halves = np.random.default_rng(1).normal(size=(2, 128, 128))
    curve = ring_correlation(*halves, pixel_nm=10)
    assert np.isnan(curve.resolution_nm)
    assert "not agree even on the coarsest" in curve.problem


def test_an_image_agrees_with_itself_down_to_its_pixels() -> None:
    image = np.random.default_rng(2).random((64, 80))
    curve = ring_correlation(image, image, pixel_nm=25)
    np.testing.assert_allclose(curve.correlation, 1, atol=1e-5)
    assert np.isnan(curve.resolution_nm)
    assert "50 nm; choose smaller pixels" in curve.problem
    assert curve.per_nm[-1] == pytest.approx(1 / 50)


@pytest.mark.parametrize(("sigma_nm", "per_half"), [(10.0, 1), (20.0, 1), (20.0, 4)])
def test_a_known_localization_error_gives_the_expected_curve_and_resolution(
    sigma_nm: float, per_half: int
) -> None:
    table = localized(sigma_nm, per_half, seed=3)
    halves = half_images(table, table.frame == 1, 5.0, (0.0, 0.0, FIELD_NM, FIELD_NM))
    curve = ring_correlation(*halves, pixel_nm=5.0)
    # Each half's amplitude falls as exp(-2 pi^2 q^2 sigma^2); n finds of one molecule have a
    # power of n + n (n - 1) exp(-4 pi^2 q^2 sigma^2).
    agreed = np.exp(-4 * np.pi**2 * curve.per_nm**2 * sigma_nm**2)
    law = per_half * agreed / (1 + (per_half - 1) * agreed)
    assert np.abs(curve.smoothed - law)[3:].max() < 0.1
    assert np.sqrt(np.mean((curve.smoothed - law) ** 2)) < 0.02
    expected = 2 * np.pi * sigma_nm / np.sqrt(np.log(6 * per_half + 1))
    assert curve.resolution_nm == pytest.approx(expected, rel=0.03)


def test_frequencies_do_not_depend_on_the_shape() -> None:
    """A wide image of the same detail has the same resolution as a square one."""
    table = localized(20.0, 1, seed=4)
    is_second = table.frame == 1
    found = []
    for bottom in (FIELD_NM, FIELD_NM / 2):
        rows = table.y_nm < bottom
        box = (0.0, 0.0, FIELD_NM, bottom)
        halves = half_images(table[rows], is_second[rows], 8.0, box)
        found.append(ring_correlation(*halves, pixel_nm=8.0).resolution_nm)
    assert found[0] == pytest.approx(found[1], rel=0.05)


def test_blinks_in_both_halves_inflate_the_random_one() -> None:
    """Molecules on for five frames with one error each: only blocks of time keep them apart."""
    rng = np.random.default_rng(5)
    places = np.tile(rng.uniform(0, FIELD_NM, (6_000, 2)), (2, 1))
    start = np.concatenate([rng.integers(0, 50, 6_000) * 20, rng.integers(0, 50, 6_000) * 20 + 10])
    place = places + rng.normal(0, 25, places.shape)  # of the blink, not of the frame
    rows = np.repeat(np.arange(len(place)), 5)
    table = Localizations(
        frame=start[rows] + np.tile(np.arange(5), len(place)),
        x_nm=place[rows, 0],
        y_nm=place[rows, 1],
    )
    box = (-200.0, -200.0, FIELD_NM + 200, FIELD_NM + 200)
    splits = time_halves(table.frame, n_blocks=100), random_halves(len(table), seed=0)
    time, random = (
        ring_correlation(*half_images(table, split, 8.0, box), 8.0).resolution_nm
        for split in splits
    )
    assert time == pytest.approx(2 * np.pi * 25 / np.sqrt(np.log(7)), rel=0.05)
    # At random the halves share blinks: they agree down to the pixels, or far below the truth.
    assert np.isnan(random) or random < 0.5 * time


def test_halves_by_time_alternate_in_blocks() -> None:
    frame = np.arange(100, 200)
    is_second = time_halves(frame, n_blocks=4)
    np.testing.assert_array_equal(is_second, np.repeat([False, True, False, True], 25))
    np.testing.assert_array_equal(time_halves(np.array([7, 9]), 20), [False, False])
    np.testing.assert_array_equal(time_halves(np.array([7, 8, 9]), 20), [False, True, False])


def test_halves_at_random_are_equal_and_repeatable() -> None:
    is_second = random_halves(1001, seed=3)
    assert is_second.sum() == 500
    np.testing.assert_array_equal(is_second, random_halves(1001, seed=3))
    assert (is_second != random_halves(1001, seed=4)).any()


def test_half_images_hold_every_molecule_once() -> None:
    table = localized(20.0, 1, seed=6, n=500)
    box = (table.x_nm.min(), table.y_nm.min(), table.x_nm.max(), table.y_nm.max())
    halves = half_images(table, table.frame == 1, 10.0, tuple(map(float, box)))
    assert [half.sum() for half in halves] == [500, 500]


@pytest.mark.parametrize(
    ("first", "second", "sentence"),
    [
        (np.ones((40, 40)), np.ones((40, 41)), r"one shape, got \(40, 40\) and \(40, 41\)"),
        (np.eye(16), np.eye(16), "16 x 16 pixels cannot be measured: 32 pixels"),
        (np.eye(40), np.full((40, 40), np.nan), "NaN or infinite"),
        (np.eye(40), np.ones((40, 40)), "one value in all pixels"),
    ],
)
def test_what_cannot_be_correlated_is_refused(first, second, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        ring_correlation(first, second, 10.0)


def test_an_even_level_does_not_matter() -> None:
    rng = np.random.default_rng(7)
    common, a, b = rng.normal(size=(3, 128, 128))
    common = gaussian_filter(common, 3) * 10
    plain = ring_correlation(common + a, common + b, 10.0)
    raised = ring_correlation(common + a + 1000, common + b + 1000, 10.0)
    assert raised.resolution_nm == pytest.approx(plain.resolution_nm, rel=1e-3)
