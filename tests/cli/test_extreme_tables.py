"""Tables at the edge: each command ends in a sound result or in one sentence, never in between."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from tests.cli.conftest import call

if TYPE_CHECKING:
    from pathlib import Path

HEAD = '"id","frame","x [nm]","y [nm]","intensity [photon]","uncertainty_xy [nm]"\n'
N = 120
CHANCE = np.random.default_rng(12)
PLACES = CHANCE.uniform(200, 3000, (N, 2)).round(2)
FRAMES = np.sort(CHANCE.integers(1, 100, N))


def row(number: int, frame: int, x: float, y: float, uncertainty: object = 9) -> str:
    return f"{number},{frame},{x},{y},900,{uncertainty}\n"


GOOD = [row(i + 1, FRAMES[i], *PLACES[i]) for i in range(N)]
TABLES = {
    "no rows": [],
    "one row": GOOD[:1],
    "one frame": [row(i + 1, 1, *PLACES[i]) for i in range(N)],
    "one place": [row(i + 1, i + 1, 1000, 1000) for i in range(50)],
    "no uncertainty": [row(i + 1, FRAMES[i], *PLACES[i], 0) for i in range(N)],
    "odd uncertainties": [
        *GOOD,
        *(row(N + i, 50, 1500, 1500, odd) for i, odd in enumerate(["NaN", "Infinity", -3, 1e7])),
    ],
    "far frame": [*GOOD, row(N + 1, 4_000_000_000, 500, 500)],
    "far molecule": [*GOOD, row(N + 1, 100, 3.0e9, 1500)],
    "negative molecule": [*GOOD, row(N + 1, 100, -8.0e6, -2.0e6)],
}


@pytest.fixture(params=TABLES)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path]:
    path = tmp_path / "locs.csv"
    path.write_text(HEAD + "".join(TABLES[request.param]))
    return request.param, path


def is_sentence(text: str) -> bool:
    return text.startswith("error: ") and "Traceback" not in text and len(text) < 300


@pytest.mark.parametrize("kind", ["histogram", "gaussian", "ash"])
def test_an_image_counts_who_is_in_it(case: tuple[str, Path], tmp_path: Path, kind: str) -> None:
    name, table = case
    out = tmp_path / "image.tif"
    result = call("render", table, "--out", out, "--kind", kind, "--json")
    if name == "far molecule":
        assert result.exit_code == 2
        assert is_sentence(" ".join(result.stderr.split()))
        assert "300,000,001 pixels" in result.stderr
        assert not out.exists()
        return
    assert result.exit_code == 0, result.output
    report, image = json.loads(result.stdout), tifffile.imread(out)
    n_outside = 1 if name == "negative molecule" else 0
    assert report["outside"] == n_outside
    assert ("outside the image" in result.stderr) == bool(n_outside)
    assert np.isfinite(image).all()
    assert image.min() >= 0
    assert image.size < 1e6
    if kind == "histogram":
        assert image.sum() == len(TABLES[name]) - n_outside


def test_filter_and_convert_keep_the_rows(case: tuple[str, Path], tmp_path: Path) -> None:
    name, table = case
    out = tmp_path / "out.csv"
    for words in (["filter", table, "--where", "frame > 0"], ["convert", table]):
        result = call(*words, "--out", out)
        assert result.exit_code == 0, result.output
        assert len(out.read_text().splitlines()) == 1 + len(TABLES[name])


def test_quality_and_evaluation_end_in_numbers_or_a_sentence(
    case: tuple[str, Path], tmp_path: Path
) -> None:
    _, table = case
    truth = tmp_path / "truth.csv"
    truth.write_text(HEAD + "".join(GOOD))
    for words in (["quality", table], ["evaluate", table, "--truth", truth]):
        result = call(*words, "--json")
        if result.exit_code:
            assert result.exit_code == 2
            assert is_sentence(" ".join(result.stderr.split()))
        else:
            assert isinstance(json.loads(result.stdout), dict)
