"""The table of molecules, with numpy and with torch columns."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_deepsmlm.localizations import Localizations

frames = hnp.arrays(np.int64, st.integers(0, 40), elements=st.integers(0, 9))


def numbered(frame: np.ndarray) -> Localizations:
    """Rows that can be told apart by their x."""
    return Localizations(frame=frame, x_nm=np.arange(len(frame)) * 1.0, y_nm=np.zeros(len(frame)))


@pytest.mark.parametrize("use_torch", [False, True])
@given(frame=frames)
def test_frames_are_found_by_bisection(frame: np.ndarray, use_torch: bool) -> None:
    table = numbered(frame).sort()
    table = table.to_torch() if use_torch else table
    for index in range(10):
        rows = table.in_frames(index, index + 1)
        assert len(rows) == (frame == index).sum()
        assert (rows.frame == index).all()


@given(frame=frames)
def test_sorting_is_stable_and_loses_nothing(frame: np.ndarray) -> None:
    table = numbered(frame)
    ordered = table.sort()
    assert ordered.is_sorted
    assert sorted(ordered.x_nm) == list(table.x_nm)
    for index in range(10):
        assert (np.diff(ordered[ordered.frame == index].x_nm) > 0).all()
    np.testing.assert_array_equal(ordered.x_nm, table.to_torch().sort().to_numpy().x_nm)


@given(frame=frames, cut=st.integers(0, 40))
def test_concatenating_parts_gives_the_whole(frame: np.ndarray, cut: int) -> None:
    table = numbered(frame)
    whole = Localizations.concatenate([table[:cut], table[cut:]])
    np.testing.assert_array_equal(whole.x_nm, table.x_nm)
    np.testing.assert_array_equal(whole.frame, table.frame)


def test_ten_million_rows_are_filtered_sorted_and_sliced_quickly() -> None:
    n = 10_000_000
    rng = np.random.default_rng(0)
    table = Localizations(
        frame=rng.integers(0, 60_000, n), x_nm=rng.random(n, np.float32), y_nm=np.zeros(n, "f4")
    )
    started = time.perf_counter()
    ordered = table[table.x_nm > 0.1].sort()
    total = sum(len(ordered.in_frames(f, f + 1)) for f in range(0, 60_000, 600))
    seconds = time.perf_counter() - started
    assert 12_000 < total < 18_000  # 100 frames of about 150
    assert seconds < 30  # a loop over rows would take minutes


def test_slices_are_views() -> None:
    table = numbered(np.arange(5))
    assert np.shares_memory(table.in_frames(1, 3).x_nm, table.x_nm)


def test_a_pandas_table_gives_the_same_columns_again() -> None:
    table = Localizations(frame=[0, 1], x_nm=[1.0, 2.0], y_nm=[3.0, 4.0], photons=[5.0, 6.0])
    again = Localizations.from_dataframe(table.to_dataframe())
    assert again.names == table.names
    np.testing.assert_array_equal(again["photons"], [5.0, 6.0])


def test_torch_and_back_keeps_values() -> None:
    table = Localizations(frame=[3], x_nm=[1.5], y_nm=[2.5])
    there = table.to_torch()
    assert there.is_torch
    assert there.frame.dtype == torch.int64
    assert there.to_numpy().x_nm[0] == 1.5


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"frame": [0], "x_nm": [1.0, 2.0], "y_nm": [1.0]}, "different lengths"),
        ({"frame": [0.5], "x_nm": [1.0], "y_nm": [1.0]}, "whole numbers"),
        ({"frame": [np.nan], "x_nm": [1.0], "y_nm": [1.0]}, "whole numbers"),
        ({"frame": [[0]], "x_nm": [1.0], "y_nm": [1.0]}, "one-dimensional"),
        ({"frame": [0], "x_nm": [1.0]}, "Missing columns: y_nm"),
    ],
)
def test_bad_columns_are_refused(columns: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Localizations.from_columns(columns)


def test_misuse_says_what_to_do() -> None:
    table = numbered(np.array([1, 0]))
    with pytest.raises(ValueError, match=r"use table.sort"):
        table.in_frames(0, 1)
    with pytest.raises(KeyError, match="Available: frame"):
        table["z"]
    with pytest.raises(ValueError, match="different columns"):
        Localizations.concatenate([table, table.with_columns(z_nm=np.zeros(2))])
