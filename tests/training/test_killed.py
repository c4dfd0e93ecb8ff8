"""A run that is killed at random moments loses no file, and ends where it would have."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "kill_and_resume.py"


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
def test_a_killed_run_resumes_to_the_weights_of_one_left_alone() -> None:
    words = [sys.executable, str(SCRIPT), "dilated-loc", "--kills", "4", "--steps", "80"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stderr
    _, kills, unreadable, _, is_equal = (
        cell.strip() for cell in done.stdout.splitlines()[-1].strip("|").split("|")
    )
    assert int(kills) >= 2
    assert int(unreadable) == 0
    assert is_equal == "yes"
