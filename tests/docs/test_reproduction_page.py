"""The page of the papers is made from results, and has no table without a command."""

from __future__ import annotations

import itertools
import re
import runpy
from pathlib import Path

import pytest

from napari_deepsmlm.reproduction import all_figures, fingerprint, read_outcome

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "reproduction"
PAGE = (ROOT / "docs" / "reproduction.md").read_text("utf-8")


def test_the_page_is_what_the_script_writes() -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "make_reproduction_page.py"))
    assert script["page"]() == PAGE


def test_every_figure_is_on_the_page_with_its_command() -> None:
    for key in all_figures():
        assert f"`deepsmlm reproduce {key} " in PAGE


def test_no_table_is_without_a_command_of_its_own() -> None:
    """It stands between a table and the heading or table before it, or in every row."""
    command = re.compile(r"`(deepsmlm|python|make) [a-z]")
    parts = re.split(r"(?m)((?:^\s*\|[ -].*\n)+|^#.*\n)", PAGE)
    for words, table in itertools.pairwise(parts):
        if table.lstrip().startswith("|"):
            rows = table.strip().splitlines()[2:]
            assert command.search(words) or all(map(command.search, rows)), words[-200:]


@pytest.mark.parametrize("key", sorted(all_figures()))
def test_every_result_is_of_the_figure_as_it_is_now(key: str) -> None:
    record = read_outcome(RESULTS / f"{key.replace(':', '-')}.json")
    assert record["fingerprint"] == fingerprint(all_figures()[key]), (
        f"{key} was changed since it was made: run `deepsmlm reproduce {key}` again"
    )


def test_every_number_has_a_reason_beside_it() -> None:
    for table in PAGE.split("why they may differ |")[1:]:
        rows = table.partition("\n\n")[0].splitlines()[2:]
        assert rows
        assert [row for row in rows if not row.split(" | ")[-1].strip(" |")] == []


def test_every_claim_is_there_with_its_training_and_whether_it_holds() -> None:
    claims = PAGE.partition("## Which claims hold")[2].partition("\n## ")[0]
    for key in all_figures():
        (row,) = [line for line in claims.splitlines() if f"| `{key}` |" in line]
        assert re.search(r"hours|steps of", row), key
        assert re.search(r"\| \*\*(yes\*\*|(partly|no|open)\*\*: .)", row), key
