"""What every command shares: help with an example, a quick start, exit code 1 for our errors."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.cli.conftest import call

from napari_deepsmlm.cli._console import print_json

if TYPE_CHECKING:
    import pytest


def test_every_command_has_help_with_an_example() -> None:
    commands = [
        "demo",
        "simulate",
        "train",
        "reconstruct",
        "evaluate",
        "estimate",
        "calibrate",
        "doctor",
    ]
    for words in [*([name] for name in commands), ["models", "list"], ["models", "info"]]:
        result = call(*words, "--help")
        assert result.exit_code == 0
        assert f"Example: deepsmlm {' '.join(words)}" in result.stdout


def test_an_internal_error_has_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_deepsmlm.doctor.examine", lambda: 1 / 0)
    result = call("doctor")
    assert result.exit_code == 1
    assert "Internal error: division by zero" in result.stderr


def test_what_is_not_finite_is_null_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": [1.5, float("nan")], "b": {"c": float("inf")}, "d": (None, True, "x")})
    found = json.loads(capsys.readouterr().out)
    assert found == {"a": [1.5, None], "b": {"c": None}, "d": [None, True, "x"]}


def test_help_loads_neither_torch_nor_napari() -> None:
    code = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from napari_deepsmlm.cli import app\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0\n"
        "print({'torch', 'napari', 'qtpy', 'pandas'} & set(sys.modules))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"
