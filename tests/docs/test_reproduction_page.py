"""The page of the papers is made from results, and has no table without a command."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

from napari_deepsmlm.reproduction import all_figures

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reproduction.md").read_text("utf-8")


def test_the_page_is_what_the_script_writes() -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "make_reproduction_page.py"))
    assert script["page"]() == PAGE


def test_every_figure_is_on_the_page_with_its_command() -> None:
    for key in all_figures():
        assert f"`deepsmlm reproduce {key} " in PAGE


def test_no_table_is_without_a_command() -> None:
    for part in re.split(r"(?m)^#+ ", PAGE):
        for table in re.finditer(r"(?m)^\s*\|[ -]", part):
            before = part[: table.start()]
            assert re.search(r"`(deepsmlm|python|make) [a-z]", before), part[:80]


def test_every_number_has_a_reason_beside_it() -> None:
    for table in PAGE.split("why they may differ |")[1:]:
        rows = table.partition("\n\n")[0].splitlines()[2:]
        assert rows
        assert [row for row in rows if not row.split(" | ")[-1].strip(" |")] == []


def test_every_claim_is_there_with_its_training() -> None:
    claims = PAGE.partition("## What was trained for each claim")[2].partition("\n## ")[0]
    for key in all_figures():
        (row,) = [line for line in claims.splitlines() if f"| `{key}` |" in line]
        assert re.search(r"hours|steps of", row), key
