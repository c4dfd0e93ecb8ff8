"""`--model fit` on the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.cli.conftest import call

from napari_deepsmlm.io import read_localizations

if TYPE_CHECKING:
    from pathlib import Path


def test_fit_writes_what_a_network_does(stack: Path, tmp_path: Path) -> None:
    options = ("--model", "fit", "--pixel-size", 100, "--camera", "none", "--out", tmp_path / "out")
    done = call("reconstruct", stack, *options)
    assert done.exit_code == 0, done.output
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["model"]["name"] == "fit"
    table = read_localizations(tmp_path / "out" / "localizations.csv")
    assert {"photons", "background", "sigma_nm", "p_value", "probability"} <= set(table.names)


def test_fit_cannot_be_adapted_in_one_sentence(stack: Path, tmp_path: Path) -> None:
    options = ("--model", "fit", "--pixel-size", 100, "--adapt", 1, "--out", tmp_path / "out")
    refused = call("reconstruct", stack, *options)
    assert refused.exit_code == 2
    told = " ".join(refused.output.split())
    assert "fit is no network and has nothing to adapt" in told
