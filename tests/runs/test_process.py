from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import pytest

from napari_deepsmlm._files import is_in_use
from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.runs import (
    Resources,
    RunRecord,
    TrainingProcess,
    TrainingThread,
    discard,
    new_run_folder,
    read_record,
    trained_models,
    unfinished_runs,
)
from napari_deepsmlm.training.events import Finished, Previewed, Saved, Started, StepDone, Validated
from napari_deepsmlm.training.record import BEST, STATE

if TYPE_CHECKING:
    from pathlib import Path

ENDLESS = 1_000_000


def tiny(steps: int = 4, **training: Any) -> Experiment:
    """Steps of milliseconds, saved every other one."""
    values = {
        "steps": steps,
        "batch_size": 1,
        "patch_px": 8,
        "validate_every": 2,
        "validation_frames": 1,
        "validation_px": 8,
        "precision": "fp32",
        **training,
    }
    return Experiment(image_px=(16, 16), model={"upsampling": 4}, training=values)


def kinds(events: Any) -> list[type]:
    return [type(event) for event in events if not isinstance(event, Resources)]


# -- the child ------------------------------------------------------------------------------


def test_a_child_reports_what_a_thread_does_and_trains_the_same(tmp_path: Path) -> None:
    frames = np.full((2, 1, 8, 8), 30.0, np.float32)
    here, there = (
        list(kind(tiny(), tmp_path / where, device="cpu", preview_frames=frames).events())
        for kind, where in ((TrainingThread, "here"), (TrainingProcess, "there"))
    )
    assert kinds(here) == kinds(there)
    losses = [
        [event.loss for event in events if isinstance(event, StepDone)] for events in (here, there)
    ]
    # The child has another number of threads, which may add in another order.
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert here[-1] == Finished(4, "done", tmp_path / "here" / BEST)
    # On a busy machine the child may tell its resources once more after that.
    *_, last = [event for event in there if not isinstance(event, Resources)]
    assert last == Finished(4, "done", tmp_path / "there" / BEST)
    (resources, *_) = [event for event in there if isinstance(event, Resources)]
    assert resources.memory_mb > 50
    shown = [event for event in there if isinstance(event, Previewed)]
    assert [event.step for event in shown] == [2, 4]
    assert [image.shape for image in shown[0].images] == [(32, 32)] * 2


def test_the_run_says_how_far_it_is(tmp_path: Path) -> None:
    out = tmp_path / "run"
    list(TrainingThread(tiny(), out, device="cpu").events())
    record = read_record(out)
    assert record is not None
    assert (record.title, record.progress, record.state) == ("Deep-STORM", 1.0, "done")
    assert Experiment.from_file(out / "experiment.yaml") == tiny()
    assert unfinished_runs(tmp_path) == {}
    assert trained_models(tmp_path) == [out / BEST]


@pytest.mark.slow  # the panel's test of a real child does the same in every run
def test_pause_stop_resume_and_death_of_a_child(tmp_path: Path) -> None:
    child = TrainingProcess(tiny(ENDLESS), tmp_path / "run", device="cpu")
    steps = []
    with closing(child.events()) as events:
        for event in events:
            if isinstance(event, StepDone):
                steps.append(event.step)
            if steps == [1]:
                child.pause()
            if isinstance(event, Resources) and steps and child_is_idle(child):
                break
        child.go_on()
        last = event
        for event in events:
            if isinstance(event, StepDone) and event.step > steps[-1] + 2:
                child.stop()
            last = last if isinstance(event, Resources) else event
    assert isinstance(last, Finished)
    assert last.reason == "stopped"
    (folder, record), *others = unfinished_runs(tmp_path).items()
    assert (folder, record.state, others) == (tmp_path / "run", "stopped", [])
    again = TrainingProcess(tiny(ENDLESS), folder, device="cpu", resume=True)
    saved = last.step + 2
    with pytest.raises(ChildProcessError, match=r"signal 9.*last autosave, at 0 %, can be resumed"):
        kill_at(again, Saved, step=saved, first_step=last.step)
    assert list(unfinished_runs(tmp_path)) == [folder]
    third = list(TrainingThread(tiny(saved + 6), folder, device="cpu", resume=True).events())
    assert third[0].step >= saved
    assert third[-1] == Finished(saved + 6, "done", folder / BEST)


def child_is_idle(child: TrainingProcess) -> bool:
    assert child.pid is not None
    return psutil.Process(child.pid).cpu_percent(0.3) < 30


def kill_at(child: TrainingProcess, kind: type, step: int, first_step: int = 0) -> None:
    for event in child.events():
        if isinstance(event, Started):
            assert event.step == first_step
        if isinstance(event, kind) and event.step >= step:
            assert child.pid is not None
            os.kill(child.pid, signal.SIGKILL)


def test_a_child_killed_before_its_first_save_says_so(tmp_path: Path) -> None:
    child = TrainingProcess(tiny(ENDLESS, validate_every=ENDLESS), tmp_path / "run", device="cpu")
    with pytest.raises(ChildProcessError, match="before its first autosave: start it again"):
        kill_at(child, StepDone, step=1)
    assert unfinished_runs(tmp_path) == {}


def test_errors_in_the_child_are_raised_here(tmp_path: Path) -> None:
    list(TrainingThread(tiny(), tmp_path, device="cpu").events())
    with pytest.raises(FileExistsError, match="holds a training run"):
        list(TrainingProcess(tiny(), tmp_path, device="cpu").events())


def test_a_child_that_nobody_listens_to_saves_and_ends(tmp_path: Path) -> None:
    child = TrainingProcess(tiny(ENDLESS, validate_every=ENDLESS), tmp_path / "run", device="cpu")
    with closing(child.events()) as events:
        for event in events:
            if isinstance(event, StepDone):
                break
    wait_for(lambda: (tmp_path / "run" / STATE).exists() and not is_in_use(tmp_path / "run"))
    record = read_record(tmp_path / "run")
    assert record is not None
    assert record.state == "stopped"


PARENT = """
import sys
from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.runs import TrainingProcess

if __name__ != "__main__":
    raise SystemExit("the child ran the script of its parent")
child = TrainingProcess(Experiment.from_file(sys.argv[1]), sys.argv[2], device="cpu")
for event in child.events():
    print(type(event).__name__, flush=True)
"""


# A parent that was killed is to its child as one that does not listen: see the test above.
@pytest.mark.parametrize(
    "how", [signal.SIGINT, pytest.param(signal.SIGKILL, marks=pytest.mark.slow)]
)
def test_a_child_saves_when_its_parent_dies(tmp_path: Path, how: int) -> None:
    script, config, out = tmp_path / "parent.py", tmp_path / "a.yaml", tmp_path / "run"
    script.write_text(PARENT)
    tiny(ENDLESS, validate_every=ENDLESS).to_file(config)
    with subprocess.Popen(
        [sys.executable, str(script), str(config), str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as parent:
        assert parent.stdout is not None
        for line in parent.stdout:
            if line.strip() == "StepDone":
                os.killpg(parent.pid, how)  # as Ctrl-C in a terminal does
                break
    wait_for(lambda: (out / STATE).exists() and not is_in_use(out))
    assert (out / BEST).exists()


def wait_for(is_true: Any, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < end
        time.sleep(0.05)


# -- folders --------------------------------------------------------------------------------


def test_every_run_has_a_folder_of_its_own(tmp_path: Path) -> None:
    first = new_run_folder(tmp_path, "deep-storm")
    first.mkdir()
    second = new_run_folder(tmp_path, "deep-storm")
    assert "deep-storm" in first.name
    assert second != first


def test_discarding_keeps_the_best_model(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run = TrainingThread(tiny(ENDLESS), folder, device="cpu")
    for event in run.events():
        if isinstance(event, Validated):
            run.stop()
    assert list(unfinished_runs(tmp_path)) == [folder]
    discard(folder)
    assert unfinished_runs(tmp_path) == {}
    assert (folder / BEST).exists()


def test_discarding_removes_a_folder_without_a_model_and_no_other(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "mine.txt").write_text("not ours")
    RunRecord(title="x", started="2026-01-01T00:00").write(folder)
    discard(folder)
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]
    (folder / "mine.txt").unlink()
    discard(folder)
    assert not folder.exists()


def test_a_damaged_record_is_no_run(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "run.json").write_text("{")
    assert read_record(folder) is None
    assert unfinished_runs(tmp_path) == {}
    assert unfinished_runs(tmp_path / "nowhere") == {}
