"""`deepsmlm batch`: many stacks, one line each, exit code 2 if one of them failed."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import pytest
from tests.batch.conftest import write_movie
from tests.cli.conftest import call, call_and_ctrl_c

from napari_deepsmlm.batch import Recipe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def day(tmp_path: Path) -> Path:
    for seed in (1, 2):
        write_movie(tmp_path / "day" / f"cell_{seed}.tif", seed)
    return tmp_path / "day"


def test_a_folder_is_reconstructed_filtered_and_drawn(
    spotter: Callable[..., Path], day: Path, tmp_path: Path
) -> None:
    out, model = tmp_path / "out", spotter()
    words = ["--model", model, "--where", "x > 800", "--sr-pixel", 20, "--force", "--json"]
    done = call("batch", day, "--out", out, *words)
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["done"], told["skipped"], told["failed"]) == (2, 0, 0)
    assert [row["folder"] for row in told["stacks"]] == ["cell_1", "cell_2"]
    assert all((out / f"cell_{n}" / "rendered.tif").exists() for n in (1, 2))
    assert "1/2 cell_1.tif" in done.stderr
    recipe = Recipe.from_file(out / "recipe.yaml")
    assert [step.kind for step in recipe.steps] == ["filter", "render"]
    assert recipe.reconstruct.model == str(model)

    (day / "cell_2.tif").write_bytes(b"II*\0garbage")
    again = call("batch", "--out", out, "--resume")
    assert again.exit_code == 2
    assert "2 stacks: 1 done (1 of them before), 1 failed." in " ".join(again.stdout.split())
    assert "cell_1.tif: done before, unchanged" in again.stderr
    assert "1 of 2 stacks failed" in again.stderr
    assert "Traceback" not in again.stderr


def test_a_recipe_says_what_is_done_and_options_overrule_it(
    spotter: Callable[..., Path], day: Path, tmp_path: Path
) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        f"inputs: day/cell_1.tif\nreconstruct: {{model: {spotter().name}, force: true}}\n"
        "steps: [{kind: filter, where: 'frame < 4'}]\n"
    )
    done = call("batch", recipe, "--out", tmp_path / "a", "--json")
    assert done.exit_code == 0, done.output
    assert [row["frames"] for row in json.loads(done.stdout)["stacks"]] == [10]
    other = call("batch", recipe, day / "cell_*.tif", "--out", tmp_path / "b", "--sum-frames", 5)
    assert other.exit_code == 0, other.output
    options = json.loads((tmp_path / "b" / "cell_2" / "report.json").read_text())["inputs"]
    assert options["options"]["sum_frames"] == 5


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "No stacks"),
        (["--resume"], "holds no batch to go on with"),
        (["a.yaml", "b.yaml"], "Give one recipe, not 2"),
        (["no such.yaml"], "No such file"),
        (["day", "--model", "fith"], "No model 'fith'"),
        (["day", "--threshold", "2"], "'threshold'"),
        (["day", "--where", ""], "'steps.0.filter.where'"),
        (["day", "--camera", "orca"], "neither a file nor a camera preset"),
    ],
)
def test_a_mistake_in_the_call_is_one_sentence(
    words: list[str], sentence: str, day: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(day.parent)
    wrong = call("batch", *words, "--out", "out")
    assert wrong.exit_code == 2
    assert sentence in " ".join(wrong.stderr.split())
    assert "Traceback" not in wrong.stderr
    assert not (day.parent / "out" / "summary.csv").exists()


def test_ctrl_c_keeps_what_is_done_and_summarises(
    spotter: Callable[..., Path], day: Path, tmp_path: Path
) -> None:
    for seed in range(3, 40):
        write_movie(day / f"cell_{seed}.tif", seed)
    out = tmp_path / "out"
    words = ["--model", spotter(), "--force", "--out", out]
    stopped = call_and_ctrl_c("batch", day, *words, once=out / "cell_2" / "batch.json")
    assert stopped.exit_code == 130
    n_done = sum(",done," in line for line in (out / "summary.csv").read_text().splitlines())
    assert 1 <= n_done < 39
    assert f"{n_done} done" in " ".join(stopped.stdout.split())


def test_an_acquisition_is_followed_until_ctrl_c(
    spotter: Callable[..., Path], day: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    later = threading.Timer(1.0, write_movie, (day / "cell_3.tif", 3))
    later.start()
    words = ["--model", spotter(), "--force", "--out", out, "--watch", "--settle", 0.3, "--json"]
    once = out / "cell_3" / "report.json"
    stopped = call_and_ctrl_c("batch", day, *words, once=once)
    later.join()
    assert stopped.exit_code == 0, stopped.output
    folders = [row["folder"] for row in json.loads(stopped.stdout)["stacks"]]
    assert folders == ["cell_1", "cell_2", "cell_3"]
    assert "waiting for more" in stopped.stderr
