"""A batch: what is done is skipped, what changed is done again, what fails is a sentence."""

from __future__ import annotations

import csv
import os
import shutil
import threading
from typing import TYPE_CHECKING, Any

import pytest
import tifffile
from tests.batch.conftest import finish, write_movie

from napari_deepsmlm.batch import (
    BatchFinished,
    BatchJob,
    Recipe,
    Stack,
    StackBegan,
    StackEnded,
    StackProgress,
    run_batch,
)
from napari_deepsmlm.batch.fingerprint import fingerprint_of
from napari_deepsmlm.batch.record import read_record
from napari_deepsmlm.io import read_localizations
from napari_deepsmlm.models import load_model, save_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[..., Recipe]

FILTER = {"kind": "filter", "where": "x > 800"}
ONLY_STEPS = "only the steps after the reconstruction, which "
RENDER = {"kind": "render", "image": {"sr_pixel_nm": 20}}


def read_summary(out: Path) -> list[dict[str, str]]:
    with (out / "summary.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def begun(recipe: Recipe, out: Path) -> dict[str, str]:
    """Return which stacks are not skipped, and why they are done anew."""
    events = list(BatchJob(recipe, out).run())
    return {event.file.name: event.why for event in events if isinstance(event, StackBegan)}


def test_every_stack_has_a_folder_of_its_own_and_a_line_in_the_summary(
    recipe: Make, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    finished = finish(recipe(steps=[FILTER, RENDER]), out)
    assert [(row.folder, row.state, row.frames) for row in finished.rows] == [
        ("cell_1", "done", 10),
        ("cell_2", "done", 10),
    ]
    assert finished.sentence == "2 stacks: 2 done."
    for line in read_summary(out):
        folder = out / line["folder"]
        molecules = read_localizations(folder / "localizations.csv")
        assert int(line["localizations"]) == len(molecules)
        assert line["camera"] == "estimated"
        kept = read_localizations(folder / "filtered.csv")
        assert len(kept) == (molecules.x_nm > 800).sum() > 0
        image = tifffile.imread(folder / "rendered.tif")
        assert image.shape == (80, 80)
        assert image.sum() == len(kept)
    assert Recipe.from_file(out / "recipe.yaml") == recipe(steps=[FILTER, RENDER])


def test_what_is_done_and_unchanged_is_skipped_wherever_it_is_asked_from(
    recipe: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    finish(recipe(), out)
    before = (out / "summary.csv").read_bytes()
    monkeypatch.chdir(tmp_path)
    again = finish(recipe().replace(inputs=("day/cell_*.tif",)), out)
    assert again.n_skipped == 2
    assert again.sentence == "2 stacks: 2 done (2 of them before)."
    assert (out / "summary.csv").read_bytes() == before


def test_only_what_changed_is_done_again(recipe: Make, day: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    finish(recipe(), out)
    write_movie(day / "cell_1.tif", seed=7)
    write_movie(day / "cell_3.tif", seed=8)
    assert begun(recipe(), out) == {"cell_1.tif": "the file has changed", "cell_3.tif": ""}
    (out / "cell_2" / "report.json").unlink()
    why = {"cell_2.tif": "a file of its results has changed or is gone"}
    assert begun(recipe(), out) == why
    (out / "cell_3" / "batch.json").write_text("{damaged")
    assert begun(recipe(), out) == {"cell_3.tif": ""}
    assert (out / "day_cell_3" / "report.json").exists()
    threshold = recipe(reconstruct={"threshold": 0.4})
    assert set(begun(threshold, out).values()) == {"the recipe has changed"}


def test_the_same_bytes_written_later_count_as_changed_and_a_device_does_not(
    recipe: Make, day: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    finish(recipe(), out)
    os.utime(day / "cell_2.tif", ns=(1, 1))
    on_cpu = recipe(reconstruct={"device": "cpu"})
    assert begun(on_cpu, out) == {"cell_2.tif": "the file has changed"}


def test_the_brake_that_is_taken_off_for_some_does_not_undo_the_others(
    recipe: Make, day: Path
) -> None:
    stack = Stack((day / "cell_1.tif",))
    options = recipe().reconstruct
    first = fingerprint_of(stack, recipe())
    careful = recipe().replace(reconstruct=options.replace(force=False))
    assert fingerprint_of(stack, careful) == first
    other = recipe().replace(reconstruct=options.replace(sum_frames=2))
    assert fingerprint_of(stack, other).recipe != first.recipe


def test_other_weights_of_the_same_name_count_as_changed(recipe: Make, tmp_path: Path) -> None:
    out = tmp_path / "out"
    finish(recipe(), out)
    path = recipe().reconstruct.model
    model, _ = load_model(path)
    model.gain.data *= 1.01
    save_model(path, model)
    assert set(begun(recipe(), out).values()) == {"the model has changed"}
    assert begun(recipe(), out) == {}


def test_other_steps_do_not_reconstruct_again(recipe: Make, tmp_path: Path) -> None:
    out = tmp_path / "out"
    finish(recipe(steps=[FILTER, RENDER]), out)
    folder = out / "cell_1"
    before = (folder / "reconstruction.tif").stat()
    events = list(BatchJob(recipe(steps=[FILTER, FILTER]), out).run())
    why = {event.why for event in events if isinstance(event, StackBegan)}
    assert why == {ONLY_STEPS + "have changed"}
    doing = {event.doing.what for event in events if isinstance(event, StackProgress)}
    assert doing == {"Step 1: filtered.csv", "Step 2: filtered.csv"}
    assert (folder / "reconstruction.tif").stat() == before
    assert (folder / "filtered_2.csv").exists()
    assert not (folder / "rendered.tif").exists()
    assert begun(recipe(steps=[FILTER, FILTER]), out) == {}


def test_one_broken_file_among_ten_is_a_sentence_and_the_others_are_done(
    recipe: Make, day: Path, tmp_path: Path
) -> None:
    whole = write_movie(day / "cell_3.tif", 3).read_bytes()
    (day / "cell_3.tif").write_bytes(whole[: len(whole) // 2])
    for seed in range(4, 11):
        write_movie(day / f"cell_{seed}.tif", seed)
    finished = finish(recipe(), tmp_path / "out")
    assert finished.sentence == "10 stacks: 9 done, 1 failed."
    lines = {line["folder"]: line for line in read_summary(tmp_path / "out")}
    assert [name for name, line in lines.items() if line["state"] == "failed"] == ["cell_3"]
    assert lines["cell_3"]["error"].startswith("cell_3.tif: ")
    assert "\n" not in lines["cell_3"]["error"]
    write_movie(day / "cell_3.tif", 3)  # mended, it is the only one that is done
    assert set(begun(recipe(), tmp_path / "out")) == {"cell_3.tif"}
    assert not finish(recipe(), tmp_path / "out").failed


def test_a_named_file_that_is_not_there_fails_and_keeps_what_it_gave_before(
    recipe: Make, day: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    named = recipe().replace(inputs=tuple(str(day / f"cell_{n}.tif") for n in (1, 2)))
    finish(named, out)
    shutil.move(day / "cell_1.tif", tmp_path / "away.tif")
    finished = finish(named, out)
    assert "No such file" in finished.failed[0].error
    shutil.move(tmp_path / "away.tif", day / "cell_1.tif")
    assert finish(named, out).n_skipped == 2


def test_a_step_that_cannot_be_done_keeps_the_reconstruction(recipe: Make, tmp_path: Path) -> None:
    out = tmp_path / "out"
    wrong = recipe(steps=[{"kind": "filter", "where": "z > 3"}])
    finished = finish(wrong, out)
    assert all("no column 'z'" in row.error for row in finished.failed)
    assert len(finished.failed) == 2
    before = (out / "cell_1" / "reconstruction.tif").stat()
    assert set(begun(wrong, out).values()) == {ONLY_STEPS + "were not done"}
    assert finish(recipe(steps=[FILTER]), out).sentence == "2 stacks: 2 done."
    assert (out / "cell_1" / "reconstruction.tif").stat() == before


def test_stacks_of_one_name_do_not_share_a_folder_nor_take_somebody_elses(
    recipe: Make, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    (out / "A").mkdir(parents=True)
    (out / "A" / "precious.txt").write_text("mine")
    files = [write_movie(tmp_path / day / "a.tif", n) for n, day in enumerate(("d1", "d2", "d3"))]
    files.append(write_movie(tmp_path / "other" / "d1" / "a.tif", 9))
    named = recipe().replace(inputs=tuple(map(str, files)))
    rows = finish(named, out).rows
    names = [f"{tmp_path.name}_d1_a", "d2_a", "d3_a", "other_d1_a"]
    assert [row.folder for row in rows] == names
    assert [path.name for path in (out / "A").iterdir()] == ["precious.txt"]
    again = named.replace(inputs=named.inputs[::-1])
    assert finish(again, out).n_skipped == 4


@pytest.mark.parametrize("order", [1, -1])
def test_the_name_of_a_folder_does_not_depend_on_the_order(
    recipe: Make, tmp_path: Path, order: int
) -> None:
    files = [write_movie(tmp_path / day / "a.tif") for day in ("d1", "d2")]
    files.append(write_movie(tmp_path / "d1" / "b.tif"))
    named = recipe().replace(inputs=tuple(map(str, files[::order])))
    rows = {row.file: row.folder for row in finish(named, tmp_path / "out").rows}
    assert [rows[str(file)] for file in files] == ["d1_a", "d2_a", "b"]


def test_the_summary_holds_what_earlier_batches_did_in_the_folder(
    recipe: Make, day: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    finish(recipe(), out)
    write_movie(tmp_path / "=1+1.tif")
    other = finish(recipe().replace(inputs=(str(tmp_path / "=1+1.tif"),)), out)
    assert other.sentence == "1 stack: 1 done. The folder holds 2 more stacks of an earlier batch."
    lines = read_summary(out)
    assert [line["batch"] for line in lines] == ["earlier", "earlier", "this"]
    assert [line["folder"] for line in lines] == ["cell_1", "cell_2", "'=1+1"]
    assert all(line["state"] == "done" for line in lines)


def test_a_stopped_batch_keeps_what_is_done_and_goes_on_with_the_rest(
    recipe: Make, tmp_path: Path
) -> None:
    out, stopping = tmp_path / "out", threading.Event()
    events = []
    for event in BatchJob(recipe(), out, stopping=stopping).run():
        events.append(event)
        if isinstance(event, StackEnded):
            stopping.set()
    finished = events[-1]
    assert isinstance(finished, BatchFinished)
    assert finished.is_stopped
    assert [row.state for row in finished.rows] == ["done", "not begun"]
    assert finished.sentence == "2 stacks: 1 done, 1 not begun."
    assert [line["state"] for line in read_summary(out)] == ["done", "not begun"]
    assert begun(recipe(), out) == {"cell_2.tif": ""}


def test_the_summary_says_which_stack_is_begun_as_a_kill_would_leave_it(
    recipe: Make, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    states = [
        [line["state"] for line in read_summary(out)]
        for event in BatchJob(recipe(), out).run()
        if isinstance(event, StackBegan)
    ]
    assert states == [["begun"], ["done", "begun"]]


def test_a_stack_that_is_stopped_in_the_middle_does_not_count_as_done(
    recipe: Make, day: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    write_movie(day / "cell_1.tif", n_frames=400)
    job = BatchJob(recipe(), out)
    for event in job.run():
        if isinstance(event, StackProgress):
            job.stop()
    assert [line["state"] for line in read_summary(out)] == ["stopped", "not begun"]
    assert begun(recipe(), out) == {"cell_1.tif": "", "cell_2.tif": ""}


def test_a_file_that_changes_while_it_is_read_does_not_count_as_done(
    recipe: Make, day: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    for event in BatchJob(recipe(), out).run():
        if isinstance(event, StackProgress) and event.file.name == "cell_1.tif":
            os.utime(event.file, ns=(1, 1))
    first, second = read_summary(out)
    assert first["state"] == "failed"
    assert "changed while it was read" in first["error"]
    assert second["state"] == "done"


def test_a_fault_of_ours_ends_one_stack_and_not_the_others(
    recipe: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    from napari_deepsmlm.batch import one_stack

    made = one_stack.ReconstructJob

    def break_first(frames: Any, *args: Any, **keywords: Any) -> Any:
        if frames.name == "cell_1.tif":
            raise RuntimeError("CUDA error: an illegal memory access")
        return made(frames, *args, **keywords)

    monkeypatch.setattr(one_stack, "ReconstructJob", break_first)
    finished = finish(recipe(), tmp_path / "out")
    assert [row.state for row in finished.rows] == ["failed", "done"]
    assert finished.rows[0].error == "Internal error: CUDA error: an illegal memory access"
    assert "internal error" in caplog.text


def test_two_batches_do_not_work_in_one_folder(recipe: Make, tmp_path: Path) -> None:
    running = BatchJob(recipe(), tmp_path / "out").run()
    next(running)
    with pytest.raises(FileExistsError, match="in use by another run"):
        next(BatchJob(recipe(), tmp_path / "out").run())
    running.close()


def test_what_cannot_be_begun_is_said_before_anything_is_written(
    recipe: Make, tmp_path: Path
) -> None:
    (tmp_path / "none").mkdir()
    write_movie(tmp_path / "few" / "snapshot.tif", n_frames=2)
    out = tmp_path / "out"
    for wrong, sentence in [
        (recipe().replace(inputs=(str(tmp_path / "none"),)), "no movies of camera frames there"),
        (recipe().replace(inputs=(str(tmp_path / "few"),)), "left out: snapshot.tif"),
        (recipe(reconstruct={"model": "fith"}), "No model 'fith'"),
        (recipe(reconstruct={"device": "cuda:77"}), "No device 'cuda:77'"),
        (recipe().replace(inputs=(str(tmp_path / "day7"),)), "day7: no such file or folder"),
        (recipe().replace(inputs=(str(tmp_path / "day"), str(tmp_path / "day7"))), "day7: no such"),
        (recipe().replace(inputs=(str(tmp_path / "gone.tif"),)), "gone.tif: no such file"),
        (recipe(steps=[{"kind": "filter", "where": "wobble < 3"}]), "Step 1, filter: .*'wobble'"),
        (recipe(steps=[RENDER | {"color_by": "dept"}]), "Step 1, render: No column 'dept'"),
        (recipe(steps=[FILTER, {"kind": "drift", "apply": "gone.csv"}]), "Step 2, drift: .*gone"),
    ]:
        with pytest.raises((ValueError, OSError), match=sentence):
            next(BatchJob(wrong, out).run())
    with pytest.raises(ValueError, match="No stacks"):
        BatchJob(Recipe(), out)
    assert not out.exists()


def test_one_call_does_it_all(day: Path, spotter: Callable[..., Path], tmp_path: Path) -> None:
    done = run_batch(day, out=tmp_path / "out", model=str(spotter()), frame_range=(2, 7))
    assert [row.frames for row in done.rows] == [5, 5]
    record = read_record(tmp_path / "out" / "cell_1")
    assert record is not None
    assert record.are_files_whole(tmp_path / "out" / "cell_1")
    file = tmp_path / "out" / "recipe.yaml"
    assert run_batch(out=tmp_path / "out", recipe=file).n_skipped == 2
    with pytest.raises(ValueError, match="unknown key 'sum_frame'"):
        run_batch(day, out=tmp_path / "out", sum_frame=3)


def test_results_may_lie_beside_the_stacks(recipe: Make, day: Path) -> None:
    assert finish(recipe(steps=[RENDER]), day).sentence == "2 stacks: 2 done."
    pattern = recipe(steps=[RENDER]).replace(inputs=(str(day / "**" / "*.tif"),))
    assert finish(pattern, day).sentence == "2 stacks: 2 done (2 of them before)."


def test_a_summary_that_cannot_be_written_now_does_not_end_the_night(
    recipe: Make, tmp_path: Path, caplog: Any
) -> None:
    out = tmp_path / "out"
    for event in BatchJob(recipe(), out).run():
        if isinstance(event, StackBegan) and event.number == 1:
            (out / "summary.csv").unlink()
            (out / "summary.csv").mkdir()  # as Windows refuses a file that a spreadsheet holds
        if isinstance(event, StackEnded) and event.row.folder == "cell_2":
            (out / "summary.csv").rmdir()
    assert "summary.csv" in caplog.text
    assert [line["state"] for line in read_summary(out)] == ["done", "done"]


@pytest.mark.parametrize("name", ["recipe.yaml", "summary.csv"])
def test_files_that_no_batch_has_written_are_kept(
    name: str, recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_text("mine\n")
    with pytest.raises(FileExistsError, match="no batch has written it: choose another --out"):
        finish(recipe(), out)
    assert (out / name).read_text() == "mine\n"


def test_a_recipe_that_lies_among_the_results_keeps_its_comments(
    recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    written = out / "recipe.yaml"
    recipe().to_file(written)
    written.write_text("# tuesday's cells\n" + written.read_text())
    finish(Recipe.from_file(written), out)
    assert written.read_text().startswith("# tuesday's cells")
