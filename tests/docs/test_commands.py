"""Every command that the documentation shows exists, with every option that it is given there."""

from __future__ import annotations

import re
import runpy
import shlex
import sys
from functools import cache
from pathlib import Path

import pytest
from typer.testing import CliRunner

from napari_deepsmlm.cli import app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def shell_lines() -> list[str]:
    """Return the lines of all shell blocks, without their comments."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    blocks = re.findall(r"^ *```(?:sh|bash|console)\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)
    lines = (line.strip() for block in blocks for line in block.replace("\\\n", " ").splitlines())
    return sorted({line for line in lines if line and not line.startswith("#")})


COMMANDS = [line for line in shell_lines() if line.startswith("deepsmlm ")]
SCRIPTS = sorted(
    {
        name
        for page in PAGES
        for name in re.findall(r"(?:benchmarks|scripts)/\w+\.py", page.read_text("utf-8"))
    }
)
# `python benchmarks/speed.py --option` within a line of text
OPTIONS_OF = {
    name: {
        option
        for page in PAGES
        for rest in re.findall(rf"{name}([^`]*)`", page.read_text("utf-8"))
        for option in re.findall(r"--[a-z-]+", rest)
    }
    for name in SCRIPTS
}
TESTED = sorted(
    {
        where
        for page in PAGES
        for where in re.findall(r"make test TESTS=([\w./-]+)", page.read_text("utf-8"))
    }
)
TARGETS = sorted(
    {target for line in shell_lines() for target in re.findall(r"^make ([a-z-]+)", line)}
)


@pytest.mark.parametrize("line", COMMANDS)
def test_a_shown_command_has_the_options_it_is_shown_with(line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    shown = help_on(*words[: 2 if words[0] == "models" else 1])
    for option in (word for word in words if word.startswith("--")):
        assert re.search(rf"{option}\b", shown), option


@cache
def help_on(*command: str) -> str:
    shown = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    return shown.output


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_shown_script_starts(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    monkeypatch.syspath_prepend(str((ROOT / name).parent))
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / name), run_name="__main__")
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert "usage:" in shown
    for option in OPTIONS_OF.get(name, ()):
        assert re.search(rf"{option}\b", shown), option


@pytest.mark.parametrize("target", TARGETS)
def test_a_shown_target_is_in_the_makefile(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize("where", TESTED)
def test_where_a_page_says_that_tests_are_there_are_some(where: str) -> None:
    path = ROOT / where
    files = [path] if path.is_file() else path.rglob("test_*.py")
    assert any(re.search(r"(?m)^def test_", file.read_text("utf-8")) for file in files)
