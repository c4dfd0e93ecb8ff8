"""Every block of Python that the documentation shows runs, page by page."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.io import write_localizations
from napari_deepsmlm.localizations import Localizations

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^ *```python\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
ELSEWHERE = {
    "adapt.md",  # takes five minutes; tests/adaptation has the same call
    "add-a-network.md",  # a file of its own: tests/models/test_fifth_network.py
}
PAGES = [
    page
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
    if BLOCK.search(page.read_text("utf-8")) and page.name not in ELSEWHERE
]
SMALL = {"image_px": (16, 16), "network": "deep-storm"}
SHORT = {"steps": 2, "batch_size": 1, "patch_px": 12, "validation_frames": 2, "validation_px": 12}


def molecules() -> Localizations:
    """Two hundred molecules that come ten times, for five frames each."""
    random = np.random.default_rng(0)
    places = np.tile(random.uniform(500, 5500, (200, 2)), (10, 1))
    frame = random.integers(0, 395, 2000)
    return Localizations(
        frame=(frame[:, None] + np.arange(5)).ravel(),
        x_nm=(places[:, :1] + random.normal(0, 10, (2000, 5))).ravel(),
        y_nm=(places[:, 1:] + random.normal(0, 10, (2000, 5))).ravel(),
        photons=np.full(10_000, 1500.0),
        uncertainty_x_nm=np.full(10_000, 10.0),
        uncertainty_y_nm=np.full(10_000, 10.0),
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_python_of_a_page_runs(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The blocks of a page go on from each other, in a folder with the files that they name."""
    monkeypatch.chdir(tmp_path)
    table = molecules()
    write_localizations(table, "locs.csv")
    Experiment.from_dict({**SMALL, "training": SHORT}).to_file("experiment.yaml")
    names = {"__name__": "__main__", "table": table}
    for number, block in enumerate(BLOCK.findall(page.read_text("utf-8")), 1):
        exec(compile(block, f"{page.name}, block {number}", "exec"), names)  # noqa: S102
