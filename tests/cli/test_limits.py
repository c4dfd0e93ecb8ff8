"""`deepsmlm limits`: scores over conditions, as tables and as a picture."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pandas as pd
from tests.cli.conftest import call

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
        (("fit", "--photons", "-5"), "above 0"),
        (("nothing", "--seed", "1"), "No model"),
        (("fit", "--model", "fit"), "belongs to an experiment"),
    ):
        result = call("limits", *arguments, "--out", tmp_path / "o")
        assert result.exit_code == 2, result.output
        assert words in " ".join(result.output.split())
