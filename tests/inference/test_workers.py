"""Workers: parts of a stack, by whatever executor, give what one pipeline gives, bit by bit."""

from __future__ import annotations

import pickle
import threading
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from multiprocessing.reduction import ForkingPickler
from typing import TYPE_CHECKING, Any

import dask.array
import numpy as np
import pytest
import torch

from napari_deepsmlm import _devices
from napari_deepsmlm._devices import choose_compute, choose_computes
from napari_deepsmlm.inference import Pipeline
from napari_deepsmlm.inference.predicted import Predicted, dark_image
from napari_deepsmlm.inference.tiles import Region
from napari_deepsmlm.inference.workers import (
    ExecutorCrew,
    Work,
    WorkerLostError,
    parts_of,
    predict_in_parts,
)
from napari_deepsmlm.inference.workers.work import HeldFrames
from napari_deepsmlm.io import FrameReadError, open_frames
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.models import build_model

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_deepsmlm.inference.workers.work import Part, PartDone
    from napari_deepsmlm.io import FrameSource

CPU = choose_compute("cpu", "fp32")
WHOLE = Region(0, 0, 16, 16)


def stack(n: int = 14) -> np.ndarray:
    return np.random.default_rng(0).integers(100, 900, (n, 16, 16)).astype(np.uint16)


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    """One that needs its neighbours in time, one frame at a time so that there are many batches."""
    torch.manual_seed(0)
    model = build_model("dilated-loc", {"frames": 3})
    torch.nn.init.constant_(model.heads[0].last.bias, -1.0)
    ready = Pipeline(model, CPU, threshold=0.2)
    ready._pixels_per_batch = 1
    return ready


def shared(
    pipeline: Pipeline,
    source: FrameSource,
    crew_of: Any = None,
    *,
    frames: range | None = None,
    window: int | None = None,
    step: int | None = None,
    stopping: threading.Event | None = None,
    carries_frames: bool = True,
) -> Iterator[Predicted]:
    frames = range(source.n_frames) if frames is None else frames
    work = Work(pipeline, None if carries_frames else source, frames, window, WHOLE, step)
    parts = parts_of(work, source, n_workers=2, carries_frames=carries_frames)
    with ThreadPoolExecutor(2) as threads:
        crew = (crew_of or ExecutorCrew)(threads, work, n_workers=2)
        yield from predict_in_parts(crew, parts, stopping=stopping)


def assert_same(one: list[Predicted], other: list[Predicted]) -> None:
    assert [p.first_frame for p in one] == [p.first_frame for p in other]
    for mine, theirs in zip(one, other, strict=True):
        np.testing.assert_array_equal(mine.image, theirs.image)
        assert mine.light == theirs.light
    table, expected = (Localizations.concatenate(p.localizations for p in x) for x in (one, other))
    assert len(expected) > 50
    for name in expected.names:
        np.testing.assert_array_equal(table[name], expected[name])


@pytest.mark.parametrize("carries_frames", [True, False])
@pytest.mark.parametrize(("window", "step"), [(None, None), (5, None), (5, 2)])
def test_parts_give_what_the_whole_gives(
    pipeline: Pipeline, window: int | None, step: int | None, carries_frames: bool
) -> None:
    source = open_frames(stack())
    wanted: dict[str, Any] = {"frames": range(2, 13), "window": window, "step": step}
    whole = list(pipeline.run(source, **wanted))
    parts = shared(pipeline, source, **wanted, carries_frames=carries_frames)
    assert_same(list(parts), whole)


@pytest.mark.parametrize("is_dark", [False, True])
def test_results_come_from_other_processes_without_shared_memory_or_files(is_dark: bool) -> None:
    image = dark_image((40, 30)) if is_dark else torch.rand(40, 30)
    table = Localizations(frame=np.arange(3), x_nm=np.arange(3.0), y_nm=np.arange(3.0))
    sent = Predicted(4, 2, 0, (5,), image, table, n_inputs=2, light=7.0, is_dark=is_dark)
    data = bytes(ForkingPickler.dumps(sent))  # as a pool of processes sends it
    assert not image.is_shared()
    assert (len(data) < 2000) == is_dark
    found = pickle.loads(data)  # noqa: S301 - just made
    assert (found.first_frame, found.unusable, found.light, found.is_dark) == (4, (5,), 7, is_dark)
    np.testing.assert_array_equal(found.image, sent.image)
    np.testing.assert_array_equal(found.localizations.x_nm, table.x_nm)


class Dying(ExecutorCrew):
    """Loses every third part at first."""

    n_lost = 0

    def submit(self, part: Part) -> Future[PartDone]:
        if part.batches.start % 3 == 0 and self.n_lost < 2:
            self.n_lost += 1
            lost: Future[PartDone] = Future()
            lost.set_exception(BrokenExecutor("killed"))
            return lost
        return super().submit(part)


def test_a_part_whose_worker_died_is_done_again(pipeline: Pipeline) -> None:
    source = open_frames(stack())
    assert_same(list(shared(pipeline, source, Dying)), list(pipeline.run(source)))


class Doomed(ExecutorCrew):
    """Whose worker dies of the frames from 8 on, however often it is replaced."""

    def submit(self, part: Part) -> Future[PartDone]:
        if part.frames.stop <= 8:
            return super().submit(part)
        lost: Future[PartDone] = Future()
        lost.set_exception(BrokenExecutor("killed"))
        return lost


def test_frames_that_kill_every_worker_are_named_and_those_before_kept(pipeline: Pipeline) -> None:
    done = []
    with pytest.raises(WorkerLostError, match="before frames 8:9 were done"):
        done.extend(shared(pipeline, open_frames(stack()), Doomed))
    assert [p.first_frame for p in done] == list(range(8))


def test_stopping_ends_within_a_part(pipeline: Pipeline) -> None:
    stopping, seen = threading.Event(), []
    for predicted in shared(pipeline, open_frames(stack()), stopping=stopping):
        seen.append(predicted.first_frame)
        stopping.set()
    assert seen[0] == 0
    assert len(seen) < 14


def test_an_error_comes_after_all_that_was_before_it(pipeline: Pipeline) -> None:
    lazy = dask.array.from_array(stack(), chunks=(1, 16, 16))

    def vanish(block: np.ndarray, block_info: Any = None) -> np.ndarray:
        if block_info[0]["array-location"][0][0] > 9:
            raise OSError("the disk has gone")
        return block

    source = open_frames(lazy.map_blocks(vanish, dtype=lazy.dtype))
    outcomes = []
    for run in (pipeline.run(source), shared(pipeline, source)):
        done: list[int] = []
        with pytest.raises(OSError, match="could not be computed") as caught:
            done.extend(predicted.first_frame for predicted in run)
        outcomes.append((done, type(caught.value)))
    assert outcomes[0] == outcomes[1]


def test_held_frames_lie_where_they_were_and_raise_what_reading_them_did() -> None:
    source = open_frames(stack())
    held = HeldFrames(source, range(4, 9))
    np.testing.assert_array_equal(held.read(5, 8), source.read(5, 8))
    lazy = open_frames(dask.array.from_array(stack(), chunks=1).map_blocks(_broken_from_6))
    held = HeldFrames(lazy, range(4, 9))
    np.testing.assert_array_equal(held.read(4, 6), source.read(4, 6))
    with pytest.raises(FrameReadError):
        held.read(5, 7)


def _broken_from_6(block: np.ndarray, block_info: Any = None) -> np.ndarray:
    if block_info is not None and block_info[0]["array-location"][0][0] >= 6:
        raise RuntimeError("broken")
    return block


def test_devices_of_one_kind_can_be_listed() -> None:
    assert [c.device.type for c in choose_computes("cpu, cpu")] == ["cpu", "cpu"]
    with pytest.raises(ValueError, match="No device 'cuda:9' here"):
        choose_computes("cpu,cuda:9")


def test_devices_that_differ_compute_in_the_format_of_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    quick = iter([True, False])
    monkeypatch.setattr(_devices, "_is_bf16_fast", lambda device: next(quick))
    assert [c.precision for c in choose_computes("cpu,cpu")] == ["bf16", "bf16"]
