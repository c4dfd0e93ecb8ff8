"""Recipes: YAML and back, files beside them, and steps that are one file each."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.batch.conftest import N_FRAMES, write_movie

from napari_deepsmlm.batch import Recipe, run_batch, step_kinds, steps
from napari_deepsmlm.io import history_of_run, open_frames
from napari_deepsmlm.reconstruction import reconstruct

if TYPE_CHECKING:
    from collections.abc import Callable

FULL: dict[str, Any] = {
    "inputs": ["/data/day1", "/data/*.tif", ["/data/a.tif", "/data/b.tif"]],
    "reconstruct": {
        "model": "dilated-loc",
        "pixel_size_nm": 103.5,
        "frame_range": [10, None],
        "region": [0, 0, 32, 48],
        "camera": {"kind": "emccd", "em_gain": 200},
        "channel": "red",
    },
    "adapt_minutes": 5,
    "steps": [
        {"kind": "filter", "where": "uncertainty_xy < 30"},
        {"kind": "render", "image": {"kind": "gaussian", "sr_pixel_nm": 5}, "color_by": "z"},
    ],
}


def test_a_recipe_comes_back_from_its_file(tmp_path: Path) -> None:
    recipe = Recipe.from_dict(FULL)
    recipe.to_file(tmp_path / "recipe.yaml")
    assert Recipe.from_file(tmp_path / "recipe.yaml") == recipe
    assert recipe.steps[1].kind == "render"


def test_what_is_left_out_stays_as_by_default(tmp_path: Path) -> None:
    alone = Recipe.from_dict({"steps": [{"kind": "filter", "where": "x > 1"}]})
    assert not alone.has_reconstruction
    assert yaml.safe_load(alone.to_yaml()) == {"steps": [{"kind": "filter", "where": "x > 1"}]}
    Recipe().to_file(tmp_path / "nothing.yaml")
    assert Recipe.from_file(tmp_path / "nothing.yaml") == Recipe()


@pytest.mark.parametrize("as_planes", [False, True])
def test_the_history_of_several_files_is_a_recipe_for_all_of_them(
    tmp_path: Path, spotter: Callable[..., Path], as_planes: bool
) -> None:
    files = [str(write_movie(tmp_path / f"cell_plane{n}.tif", n)) for n in (1, 2)]
    model = str(spotter())
    named = list(map(Path, files))
    frames: Any = open_frames(named, as_planes=True) if as_planes else named
    run = reconstruct(frames, model=model, force=True, pixel_size_nm=100, channel=1)
    recipe = Recipe.of_history(history_of_run(run.report.to_json()["inputs"]))
    assert recipe.inputs == (tuple(files),)
    assert recipe.planes is as_planes
    assert recipe.reconstruct.pixel_size_nm is None  # the files state it
    assert (recipe.reconstruct.model, recipe.reconstruct.force) == (model, True)
    (row,) = run_batch(out=tmp_path / "out", recipe=recipe).rows
    assert (row.state, row.frames) == ("done", N_FRAMES * (1 if as_planes else 2))
    other = reconstruct(named[:1], model=model, force=True, pixel_size_nm=101)
    history = history_of_run(other.report.to_json()["inputs"]).recipe
    assert (history["inputs"], history["reconstruct"]["pixel_size_nm"]) == ([files[0]], 101)


def test_files_are_looked_for_in_the_folder_of_the_recipe(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(
        "inputs: [day1, /data/x.tif]\nreconstruct: {model: own.safetensors, registration: p.yaml}\n"
    )
    recipe = Recipe.from_file(tmp_path / "r.yaml")
    assert recipe.inputs == (str(tmp_path / "day1"), "/data/x.tif")
    assert recipe.reconstruct.model == str(tmp_path / "own.safetensors")
    assert recipe.reconstruct.registration == str(tmp_path / "p.yaml")
    (tmp_path / "one.yaml").write_text("inputs: day1\n")
    assert Recipe.from_file(tmp_path / "one.yaml").inputs == (str(tmp_path / "day1"),)
    assert Recipe.from_file(tmp_path / "one.yaml").reconstruct.model == "deep-storm"


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"step": []}, "unknown key 'step'"),
        ({"steps": [{"where": "x > 1"}]}, "needs a 'kind'"),
        ({"steps": [{"kind": "filtre"}]}, "'filter', 'link', 'region'"),
        ({"steps": [{"kind": "filter", "where": "x <"}]}, "Filter, character"),
        ({"steps": [{"kind": "filter"}]}, "'steps.0.filter.where' is missing"),
        ({"reconstruct": {"sum_frames": 0}}, "'reconstruct.sum_frames'"),
        ({"inputs": [""]}, "needs the name of a file"),
        ({"adapt_minutes": -1}, "'adapt_minutes'"),
    ],
)
def test_a_mistake_is_one_sentence(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match="recipe") as error:
        Recipe.from_dict(values, source="recipe")
    assert sentence in str(error.value)


STEP = '''
"""Count."""
from typing import ClassVar, Literal
from napari_deepsmlm.batch.steps.base import Stage, Step, StepDone

class CountStep(Step):
    file_name: ClassVar[str] = "count.txt"
    kind: Literal["count"] = "count"

    def run(self, stage: Stage) -> StepDone:
        stage.path.write_text(str(len(stage.table)))
        return StepDone(stage.table)

STEP = CountStep
'''


def test_a_step_is_one_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "throw_away_count.py").write_text(STEP)
    monkeypatch.setattr(steps, "__path__", [*steps.__path__, str(tmp_path)])
    assert {"count", "filter", "render"} <= set(step_kinds())


def test_the_recipe_of_the_documentation_is_one(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "batch.md").read_text(encoding="utf-8")
    (tmp_path / "recipe.yaml").write_text(re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)[0])
    recipe = Recipe.from_file(tmp_path / "recipe.yaml")
    assert recipe.inputs == (str(tmp_path / "day1"), str(tmp_path / "day2/cell_*.tif"))
    assert [step.kind for step in recipe.steps] == ["filter", "drift", "link", "render"]
    series = Recipe.from_dict({"inputs": [["a1.tif", "a2.tif"], "b.tif"]})
    assert series.inputs == (("a1.tif", "a2.tif"), "b.tif")
