"""kill -9 in the middle of a batch: nothing half done counts, and the end is the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.batch.conftest import finish, write_movie

from napari_deepsmlm.batch.record import read_record

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_deepsmlm.batch import Recipe

NETWORKS = Path(__file__).parents[1] / "networks"
COMMAND = """
import sys
from napari_deepsmlm import models
models.__path__.append(sys.argv.pop(1))
from napari_deepsmlm.cli import main
main()
"""
STEPS = [{"kind": "filter", "where": "x > 800"}]


def run_and_kill(recipe_file: Path, out: Path, once: Path | None) -> int:
    """Run `deepsmlm batch`, killed as soon as a file is there; return its exit code."""
    words = [sys.executable, "-c", COMMAND, str(NETWORKS), "batch", str(recipe_file)]
    with subprocess.Popen([*words, "--out", str(out)], stderr=subprocess.PIPE) as process:
        while once is not None and not once.exists():
            assert process.poll() is None, process.stderr and process.stderr.read().decode()
            time.sleep(0.0005)
        if once is not None:
            os.kill(process.pid, signal.SIGKILL)
        return process.wait()


def what_is_done(out: Path) -> set[str]:
    """Return the folders whose record says done; what they hold is whole."""
    records = {path.parent: read_record(path.parent) for path in out.glob("*/batch.json")}
    done = {folder: r for folder, r in records.items() if r is not None and r.row.state == "done"}
    assert all(record.are_files_whole(folder) for folder, record in done.items())
    return {folder.name for folder in done}


def same_results(a: Path, b: Path, name: str) -> bool:
    table = "localizations.csv"
    files = [table, "filtered.csv"]
    return all((a / name / each).read_bytes() == (b / name / each).read_bytes() for each in files)


def test_a_batch_that_was_killed_goes_on_where_it_was(
    recipe: Callable[..., Recipe], day: Path, tmp_path: Path
) -> None:
    write_movie(day / "cell_3.tif", 3)
    out, made = tmp_path / "out", recipe(steps=STEPS)
    made.to_file(tmp_path / "recipe.yaml")
    code = run_and_kill(tmp_path / "recipe.yaml", out, once=out / "cell_2" / "batch.json")
    assert code == -signal.SIGKILL
    assert what_is_done(out) == {"cell_1"}
    lines = (out / "summary.csv").read_text().splitlines()
    assert len(lines) == 2  # of the one that was done
    finished = finish(made, out)
    assert (finished.n_skipped, finished.sentence) == (1, "3 stacks: 3 done (1 of them before).")
    finish(made, tmp_path / "undisturbed")
    assert all(same_results(out, tmp_path / "undisturbed", f"cell_{n}") for n in (1, 2, 3))


@pytest.mark.slow
def test_ten_stacks_killed_twice_end_as_if_nothing_had_happened(
    recipe: Callable[..., Recipe], day: Path, tmp_path: Path
) -> None:
    for seed in range(1, 11):
        write_movie(day / f"cell_{seed}.tif", seed, n_frames=200)
    out, file, made = tmp_path / "out", tmp_path / "recipe.yaml", recipe(steps=STEPS)
    made.to_file(file)
    # once before the table of a stack is whole, once between its image and its report
    assert run_and_kill(file, out, once=out / "cell_4" / "batch.json") == -signal.SIGKILL
    first = what_is_done(out)
    assert first == {"cell_1", "cell_2", "cell_3"}
    times = {name: (out / name / "reconstruction.tif").stat().st_mtime_ns for name in first}
    assert run_and_kill(file, out, once=out / "cell_7" / "reconstruction.tif") == -signal.SIGKILL
    second = what_is_done(out)
    assert first < second < {f"cell_{n}" for n in range(1, 9)}
    assert run_and_kill(file, out, once=None) == 0
    assert what_is_done(out) == {f"cell_{n}" for n in range(1, 11)}
    assert all((out / n / "reconstruction.tif").stat().st_mtime_ns == t for n, t in times.items())
    assert len((out / "summary.csv").read_text().splitlines()) == 11
    finish(made, tmp_path / "undisturbed")
    assert all(same_results(out, tmp_path / "undisturbed", f"cell_{n}") for n in range(1, 11))
    left = [path for path in out.rglob(".*") if path.name != ".in-use"]
    assert left == []
