"""`deepsmlm drift`: what is in the files that it writes, and how they came about."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import yaml
from tests.cli.conftest import call
from tests.drift.conftest import drifting

from napari_deepsmlm.io import read_history, read_localizations, write_localizations

if TYPE_CHECKING:
    from pathlib import Path


def test_drift_is_measured_written_taken_off_and_put_back(tmp_path: Path) -> None:
    table, path = drifting(4000, 1000, steady_nm=(120.0, 60.0, 0.0), field_nm=5000.0)
    source, still, curve = tmp_path / "locs.csv", tmp_path / "still.csv", tmp_path / "drift.csv"
    write_localizations(table, source)
    options = ("--method", "correlation", "--segment", 100)
    result = call("drift", source, "--out", still, "--curve", curve, *options, "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["molecules"] == len(table)
    assert abs(report["range_nm"][0] - np.ptp(path[:, 0])) < 15
    assert curve.with_suffix(".png").read_bytes()[:4] == b"\x89PNG"
    moved = read_localizations(still)
    assert abs(np.polyfit(moved.frame, moved.x_nm - table.x_nm, 1)[0] * 1000 + 120) < 15
    again, back = tmp_path / "again.csv", tmp_path / "back.csv"
    assert call("drift", source, "--out", again, "--apply", curve).exit_code == 0
    np.testing.assert_allclose(read_localizations(again).x_nm, moved.x_nm, atol=0.01)
    assert call("drift", again, "--out", back, "--take-back", curve).exit_code == 0
    np.testing.assert_allclose(read_localizations(back).x_nm, table.x_nm, atol=0.01)
    history = read_history(back)
    assert [step["kind"] for step in history.steps] == ["drift", "drift"]
    assert [file["file"] for file in history.files] == ["locs.csv", "again.csv", "back.csv"]
    assert history.commands[-1].startswith("deepsmlm drift ")
    assert "--take-back" in history.commands[-1]


def test_a_history_counts_for_the_file_as_it_was_written(tmp_path: Path) -> None:
    table, _ = drifting(400, 100)
    source, good, better = (tmp_path / name for name in ("locs.csv", "good.csv", "better.csv"))
    write_localizations(table, source)
    assert call("filter", source, "--where", "x > 0", "--out", good).exit_code == 0
    assert call("filter", good, "--where", "y > 0", "--out", better).exit_code == 0
    recipe = yaml.safe_load((tmp_path / "better.csv.recipe.yaml").read_text())
    assert recipe["steps"] == [
        {"kind": "filter", "where": "x > 0"},
        {"kind": "filter", "where": "y > 0"},
    ]
    good.write_text(good.read_text() + "\n")
    assert read_history(good).steps == ()


def test_a_call_that_cannot_be_right_is_refused(tmp_path: Path) -> None:
    table, _ = drifting(400, 100)
    source, out = tmp_path / "locs.csv", tmp_path / "still.csv"
    write_localizations(table, source)
    for options, words in (
        (("--apply", source, "--take-back", source), "not both"),
        (("--method", "magic"), "method"),
        (("--curve", tmp_path / "drift.txt"), "written as .csv"),
        (("--apply", tmp_path / "none.csv"), "none.csv"),
    ):
        result = call("drift", source, "--out", out, *options)
        assert result.exit_code == 2, result.output
        assert words in " ".join(result.output.split())
    assert not out.exists()
