"""Average shifted histograms against their definition; colours that mean what they say."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.render import (
    RenderOptions,
    average_shifted_histogram,
    draw,
    draw_colored,
    draw_mean,
    field_shape,
    gaussians,
    histogram,
)
from napari_deepsmlm.render.colors import STOPS, hue_of

SHAPE = (40, 50)
PIXEL_NM = 10.0
KINDS = [
    RenderOptions(kind="histogram", sr_pixel_nm=PIXEL_NM),
    RenderOptions(kind="gaussian", sr_pixel_nm=PIXEL_NM, sigma_nm=12.0),
    RenderOptions(kind="gaussian", sr_pixel_nm=PIXEL_NM),
    RenderOptions(kind="ash", sr_pixel_nm=PIXEL_NM, n_shifts=3),
]
every_kind = pytest.mark.parametrize("options", KINDS, ids=lambda o: f"{o.kind}-{o.sigma_nm}")


def table_of(n: int, seed: int, low: float = 80.0, high: float = 320.0) -> Localizations:
    chance = np.random.default_rng(seed)
    x, y = chance.uniform(low, high, (2, n))
    sigma = chance.uniform(2, 15, n)
    return Localizations(
        frame=np.zeros(n),
        x_nm=x,
        y_nm=y,
        z_nm=chance.uniform(-300, 300, n),
        uncertainty_x_nm=sigma,
        uncertainty_y_nm=sigma[::-1],
    )


def shifted_mean(table: Localizations, n_shifts: int) -> np.ndarray:
    """The definition: for every shift count in wide bins, spread over their pixels, and average."""
    total = np.zeros(SHAPE)
    bin_nm = n_shifts * PIXEL_NM
    for dy in range(n_shifts):
        for dx in range(n_shifts):
            ys = np.arange(-dy, SHAPE[0] + n_shifts) * 1.0
            xs = np.arange(-dx, SHAPE[1] + n_shifts) * 1.0
            rows = ys[::n_shifts] * PIXEL_NM
            columns = xs[::n_shifts] * PIXEL_NM
            counts, *_ = np.histogram2d(
                table.y_nm, table.x_nm, [np.append(rows, rows[-1] + bin_nm),
                                         np.append(columns, columns[-1] + bin_nm)],
            )  # fmt: skip
            fine = counts.repeat(n_shifts, 0).repeat(n_shifts, 1) / n_shifts**2
            total += fine[dy : dy + SHAPE[0], dx : dx + SHAPE[1]]
    return total / n_shifts**2


@pytest.mark.parametrize("n_shifts", [1, 2, 3, 5])
def test_an_average_shifted_histogram_is_what_its_name_says(n_shifts: int) -> None:
    table = table_of(300, 0, low=0.0, high=399.0)
    image = average_shifted_histogram(table, SHAPE, sr_pixel_nm=PIXEL_NM, n_shifts=n_shifts)
    np.testing.assert_allclose(image.numpy(), shifted_mean(table, n_shifts), atol=1e-5)


@every_kind
@given(seed=st.integers(0, 1000), n=st.integers(0, 60))
def test_the_sum_is_the_number_of_molecules(options: RenderOptions, seed: int, n: int) -> None:
    image = draw(table_of(n, seed), SHAPE, options=options)
    assert image.shape == SHAPE
    assert image.sum().item() == pytest.approx(n, rel=1e-5, abs=1e-5)
    assert (image >= -1e-6).all()


@every_kind
@given(seed=st.integers(0, 1000), rows=st.integers(-8, 8), columns=st.integers(-8, 8))
def test_moving_molecules_moves_the_image(
    options: RenderOptions, seed: int, rows: int, columns: int
) -> None:
    # Not on borders of pixels, where rounding decides.
    table = table_of(40, seed, low=150.0, high=250.0)
    moved = table.with_columns(
        x_nm=table.x_nm + columns * PIXEL_NM, y_nm=table.y_nm + rows * PIXEL_NM
    )
    image = draw(table, SHAPE, options=options)
    expected = torch.roll(image, (rows, columns), (0, 1))
    torch.testing.assert_close(draw(moved, SHAPE, options=options), expected, atol=1e-4, rtol=1e-4)


@every_kind
def test_weights_are_what_molecules_count(options: RenderOptions) -> None:
    table = table_of(50, 1)
    weights = torch.arange(50.0) % 3
    image = draw(table, SHAPE, options=options, weights=weights)
    again = Localizations.concatenate([table[np.arange(50) % 3 == 1], *2 * [table[2::3]]])
    torch.testing.assert_close(image, draw(again, SHAPE, options=options), atol=1e-5, rtol=1e-5)


def test_counts_above_sixteen_million_are_exact() -> None:
    n = 1 << 10
    table = Localizations(frame=np.zeros(n), x_nm=np.full(n, 5.0), y_nm=np.full(n, 5.0))
    weights = torch.full((n,), 2.0**14 + 1, dtype=torch.float64)
    image = histogram(table, (1, 1), sr_pixel_nm=10, weights=weights)
    assert image.item() == 2**24 + 2**10


def test_the_image_reaches_to_the_last_molecule() -> None:
    table = Localizations(frame=[0, 0, 0], x_nm=[5.0, 40.0, np.nan], y_nm=[19.9, -3.0, 7.0])
    assert field_shape(table, 10) == (2, 5)
    assert field_shape(Localizations.empty(), 10) == (1, 1)
    far = Localizations(frame=[0], x_nm=[9e8], y_nm=[9e8])
    with pytest.raises(ValueError, match=r"90,000,001 x 90,000,001 pixels of 10 nm; choose"):
        field_shape(far, 10)


# -- colours ---------------------------------------------------------------------------------


def lightness(rgb: np.ndarray) -> np.ndarray:
    """CIE L* of sRGB colours."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return 116 * np.cbrt(linear @ [0.2126, 0.7152, 0.0722]) - 16


def test_all_hues_are_equally_light() -> None:
    values = lightness(hue_of(np.linspace(0, 1, 101)))
    assert np.ptp(values) < 2.5


@every_kind
def test_the_hue_is_the_mean_and_the_brightness_the_density(options: RenderOptions) -> None:
    low, high = 0.0, 100.0
    table = Localizations(
        frame=np.zeros(6),
        x_nm=[105.0, 105.0, 305.0, 305.0, 305.0, 305.0],
        y_nm=[205.0] * 6,
        z_nm=[low, low, low, high, high, low],
        uncertainty_x_nm=[9.0] * 6,
        uncertainty_y_nm=[9.0] * 6,
    )
    rgb, *limits = draw_colored(table, "z_nm", SHAPE, options=options, limits=(low, high))
    assert limits == [low, high]
    np.testing.assert_allclose(rgb[20, 30], hue_of(np.array(0.5)), atol=1e-3)
    density = draw(table, SHAPE, options=options).numpy()
    brightness = min(1, density[20, 10] / np.percentile(density[density > 0], 99.8))
    np.testing.assert_allclose(rgb[20, 10], hue_of(np.array(0.0)) * brightness, rtol=1e-5)
    assert not rgb[0, 0].any()


def test_a_column_that_cannot_be_coloured_by_is_one_sentence() -> None:
    table = table_of(3, 0)
    with pytest.raises(ValueError, match=r"No column 'depth' to colour by\. Available: frame, x_"):
        draw_colored(table, "depth", options=KINDS[0])
    with pytest.raises(ValueError, match="No molecule has a value in 'z_nm'"):
        draw_colored(table.with_columns(z_nm=np.full(3, np.nan)), "z_nm", options=KINDS[0])


def test_one_value_has_one_hue() -> None:
    table = table_of(30, 0).with_columns(z_nm=np.full(30, 7.0))
    image = draw_colored(table, "z_nm", SHAPE, options=KINDS[0])
    np.testing.assert_allclose(
        image.rgb.max((0, 1)) * 255, [int(STOPS[0][i : i + 2], 16) for i in (1, 3, 5)], atol=0.5
    )


def test_means_are_in_the_unit_of_the_column_and_missing_without_molecules() -> None:
    table = Localizations(
        frame=np.zeros(4),
        x_nm=[5.0, 5.0, 15.0, 25.0],
        y_nm=[5.0] * 4,
        z_nm=[-400.0, -100.0, 300.0, np.nan],
    )
    made = draw_mean(table, "z_nm", (1, 3), options=KINDS[0])
    np.testing.assert_allclose(made.mean, [[-250, 300, np.nan]], rtol=1e-6)
    np.testing.assert_array_equal(made.density, [[2, 1, 0]])
    assert (made.low, made.high) == pytest.approx(np.percentile([-400, -100, 300], (1, 99)))


# -- stopping --------------------------------------------------------------------------------


@every_kind
def test_drawing_is_given_up_once_it_is_not_wanted(options: RenderOptions) -> None:
    stopping = threading.Event()
    stopping.set()
    with pytest.raises(InterruptedError):
        draw(table_of(10, 0), SHAPE, options=options, stopping=stopping)


def test_a_long_drawing_stops_within_a_fraction_of_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gaussians, "PIXELS_PER_STEP", 1)  # each molecule by itself: minutes
    wide = table_of(100_000, 0).with_columns(
        uncertainty_x_nm=np.full(100_000, 300.0), uncertainty_y_nm=np.full(100_000, 300.0)
    )
    options = RenderOptions(kind="gaussian", sr_pixel_nm=3)
    stopping, ended = threading.Event(), []

    def run() -> None:
        with pytest.raises(InterruptedError):
            draw_mean(wide.with_columns(z_nm=wide.x_nm), "z_nm", options=options, stopping=stopping)
        ended.append(time.perf_counter())

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(0.5)
    assert thread.is_alive()
    asked = time.perf_counter()
    stopping.set()
    thread.join()
    assert ended[0] - asked < 0.3
