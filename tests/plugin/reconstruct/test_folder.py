"""A folder of stacks, and the choices as a recipe, from the Reconstruct panel."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from qtpy.QtWidgets import QFileDialog
from tests.batch.conftest import write_movie

from napari_deepsmlm.batch import Recipe, run_batch
from napari_deepsmlm.plugin.opening.readers import read_frames

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np

    from napari_deepsmlm.plugin.reconstruct.widget import ReconstructWidget

WAIT_MS = 60_000


@pytest.fixture
def day(tmp_path: Path) -> Path:
    for seed in (1, 2):
        write_movie(tmp_path / "day" / f"cell_{seed}.tif", seed)
    (tmp_path / "day" / "cell_3.tif").write_bytes(b"II*\0garbage")
    write_movie(tmp_path / "day" / "widefield.tif", n_frames=1)
    return tmp_path / "day"


@pytest.fixture
def open_day(
    panel: ReconstructWidget, day: Path, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], None]:
    """Click Folder… and choose it."""

    def click_and_choose() -> None:
        monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(day))
        panel.folder_button.click()
        qtbot.waitUntil(lambda: not panel.is_busy, timeout=WAIT_MS)

    return click_and_choose


def cells(panel: ReconstructWidget) -> list[list[str]]:
    table = panel.folder_box.table
    items = [[table.item(row, column) for column in range(4)] for row in range(table.rowCount())]
    return [["" if item is None else item.text() for item in row] for row in items]


def test_all_stacks_of_a_folder_are_reconstructed_into_files_and_no_layer(
    panel: ReconstructWidget, viewer: Any, open_day: Any, day: Path, qtbot: Any
) -> None:
    assert panel.folder_box.isHidden()
    open_day()
    box = panel.folder_box
    assert not box.isHidden()
    assert "3 stacks in" in box.note.text()
    assert "widefield.tif" in box.note.text()
    assert [row[:2] for row in cells(panel)] == [[f"cell_{n}.tif", "waits"] for n in (1, 2, 3)]
    assert panel.run_button.isEnabled() is False  # there is no stack in the window
    out = day.with_name("day_results")
    assert box.out == out
    box.out_edit.line_edit.value = ""
    assert box.out == out
    box.run_button.click()
    assert panel.cancel_button.isEnabled()
    assert not box.run_button.isEnabled()
    qtbot.waitUntil(lambda: not panel.is_busy, timeout=WAIT_MS)
    assert [row[:3] for row in cells(panel)] == [
        ["cell_1.tif", "done", "10"],
        ["cell_2.tif", "done", "10"],
        ["cell_3.tif", "failed", ""],
    ]
    assert "3 stacks: 2 done, 1 failed." in panel.status_note.text()
    assert "cell_3.tif: " in panel.message_note.text()
    assert "damaged" in box.table.item(2, 1).toolTip()
    assert (out / "cell_2" / "reconstruction.tif").exists()
    assert len(viewer.layers) == 0
    box.run_button.click()
    qtbot.waitUntil(lambda: not panel.is_busy, timeout=WAIT_MS)
    assert "2 done (2 of them before)" in panel.status_note.text()
    box.close_button.click()
    assert box.isHidden()


def test_stopping_a_folder_keeps_what_is_done(
    panel: ReconstructWidget, open_day: Any, day: Path, qtbot: Any, spotter: Any
) -> None:
    for seed in range(4, 60):
        write_movie(day / f"cell_{seed}.tif", seed)
    panel.form.model_box.load_file(spotter())
    open_day()
    panel.folder_box.run_button.click()
    first = day.with_name("day_results") / "cell_1" / "batch.json"
    qtbot.waitUntil(lambda: '"done"' in _text(first), timeout=WAIT_MS)
    started = time.monotonic()
    panel.cancel_button.click()
    qtbot.waitUntil(lambda: not panel.is_busy, timeout=WAIT_MS)
    assert time.monotonic() - started < 20
    states = [row[1] for row in cells(panel)]
    assert states[0] == "done"
    assert states[-1] == "not begun"
    assert "done" in panel.status_note.text()
    assert panel.folder_box.run_button.isEnabled()


def test_the_choices_are_saved_as_a_recipe_that_does_the_same(
    panel: ReconstructWidget,
    viewer: Any,
    day: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    model_file: Path,
) -> None:
    data, keywords, _ = read_frames(str(day / "cell_1.tif"))[0]
    viewer.add_image(data, **keywords)
    panel.form.fill_in(sum_frames=5)
    panel.form.first_frame.value = 2
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "mine"), ""))
    panel.recipe_button.click()
    recipe = Recipe.from_file(tmp_path / "mine.yaml")
    assert recipe.inputs == (str(day / "cell_1.tif"),)
    assert recipe.reconstruct == panel.form.options().replace(pixel_size_nm=None)
    assert (recipe.reconstruct.sum_frames, recipe.reconstruct.frame_range) == (5, (2, None))
    assert "deepsmlm batch" in panel.status_note.text()
    done = run_batch(out=tmp_path / "out", recipe=tmp_path / "mine.yaml")
    assert [(row.state, row.frames) for row in done.rows] == [("done", 8)]


def test_a_pixel_size_that_was_entered_is_that_of_all_stacks(
    panel: ReconstructWidget, viewer: Any, stack: np.ndarray, tmp_path: Path, open_day: Any
) -> None:
    viewer.add_image(stack, name="of another reader")
    panel.form.fill_in(pixel_size_nm=133.0)
    panel.save_recipe(tmp_path / "a.yaml")
    recipe = Recipe.from_file(tmp_path / "a.yaml")
    assert (recipe.inputs, recipe.reconstruct.pixel_size_nm) == ((), 133)
    open_day()
    panel.save_recipe(tmp_path / "b.yaml")
    assert Recipe.from_file(tmp_path / "b.yaml").inputs == (str(panel.folder_box.folder),)
    panel.save_recipe(tmp_path / "no" / "\0.yaml")
    assert panel.message_note.is_error


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""
