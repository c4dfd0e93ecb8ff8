"""`deepsmlm reproduce`: what there is, a figure, and one line for what there is not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.cli.conftest import call

if TYPE_CHECKING:
    from pathlib import Path


def test_the_list_names_every_figure_with_its_claim() -> None:
    figures = json.loads(call("reproduce", "--list", "--json").stdout)["figures"]
    assert len(figures) == 25
    assert {"deep-storm:line-width", "voxel-wise:table-4"} <= {one["name"] for one in figures}
    assert all(one["paper"] for one in figures)
    assert call("reproduce", "drsn-storm", "--list").exit_code == 0


def test_a_figure_is_made_and_told_as_json(tmp_path: Path) -> None:
    words = ["--quick", "--device", "cpu", "--json", "--out", tmp_path]
    result = call("reproduce", "dilated-loc:table-3", *words)
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["is_complete"]
    rows = {row["quantity"]: row for row in told["figures"][0]["rows"]}
    assert rows["parameters"]["ours"] == rows["parameters"]["paper"] == 453_835
    assert (tmp_path / "dilated-loc-table-3.csv").exists()
    assert (tmp_path / "dilated-loc-table-3.png").exists()


def test_what_there_is_not_is_exit_code_2(tmp_path: Path) -> None:
    result = call("reproduce", "deep-strom", "--out", tmp_path)
    assert result.exit_code == 2
    assert "Did you mean deep-storm" in " ".join(result.stderr.split())
    assert call("reproduce", "deep-storm:line-width").exit_code == 2
