"""The page of conditions is made from verdicts, and keeps nothing of them back."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "conditions.md").read_text("utf-8")


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "scripts" / "make_conditions_page.py"))


def test_the_page_is_what_the_script_writes(script: dict[str, Any]) -> None:
    assert script["text"]() == PAGE


def test_every_missed_mark_is_there(script: dict[str, Any]) -> None:
    missed = [
        (one, mark)
        for one in script["verdicts"]()
        for mark in one["marks"]
        if mark["miss_percent"] > 0
    ]
    assert missed
    for one, mark in missed:
        lines = [
            line
            for line in PAGE.splitlines()
            if f"| {one['model']}, " in line
            and f"| {mark['condition']} | {mark['demand']} |" in line
        ]
        assert any(f"| {mark['miss_percent']:.1f} % |" in line for line in lines), mark


def test_every_sentence_that_was_said_is_there_in_full(script: dict[str, Any]) -> None:
    said = {
        sentence for one in script["verdicts"]() for row in one["rows"] for sentence in row["said"]
    }
    assert said
    assert {sentence for sentence in said if sentence.replace("|", "\\|") not in PAGE} == set()


def test_a_score_that_falls_is_not_called_rising(script: dict[str, Any]) -> None:
    assert script["rising"]([(1.0, 50.0)]) == "not known: judged once"
    assert script["rising"]([(1.0, 50.0), (2.0, 49.0)]) == "no: -1.0 in the last 1.0 hours"
    assert script["rising"]([(1.0, 50.0), (3.0, 54.0)]).startswith("yes: +4.0")
