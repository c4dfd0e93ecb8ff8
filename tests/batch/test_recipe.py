"""Recipes: YAML and back, files beside them, and steps that are one file each."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from napari_deepsmlm.batch import Recipe, step_kinds, steps

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
