"""What every command shares: help with an example, a quick start, exit code 1 for our errors."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import typer
from tests.cli.conftest import call
from typer.testing import CliRunner

from napari_deepsmlm.cli._console import add_command, print_json, stop_on_ctrl_c

if TYPE_CHECKING:
    from pathlib import Path


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


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
@pytest.mark.parametrize(("is_end", "code"), [(False, 130), (True, 0)])
def test_a_job_that_was_stopped_and_saved_ends_with_130(is_end: bool, code: int) -> None:
    app, saved = typer.Typer(), []

    def work() -> None:
        with stop_on_ctrl_c(lambda: saved.append(1), is_end=is_end):
            signal.raise_signal(signal.SIGINT)

    def rest() -> None:
        pass

    add_command(app, "work", work, "work")
    add_command(app, "rest", rest, "rest")
    assert CliRunner().invoke(app, ["work"]).exit_code == code
    assert saved == [1]
    assert CliRunner().invoke(app, ["rest"]).exit_code == 0, "the next one was not stopped"


@pytest.mark.parametrize("command", ["reconstruct", "estimate"])
@pytest.mark.parametrize("frames", ["-3:", "0:-1", "5", "a:b"])
def test_a_range_of_frames_means_the_same_everywhere(
    command: str, frames: str, stack: Path, tmp_path: Path
) -> None:
    words = ("--out", tmp_path / "out") if command == "reconstruct" else ()
    result = call(command, stack, f"--frames={frames}", *words)
    assert result.exit_code == 2
    assert "takes A:B with whole numbers counted from 0" in " ".join(result.output.split())
