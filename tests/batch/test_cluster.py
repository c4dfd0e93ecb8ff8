"""A batch by the workers of a dask scheduler, of which one is killed, or the scheduler itself."""

from __future__ import annotations

import asyncio
import multiprocessing
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest
import tifffile
from tests.batch.conftest import finish, write_movie
from tests.cli.conftest import call

from napari_deepsmlm.batch import BatchFinished, BatchJob, Recipe, StackProgress
from napari_deepsmlm.inference.workers import cluster as workers_of_cluster
from napari_deepsmlm.reconstruction import check_sharing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess
    from pathlib import Path

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.filterwarnings("ignore")  # dask's own, of those that are killed

NAMES = ("cell_1", "cell_2", "cell_3")
# What a worker imports is imported once, in the process that they are forks of.
PRELOADED = ["distributed", "napari_deepsmlm.inference.workers.cluster"]


class Cluster(NamedTuple):
    """A scheduler and two workers, each a process, and none that starts another in its place."""

    address: str
    scheduler: BaseProcess
    workers: list[BaseProcess]


def be_scheduler(pipe: Connection) -> None:
    async def live() -> None:
        async with distributed.Scheduler(host="127.0.0.1", port=0, dashboard=False) as scheduler:
            pipe.send(scheduler.address)
            await scheduler.finished()

    asyncio.run(live())


def be_worker(address: str) -> None:
    async def live() -> None:
        async with distributed.Worker(address, nthreads=1, dashboard=False) as worker:
            await worker.finished()

    asyncio.run(live())


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    has_forks = "forkserver" in multiprocessing.get_all_start_methods()
    context: Any = multiprocessing.get_context("forkserver" if has_forks else "spawn")
    if has_forks:
        context.set_forkserver_preload(PRELOADED)
    here, there = context.Pipe()
    scheduler = context.Process(target=be_scheduler, args=(there,), daemon=True)
    scheduler.start()
    address = here.recv()
    workers = [context.Process(target=be_worker, args=(address,), daemon=True) for _ in range(2)]
    for worker in workers:
        worker.start()
    yield Cluster(address, scheduler, workers)
    for process in (*workers, scheduler):
        process.kill()
        process.join()


@pytest.fixture
def made(model_file: Path, tmp_path: Path) -> Recipe:
    """A recipe for three stacks."""
    for seed, name in enumerate(NAMES):
        write_movie(tmp_path / "day" / f"{name}.tif", seed, n_frames=40 if seed == 1 else 16)
    options = {"model": str(model_file), "camera": "none", "threshold": 0.01, "force": True}
    return Recipe.from_dict({"inputs": str(tmp_path / "day"), "reconstruct": options})


def by(cluster: Cluster, recipe: Recipe) -> Recipe:
    return recipe.replace(reconstruct=recipe.reconstruct.replace(scheduler=cluster.address))


def finish_killing(recipe: Recipe, out: Path, kill: Callable[[], None]) -> BatchFinished:
    """Run a batch, and kill somebody once the second stack is begun."""
    is_killed = False
    for event in BatchJob(recipe, out).run():
        if isinstance(event, StackProgress) and event.number == 2 and not is_killed:
            kill()
            is_killed = True
    assert is_killed
    assert isinstance(event, BatchFinished)
    return event


def assert_same_results(one: Path, other: Path) -> None:
    for name in NAMES:
        table, same = ((out / name / "localizations.csv").read_bytes() for out in (one, other))
        assert table == same
        assert table.count(b"\n") > 40
        images = (tifffile.imread(out / name / "reconstruction.tif") for out in (one, other))
        np.testing.assert_array_equal(*images)


@pytest.mark.usefixtures("one_thread")
def test_a_batch_of_which_a_worker_is_killed_gives_the_same(
    cluster: Cluster, made: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = finish(made, tmp_path / "alone")
    finished = finish_killing(by(cluster, made), tmp_path / "out", cluster.workers[0].kill)
    assert finished.sentence == alone.sentence == "3 stacks: 3 done."
    assert [row.warnings for row in finished.rows] == [row.warnings for row in alone.rows]
    assert_same_results(tmp_path / "out", tmp_path / "alone")
    last = (tmp_path / "out" / NAMES[-1] / "report.json").read_text()
    assert f"1 worker of {cluster.address} on cpu" in last
    monkeypatch.setattr(workers_of_cluster, "WORKERS_S", 1e-5)
    with pytest.raises(OSError, match=f"No worker of {cluster.address} answered in"):
        check_sharing(by(cluster, made).reconstruct)


@pytest.mark.slow  # three more processes
@pytest.mark.usefixtures("one_thread")
def test_a_batch_of_which_the_scheduler_is_killed_keeps_what_is_done(
    cluster: Cluster, made: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers_of_cluster, "CONNECT_S", 0.5)
    finished = finish_killing(by(cluster, made), tmp_path / "out", cluster.scheduler.kill)
    done, lost, not_begun = finished.rows
    assert done.state == "done"
    assert lost.state == not_begun.state == "failed"
    assert lost.error.startswith(f"The dask scheduler at {cluster.address} was lost before frames ")
    assert not_begun.error.startswith(f"No dask scheduler answers at {cluster.address}: ")
    again = finish(made, tmp_path / "out")
    assert again.sentence == "3 stacks: 3 done (1 of them before)."
    finish(made, tmp_path / "alone")
    assert_same_results(tmp_path / "out", tmp_path / "alone")


def test_a_batch_without_its_scheduler_is_refused_before_its_first_stack(
    made: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers_of_cluster, "CONNECT_S", 0.5)
    out = tmp_path / "out"
    refused = call("batch", *made.inputs, "--out", out, "--scheduler", "tcp://127.0.0.1:9")
    assert refused.exit_code == 2
    assert "No dask scheduler answers at tcp://127.0.0.1:9: give the address" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not out.exists()
