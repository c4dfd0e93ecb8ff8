"""`deepsmlm limits`: scores over conditions, as tables and as a picture."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from tests.cli.conftest import call

from napari_deepsmlm.limits.live import _best

if TYPE_CHECKING:
    from pathlib import Path


def test_dim_crowded_molecules_are_harder_than_bright_sparse_ones(tmp_path: Path) -> None:
    options = ("--densities", "0.05,3", "--photons", "300,5000", "--backgrounds", "20")
    result = call("limits", "fit", "--out", tmp_path, *options, "--molecules", 40, "--json")
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)["conditions"]
    assert len(rows) == 4
    table = pd.read_csv(tmp_path / "limits.csv").set_index(["density_per_um2", "photons"])
    easy, hard = table.loc[(0.05, 5000)], table.loc[(3, 300)]
    assert easy["jaccard"] > 0.9 > 0.6 > hard["jaccard"]
    assert easy["crlb_lateral_nm"] < hard["crlb_lateral_nm"]
    # a fit of lone bright molecules nearly reaches the bound, and does not beat it
    assert 0.8 < easy["rmse_lateral_nm"] / easy["crlb_lateral_nm"] < 1.6
    assert (tmp_path / "limits.png").read_bytes()[:4] == b"\x89PNG"


def test_a_call_that_cannot_be_right_is_refused(tmp_path: Path) -> None:
    for arguments, words in (
        (("fit", "--densities", "a"), "takes numbers"),
        (("fit", "--photons", "-5"), "-5 is not between 1 and 1e+06 photons of a molecule"),
        (("fit", "--densities", "0.5,0"), "0 is not between 0.001 and 100 molecules per frame and"),
        (("fit", "--densities", "nan"), "finite number"),
        (("nothing", "--seed", "1"), "No model"),
        (("fit", "--model", "fit"), "belongs to an experiment"),
    ):
        result = call("limits", *arguments, "--out", tmp_path / "o")
        assert result.exit_code == 2, result.output
        assert words in " ".join(result.output.split())


def test_of_windows_that_are_as_bad_the_nearest_to_the_structure_is_best() -> None:
    columns = ("nmse_percent", "distance_nm")
    smeared = [(95.1, 64.0), (98.0, 120.0), (95.0, 227.0), (97.0, None)]
    assert _best([dict(zip(columns, row, strict=True)) for row in smeared]) == 0
    resting = [(74.0, 7.0), (22.0, 7.5), (12.0, 7.6)]
    assert _best([dict(zip(columns, row, strict=True)) for row in resting]) == 2
    empty = [(100.0, None), (100.0, None)]
    assert _best([dict(zip(columns, row, strict=True)) for row in empty]) == 0


@pytest.mark.slow
def test_the_faster_it_moves_the_shorter_the_best_window(tmp_path: Path) -> None:
    options = ("--speeds", "0,50", "--windows", "4,20,80", "--photons", "3000", "--json")
    result = call("limits", "fit", "--out", tmp_path, *options)
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)["windows"]
    assert len(rows) == 6
    table = pd.read_csv(tmp_path / "live.csv")
    best = table[table["is_best"]].set_index("speed_nm")["window_frames"]
    assert best[0] == 80
    assert best[50] < 80
    table = table.set_index(["speed_nm", "window_frames"])
    # at rest as near as the tube is wide; within 20 frames at 50 nm it goes 1000 nm, on average a
    # quarter of that from the middle
    assert table.loc[(0, 80), "distance_nm"] < 20
    assert 150 < table.loc[(50, 20), "distance_nm"] < 350
    assert (tmp_path / "live.png").read_bytes()[:4] == b"\x89PNG"


def test_movement_and_conditions_are_not_mixed(tmp_path: Path) -> None:
    for arguments, words in (
        (("--speeds", "5", "--densities", "1"), "belongs to the conditions"),
        (("--speeds", "-5"), "0 to 1000"),
        (("--windows", "7,1000,3001"), "common divisor"),
        (("--speeds", "5", "--photons", "100,200"), "takes one value"),
    ):
        result = call("limits", "fit", *arguments, "--out", tmp_path / "o")
        assert result.exit_code == 2, result.output
        assert words in " ".join(result.output.split())


def test_a_speed_has_an_error_for_each_window_and_one_best(tmp_path: Path) -> None:
    options = ("--speeds", "30", "--windows", "2,6", "--photons", "3000")
    result = call("limits", "fit", "--out", tmp_path, *options)
    assert result.exit_code == 0, result.output
    assert "30 nm per frame:" in result.output
    table = pd.read_csv(tmp_path / "live.csv")
    assert list(table["window_frames"]) == [2, 6]
    assert table["is_best"].sum() == 1
    assert table["molecules"].is_monotonic_increasing
    assert table["nmse_percent"].between(0, 100).all()
