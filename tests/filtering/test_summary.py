"""Histograms of columns: every row in one bin, and ranges that keep what they show."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_deepsmlm.filtering import Filter, summarize
from napari_deepsmlm.localizations import Localizations

odd = st.sampled_from([np.nan, np.inf, -np.inf])
values = hnp.arrays(np.float64, st.integers(2, 80), elements=st.floats(-1e6, 1e6) | odd)


def table_of(photons: np.ndarray) -> Localizations:
    n = len(photons)
    return Localizations(frame=np.zeros(n), x_nm=np.zeros(n), y_nm=np.zeros(n), photons=photons)


@given(values, st.integers(0, 2**31))
def test_every_value_is_in_one_bin(photons: np.ndarray, seed: int) -> None:
    table = table_of(photons)
    finite = photons[np.isfinite(photons)]
    columns = list(summarize(table))
    varies = len(finite) > 1 and np.ptp(finite) > 1e-9 * max(1, np.abs(finite).max())
    assert bool(columns) == varies
    for column in columns:
        assert column.name == "photons"  # the others have one value only
        assert column.counts.sum() == (~np.isnan(photons)).sum()
        assert column.low <= finite.min()
        assert column.high >= finite.max()
        mask = np.random.default_rng(seed).random(len(photons)) < 0.5
        rest = column.counts_of(mask) + column.counts_of(~mask)
        np.testing.assert_array_equal(rest, column.counts)


@given(values, st.floats(0, 1), st.floats(0, 1))
def test_a_range_keeps_what_lies_between_its_ends(photons: np.ndarray, a: float, b: float) -> None:
    table = table_of(photons)
    for column in summarize(table):
        width = column.high - column.low
        low, high = (column.low + share * width for share in sorted((a, b)))
        condition = column.condition(low, high)
        if not condition:
            assert low <= column.low
            assert high >= column.high
            continue
        kept = Filter(condition, table.names).mask(table)
        below = low > column.low
        above = high < column.high
        expected = ((photons >= low) | (not below)) & ((photons <= high) | (not above))
        np.testing.assert_array_equal(kept, expected & ~np.isnan(photons))


def test_a_few_wild_values_do_not_squeeze_the_histogram() -> None:
    photons = np.append(np.random.default_rng(0).uniform(0, 1000, 20_000), [1e9, -1e9])
    (column,) = summarize(table_of(photons))
    assert -1 <= column.low < 5
    assert 995 < column.high <= 1001
    assert column.counts.sum() == 20_002


def test_columns_nobody_filters_by_are_left_out() -> None:
    n, ramp = 5, np.arange(5.0)
    table = Localizations(
        frame=np.arange(n), x_nm=ramp, y_nm=ramp, id=np.arange(n), molecule=np.arange(n),
        drift_x_nm=ramp, uncertainty_x_nm=ramp, uncertainty_y_nm=ramp.copy(), detections=np.ones(n),
        **{"odd name": ramp},
    )  # fmt: skip
    columns = {column.name: column for column in summarize(table)}
    assert list(columns) == ["frame", "x_nm", "y_nm", "uncertainty_x_nm"]
    assert (columns["frame"].low, columns["frame"].high, columns["frame"].is_whole) == (1, 5, True)


def test_an_empty_table_has_no_columns_to_show() -> None:
    assert list(summarize(Localizations.empty("photons"))) == []


@pytest.mark.parametrize("n", [100, 1_000_000])
def test_the_number_of_rows_does_not_matter(n: int) -> None:
    (column,) = summarize(table_of(np.linspace(0, 640, n, endpoint=False)))
    tail = 0.001 * n if n > 1000 else 0.0  # at either end, in the outermost bins
    expected = np.full(64, (n - 2 * tail) / 64)
    expected[[0, -1]] += tail
    # Ends are rounded by up to a thousandth of the range, a count by one.
    np.testing.assert_allclose(column.counts, expected, atol=0.001 * n + 1)
    np.testing.assert_allclose(column.counts[1:-1], expected[1:-1], atol=0.002 * n / 64 + 1)
