"""A run that is killed at random moments loses no file, and ends where it would have."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "kill_and_resume.py"


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
@pytest.mark.parametrize(
    ("most_kills", "steps"), [(2, 50), pytest.param(6, 200, marks=pytest.mark.slow)]
)
def test_a_killed_run_resumes_to_the_weights_of_one_left_alone(most_kills: int, steps: int) -> None:
    words = ["dilated-loc", "--kills", str(most_kills), "--steps", str(steps)]
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *words],
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    _, kills, unreadable, _, is_equal = (
        cell.strip() for cell in done.stdout.splitlines()[-1].strip("|").split("|")
    )
    assert int(kills) == most_kills
    assert int(unreadable) == 0
    assert is_equal == "yes"
