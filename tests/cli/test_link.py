"""`deepsmlm link`: one row for each molecule, and how they came about."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
from tests.cli.conftest import call

from napari_deepsmlm.io import read_history, read_localizations, write_localizations
from napari_deepsmlm.localizations import Localizations

if TYPE_CHECKING:
    from pathlib import Path


def test_link_writes_molecules_and_says_what_it_did(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    place = np.repeat(rng.uniform(0, 30_000, (2, 300)), 3, axis=1)
    x, y = place + rng.normal(0, 8, place.shape)
    frame = np.repeat(rng.integers(0, 500, 300), 3) + np.tile([0, 1, 2], 300)
    table = Localizations(frame=frame, x_nm=x, y_nm=y, photons=np.full(900, 100.0)).sort()
    source, out = tmp_path / "locs.csv", tmp_path / "molecules.csv"
    write_localizations(table, source)
    result = call("link", source, "--out", out, "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert abs(report["molecules"] - 300) < 6
    assert report["n_before"] == 900
    assert abs(report["nena_nm"] - 8) < 1
    linked = read_localizations(out)
    assert linked["detections"].sum() == 900
    assert linked["photons"].sum() == 90_000
    (step,) = read_history(out).steps
    assert step["kind"] == "link"
    again = call("link", source, "--out", out, "--distance", 40, "--dark", 0, "--duplicates", 5)
    assert again.exit_code == 0
    assert "molecules" in again.output
    wrong = call("link", source, "--out", out, "--distance", -1)
    assert wrong.exit_code == 2
    assert "distance_nm" in wrong.output
