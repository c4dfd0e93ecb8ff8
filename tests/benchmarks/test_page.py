"""Verdicts without a score, and what the queue has judged, on their pages."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest
from judging.judge import Verdict
from judging.page import page
from judging.parts import merged

ROOT = Path(__file__).parents[2]


@pytest.fixture
def traps_alone() -> Verdict:
    return Verdict("dilated-loc:2d", "auto", float("nan"), "", 0.0, (), (), 1.0)


def test_traps_alone_have_no_score(
    traps_alone: Verdict, capsys: pytest.CaptureFixture[str]
) -> None:
    script = runpy.run_path(str(ROOT / "benchmarks" / "conditions.py"))
    script["print_verdict"](traps_alone)
    shown = capsys.readouterr().out
    assert "no score" in shown
    assert "nan" not in shown


def test_a_verdict_without_a_score_is_on_the_page_with_a_dash(traps_alone: Verdict) -> None:
    plain = json.loads(json.dumps(traps_alone.to_dict(), allow_nan=False))
    assert "| dilated-loc:2d, camera not stated | 0 | – | 0 of 0 |" in page([plain], "map.png")


def test_parts_without_a_score_are_joined_without_one(traps_alone: Verdict) -> None:
    mark = {"condition": "bead", "demand": "recall", "got": 1.0, "wanted": 1.0, "miss_percent": 0.0}
    row = {"condition": "bead", "seed": 1, "trap": "bead", "scores": {"efficiency": 50.0}}
    part = {**traps_alone.to_dict(), "rows": [row], "marks": [mark]}
    (joined,) = merged([part, part])
    assert joined["score"] is None


def test_a_verdict_of_which_all_was_judged_again_is_gone(traps_alone: Verdict) -> None:
    row = {"condition": "bead", "seed": 1, "trap": "bead", "scores": {"efficiency": 50.0}}
    old = {**traps_alone.to_dict(), "rows": [row], "cpu_seconds": 1000.0}
    new = {**traps_alone.to_dict(), "rows": [row], "cpu_seconds": 7.0}
    assert merged([old, new]) == [new]


def test_what_the_queue_judged_is_taken_over_once(tmp_path: Path) -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "score_over_hours.py"))
    one = {
        "core_hours": 1.5,
        "stage": 2,
        "step": 70,
        "score": 40.0,
        "when": "1",
        "is_published": True,
    }
    folder = tmp_path / "deep-storm_2d"
    folder.mkdir()
    judged = [one, {**one, "score": 41.0, "when": "2"}, {**one, "core_hours": 2.0, "step": 90}]
    (folder / "progress.json").write_text(json.dumps({"judged": judged}), encoding="utf-8")
    rows = list(script["judged"](tmp_path))
    assert {row["model"] for row in rows} == {"deep-storm:2d"}
    both = script["joined"]([*rows, *rows])
    assert [(row["step"], row["score"]) for row in both] == [("70", "41.0"), ("90", "40.0")]
    script["write"](both, tmp_path / "scores.csv")
    assert script["read"](tmp_path / "scores.csv") == both
    script["draw"](both, tmp_path / "scores.png")
    assert (tmp_path / "scores.png").read_bytes().startswith(b"\x89PNG")
