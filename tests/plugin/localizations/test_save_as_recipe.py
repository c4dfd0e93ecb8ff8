"""Save as recipe: what was tried on one stack in the panels is done with others by a batch."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
import yaml
from qtpy.QtWidgets import QFileDialog, QMessageBox
from tests.cli.conftest import call
from tests.plugin.localizations.conftest import settle

from napari_deepsmlm.batch import Recipe
from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.filtering import filter_table, in_regions
from napari_deepsmlm.io import (
    History,
    read_history,
    read_localizations,
    write_history,
    write_localizations,
    write_stack,
)
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.plugin.localizations.after_work import Source
from napari_deepsmlm.plugin.localizations.render_form import OF_SCREEN
from napari_deepsmlm.plugin.localizations.saving import save_recipe
from napari_deepsmlm.plugin.localizations.widget import LocalizationsWidget
from napari_deepsmlm.plugin.localizations.work import Wanted
from napari_deepsmlm.plugin.reconstruct.widget import ReconstructWidget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

WAIT_MS = 60_000
MODEL = "dilated-loc:2d-100nm"
WHERE = "intensity > 0.7 * mean(intensity)"
FRAMES = Experiment.from_preset("challenge-microtubules").replace(image_px=(32, 32))


@pytest.fixture
def panel(viewer: Any, qtbot: Any) -> Iterator[LocalizationsWidget]:
    made = LocalizationsWidget(viewer)
    qtbot.addWidget(made)
    qtbot.waitUntil(lambda: made.is_ready, timeout=WAIT_MS)
    yield made
    made.abandon()


@pytest.fixture
def save(
    panel: LocalizationsWidget, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], Path]:
    """Click Save as recipe… and choose a file."""
    path = tmp_path / "tried.yaml"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path.with_suffix("")), ""))
    monkeypatch.setattr(QMessageBox, "question", lambda *_: QMessageBox.StandardButton.Ok)

    def click_and_choose() -> Path:
        qtbot.waitUntil(panel.recipe_button.isEnabled, timeout=WAIT_MS)
        panel.recipe_button.click()
        qtbot.waitUntil(lambda: not panel.is_busy, timeout=WAIT_MS)
        return path

    return click_and_choose


def table(n: int = 400) -> Localizations:
    chance = np.random.default_rng(0)
    return Localizations(
        frame=np.sort(chance.integers(0, 50, n)),
        x_nm=chance.uniform(0, 3000, n),
        y_nm=chance.uniform(0, 3000, n),
        photons=chance.uniform(100, 1000, n),
    )


@pytest.mark.parametrize("answer", ["Ok", "Cancel"])
def test_a_recipe_that_is_there_is_replaced_only_if_that_is_wanted(
    panel: LocalizationsWidget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    chosen, asked = [], []
    (tmp_path / "mine.yaml").write_text("inputs: []")

    def reply(*words: Any) -> Any:
        asked.append(words[2])
        return getattr(QMessageBox.StandardButton, answer)

    monkeypatch.setattr(QMessageBox, "question", reply)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "mine"), ""))
    panel.recipe_button.chosen.connect(chosen.append)
    panel.recipe_button.chosen.disconnect(panel.save_recipe)
    panel.recipe_button._ask()
    assert "mine.yaml will be replaced" in asked[0]
    assert chosen == ([tmp_path / "mine.yaml"] if answer == "Ok" else [])


def test_a_stack_that_was_forced_forces_no_other(tmp_path: Path) -> None:
    inputs = {"paths": [str(tmp_path / "a.tif")], "options": {"model": MODEL, "force": True}}
    source = Source(table(), (), "a", None, {"inputs": inputs, "pixel_size_nm": 100.0})
    wanted = Wanted("", None)
    list(save_recipe(source, wanted, tmp_path / "recipe.yaml", threading.Event()))
    assert not Recipe.from_file(tmp_path / "recipe.yaml").reconstruct.force


def test_what_was_tried_on_one_stack_is_done_again_and_with_another(
    viewer: Any,
    qtbot: Any,
    panel: LocalizationsWidget,
    save: Callable[[], Path],
    tmp_path: Path,
    no_threads_left: None,
) -> None:
    for name, seed in (("tried", 2), ("other", 3)):
        stack, _ = FRAMES.simulate(n_frames=40, seed=seed)
        write_stack(tmp_path / f"{name}.tif", stack, pixel_size_nm=100)
    viewer.open(str(tmp_path / "tried.tif"), plugin="napari-deepsmlm")
    run = ReconstructWidget(viewer)
    qtbot.addWidget(run)
    qtbot.waitUntil(lambda: run.is_ready, timeout=WAIT_MS)
    box = run.form.model_box
    box.choose(next(choice for choice in box.choices if choice.key == MODEL))
    run.form.first_frame.value = 2
    qtbot.waitUntil(run.run_button.isEnabled, timeout=WAIT_MS)
    run.run_button.click()
    qtbot.waitUntil(run.save_button.isEnabled, timeout=WAIT_MS)

    settle(panel, qtbot)
    panel.where_line.value = WHERE
    settle(panel, qtbot)
    panel.after.drift_button.click()
    settle(panel, qtbot, "drift corrected")
    panel.after.link_button.click()
    settle(panel, qtbot, "linked")
    panel.drawing.fields.fill({"kind": "gaussian", "sr_pixel_nm": 20.0, "sigma_nm": 15.0})
    panel.drawing.color_box.value = "photons"
    panel.render_button.click()
    settle(panel, qtbot)
    recipe = Recipe.from_file(save())
    tried = [step.model_dump(exclude_none=True) for step in recipe.steps]
    assert [step["kind"] for step in tried] == [
        *("filter", "drift"),
        *("filter", "link"),  # the condition stays in the panel, and counts for each table
        *("filter", "render"),
    ]
    assert tried[0] == tried[2] == tried[4] == {"kind": "filter", "where": f"({WHERE})"}
    assert tried[3]["distance_nm"] > 0
    image = {"kind": "gaussian", "sr_pixel_nm": 20.0, "sigma_nm": 15.0}
    assert tried[5]["image"].items() >= image.items()
    assert tried[5]["color_by"] == "photons"
    assert recipe.inputs == (str(tmp_path / "tried.tif"),)
    assert recipe.reconstruct == run.form.options().replace(pixel_size_nm=None)
    assert "deepsmlm batch" in panel.status_note.text()
    panel.save(tmp_path / "clicked.csv")
    settle(panel, qtbot)
    clicked = read_localizations(tmp_path / "clicked.csv")
    assert Recipe.of_history(read_history(tmp_path / "clicked.csv")).steps == recipe.steps[:5]
    run.abandon()

    stacks = [tmp_path / "tried.tif", tmp_path / "other.tif"]
    result = call("batch", tmp_path / "tried.yaml", *stacks, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    again = read_localizations(tmp_path / "out" / "tried" / "filtered_3.csv")
    assert len(again) == len(clicked) > 20
    names = set(clicked.names) - {"id"}  # a batch numbers the rows as they are first written
    assert names == set(again.names) - {"id"}
    np.testing.assert_array_equal(clicked.frame, again.frame)
    for name in names:  # a batch goes on from the table as it is written, rounded
        np.testing.assert_allclose(clicked[name], again[name], rtol=2e-4, atol=0.05, err_msg=name)
    folder = tmp_path / "out" / "other"
    done = json.loads((folder / "report.json").read_text())["inputs"]
    assert done["name"] == "other.tif"
    assert done["options"] == recipe.reconstruct.model_dump(mode="json")
    assert done["options"]["frame_range"] == [2, None]
    made = Recipe.of_history(read_history(folder / "filtered_3.csv"), folder=folder)
    assert made.steps == recipe.steps[:5]
    found = read_localizations(folder / "localizations.csv")
    kept = read_localizations(folder / "filtered.csv")
    assert 0 < len(kept) == len(filter_table(found, WHERE)) < len(found)
    with tifffile.TiffFile(folder / "rendered.tif") as drawn:
        assert drawn.pages[0].shape[:2] == (160, 160)  # 3200 nm of field in pixels of 20 nm


def test_the_filter_comes_before_the_region_as_its_means_are_over_all_molecules(
    viewer: Any, qtbot: Any, panel: LocalizationsWidget, save: Callable[[], Path], tmp_path: Path
) -> None:
    given = table()
    right = np.asarray(given.x_nm) > 1500
    given = given.with_columns(photons=given["photons"] * np.where(right, 4, 1))
    write_localizations(given, tmp_path / "mine.csv")
    panel.open(tmp_path / "mine.csv")
    settle(panel, qtbot, "mine")
    panel.where_line.value = WHERE
    panel.shapes.draw()
    shapes = viewer.layers.selection.active
    shapes.add_rectangles(np.array([[0, 0], [0, 1500], [3000, 1500], [3000, 0]], float))
    shapes.selected_data = set()
    settle(panel, qtbot)
    assert panel.filtered is not None
    shown = panel.filtered.table
    where, region = Recipe.from_file(save()).steps
    again = filter_table(read_localizations(tmp_path / "mine.csv"), where.where)  # type: ignore[attr-defined]
    again = again[in_regions(again, region.polygons_nm)]  # type: ignore[attr-defined]
    assert 0 < len(shown) == len(again)


def test_a_table_of_another_program_gives_the_steps_alone(
    viewer: Any, qtbot: Any, panel: LocalizationsWidget, save: Callable[[], Path], tmp_path: Path
) -> None:
    assert not panel.recipe_button.isEnabled()
    write_localizations(table(), tmp_path / "foreign.csv")
    panel.open(tmp_path / "foreign.csv")
    settle(panel, qtbot, "foreign")
    panel.where_line.value = "intensity > 500"
    settle(panel, qtbot)
    steps = [{"kind": "filter", "where": "(intensity > 500)"}]
    assert yaml.safe_load(save().read_text()) == {"steps": steps}
    said = "how these molecules were found is not known, so deep-storm finds those of STACKS."
    assert panel.status_note.text().endswith(said)


def test_the_history_beside_a_table_comes_first(
    viewer: Any,
    qtbot: Any,
    panel: LocalizationsWidget,
    save: Callable[[], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "day" / "drifted.csv"
    path.parent.mkdir()
    write_localizations(table(), path)
    before = History({"inputs": ["cell.tif"], "reconstruct": {"sum_frames": 5}})
    write_history(path, before, {"kind": "drift", "apply": "curve.csv"}, "deepsmlm drift")
    panel.open(path)
    settle(panel, qtbot, "drifted")
    panel.drawing.sharpness_box.value = OF_SCREEN
    panel.render_button.click()
    settle(panel, qtbot)
    told, tell = [], panel.status_note.tell  # the view, once it has come to rest, tells more
    monkeypatch.setattr(panel.status_note, "tell", lambda text: (told.append(text), tell(text)))
    recipe = Recipe.from_file(save())
    assert recipe.inputs == (str(path.with_name("cell.tif")),)
    assert recipe.reconstruct.sum_frames == 5
    (drift,) = recipe.steps
    assert drift.apply == str(path.with_name("curve.csv"))  # type: ignore[attr-defined]
    assert any("pixels of the screen" in text for text in told)
    path.with_name("drifted.csv.recipe.yaml").write_text(
        path.with_name("drifted.csv.recipe.yaml").read_text().replace("kind: drift", "kind: drfit")
    )
    save()
    assert panel.message_note.is_error
    assert "'steps.0'" in panel.message_note.text()
