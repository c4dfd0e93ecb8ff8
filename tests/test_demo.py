"""The demo end to end, with a few frames."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from PIL import Image

from napari_deepsmlm.demo import run_demo

if TYPE_CHECKING:
    from pathlib import Path


def test_the_demo_writes_its_files_and_is_accurate(tmp_path: Path) -> None:
    files, report = run_demo(tmp_path / "demo", n_frames=24)
    assert {path.name for path in files.values()} == {
        "reconstruction.tif",
        "localizations.csv",
        "before_after.png",
        "report.json",
    }
    with Image.open(files["picture"]) as picture:
        assert picture.width > picture.height > 500
    assert json.loads(files["report"].read_text()) == report
    quality = report["quality"]
    assert 0.85 < quality["molecules"] / quality["true_molecules"] < 1.15
    # Few frames leave the truth's own counting noise in the NMSE; blurred it is small.
    assert quality["nmse_blur1_percent"] < 40
