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
    "far molecule": [*GOOD, row(N + 1, 100, 3.0e8, 1500)],
    "molecule nowhere": [*GOOD, row(N + 1, 100, 1e300, 1500)],
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
        assert "30,000,001 pixels" in result.stderr
        assert not out.exists()
        return
    assert result.exit_code == 0, result.output
    report, image = json.loads(result.stdout), tifffile.imread(out)
    n_outside = 1 if name in ("negative molecule", "molecule nowhere") else 0
    assert report["outside"] == n_outside
    assert ("not drawn" in result.stderr) == bool(n_outside)
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


@pytest.mark.parametrize("name", ["no rows", "far frame", "molecule nowhere"])
def test_every_other_command_does_it_or_says_why_not(name: str, tmp_path: Path) -> None:
    table, truth = tmp_path / "locs.csv", tmp_path / "truth.csv"
    table.write_text(HEAD + "".join(TABLES[name]))
    truth.write_text(HEAD + "".join(GOOD))
    stack = tmp_path / "stack.tif"
    tifffile.imwrite(stack, np.full((12, 32, 32), 100, np.uint16))
    curve = tmp_path / "curve.csv"
    curve.write_text("frame,x [nm],y [nm]\n1,0,0\n100,50,20\n")
    for number, words in enumerate(
        [
            ["filter", table, "--where", "intensity > mean(intensity)", "--out", "f.csv"],
            ["drift", table, "--apply", curve, "--out", "d.csv"],
            ["link", table, "--out", "l.csv"],
            ["cluster", table, "--out", "c.csv"],
            ["render", table, "--color-by", "intensity", "--out", "r.tif"],
            *(["convert", table, "--out", f"x.{end}"] for end in ("hdf5", "smlm", "csv")),
            ["drift", table, "--out", "n.csv"],
            ["quality", table],
            ["evaluate", table, "--truth", truth, "--method", "optimal"],
            ["evaluate", truth, "--truth", table],
            ["movie", table, "--window", 1, "--out", "m.gif"],
            ["simulate", "deep-storm-demo", "--activations", table, "--out", "sim"],
            ["trust", table, "--frames", stack, "--pixel-size", 100, "--out", "trust"],
        ]
    ):
        if "--out" in words:
            words[words.index("--out") + 1] = tmp_path / words[words.index("--out") + 1]
        result = call(*words)
        told = " ".join(result.output.split())
        assert result.exit_code in (0, 2), (words, told)
        assert "cannot be computed from what was given" not in told, words
        assert result.exit_code == 0 or is_sentence(" ".join(result.stderr.split())), told
        if name == "no rows" and number < 8:
            assert result.exit_code == 0, (words, told)
            assert "The table holds no molecules, so there are none in" in told
            assert words[words.index("--out") + 1].exists()
        elif name == "no rows" and words[1] != truth and words[0] != "evaluate":
            assert result.exit_code == 2
            assert "holds no molecules: there is nothing to" in told
