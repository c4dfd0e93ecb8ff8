"""Steps give what the commands of their names give, and a table's history is a recipe of them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.cli.conftest import call
from tests.drift.conftest import drifting

from napari_deepsmlm.batch import Recipe
from napari_deepsmlm.batch.steps import Stage
from napari_deepsmlm.io import read_localizations, write_localizations

if TYPE_CHECKING:
    from pathlib import Path

STEPS: dict[str, tuple[dict[str, Any], tuple[object, ...]]] = {
    "drift": (
        {"method": "correlation", "segment_frames": 100},
        ("--method", "correlation", "--segment", 100),
    ),
    "link": ({"distance_nm": 40.0, "dark_frames": 1}, ("--distance", 40, "--dark", 1)),
    "cluster": ({"radius_nm": 60.0, "min_molecules": 5}, ("--radius", 60, "--least", 5)),
    "filter": ({"where": "x > 2000"}, ("--where", "x > 2000")),
}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    table, _ = drifting(4000, 1000, steady_nm=(120.0, 60.0, 0.0), field_nm=5000.0)
    path = tmp_path_factory.mktemp("tables") / "locs.csv"
    write_localizations(table, path)
    return path


def assert_same(ours: Path, theirs: Path) -> None:
    one, other = read_localizations(ours), read_localizations(theirs)
    assert one.names == other.names
    assert len(one) == len(other) > 0
    for name in one.names:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


@pytest.mark.parametrize("kind", STEPS)
def test_a_step_writes_what_its_command_writes(kind: str, source: Path, tmp_path: Path) -> None:
    options, words = STEPS[kind]
    by_command = tmp_path / "by_command.csv"
    done = call(kind, source, "--out", by_command, *words)
    assert done.exit_code == 0, done.output
    (step,) = Recipe.from_dict({"steps": [{"kind": kind, **options}]}).steps
    path = tmp_path / step.file_name
    left = step.run(Stage(read_localizations(source), {}, path, threading.Event()))
    assert_same(path, by_command)
    assert len(left.table) == len(read_localizations(path))
    assert (tmp_path / "drift_corrected_curve.png").exists() == (kind == "drift")


def test_the_history_of_a_table_is_a_recipe_that_makes_it_again(
    source: Path, tmp_path: Path
) -> None:
    before = source
    for kind, (_, words) in STEPS.items():
        after = tmp_path / f"{kind}.csv"
        assert call(kind, before, "--out", after, *words).exit_code == 0
        before = after
    recipe = Recipe.from_file(tmp_path / "filter.csv.recipe.yaml")
    assert [step.kind for step in recipe.steps] == list(STEPS)
    table = read_localizations(source)
    for step in recipe.steps:
        path = tmp_path / step.file_name
        step.run(Stage(table, {}, path, threading.Event()))
        table = read_localizations(path)  # rounded as the commands found it
    assert_same(path, before)


def test_a_drift_step_has_one_curve() -> None:
    with pytest.raises(ValueError, match="takes 'apply' or 'take_back', not both"):
        Recipe.from_dict({"steps": [{"kind": "drift", "apply": "a.csv", "take_back": "a.csv"}]})
