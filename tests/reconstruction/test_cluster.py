"""Reconstructions by the workers of a dask scheduler: the same result, also when one is killed."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
import torch

import napari_deepsmlm as ds
from napari_deepsmlm._devices import Compute, choose_compute
from napari_deepsmlm.inference import pipeline
from napari_deepsmlm.inference.tiles import Region
from napari_deepsmlm.inference.workers import Memory, Work
from napari_deepsmlm.inference.workers import cluster as workers_of_cluster
from napari_deepsmlm.io import open_frames
from napari_deepsmlm.reconstruction import Finished, Progress, ReconstructJob, ReconstructOptions
from napari_deepsmlm.reconstruction.choice import choose

if TYPE_CHECKING:
    from pathlib import Path

    from napari_deepsmlm.inference.workers.work import PartDone

distributed = pytest.importorskip("distributed")


def test_an_address_without_a_scheduler_is_told_in_a_sentence(
    model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_deepsmlm.inference.workers import cluster

    monkeypatch.setattr(cluster, "CONNECT_S", 0.5)
    stack = np.zeros((4, 16, 16), np.uint16)
    with pytest.raises(OSError, match="'nonsense' is no address of a dask scheduler"):
        ds.reconstruct(stack, model=str(model_file), scheduler="nonsense")
    with pytest.raises(OSError, match=r"No dask scheduler answers at tcp://127\.0\.0\.1:9"):
        ds.reconstruct(stack, model=str(model_file), scheduler="tcp://127.0.0.1:9")


def be_left(scheduler: distributed.Scheduler) -> None:
    """Wait until nobody is connected."""
    for _ in range(100):
        if not any(name.startswith("Client") for name in scheduler.clients):
            return
        time.sleep(0.05)
    raise AssertionError(f"Still connected: {list(scheduler.clients)}")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The number formats that workers are told, who are in this process and name another's GPU."""
    precisions: list[str] = []

    def choose_there(device: str, precision: str) -> Compute:
        precisions.append(precision)
        if precision == "auto":
            return Compute(torch.device("cuda:0"), torch.float32, "the fastest device there")
        return choose_compute("cpu", precision)

    monkeypatch.setattr(workers_of_cluster, "choose_compute", choose_there)
    monkeypatch.setattr(workers_of_cluster, "free_memory_bytes", lambda device: 1 << 30)
    monkeypatch.setitem(pipeline.PIXELS_PER_BATCH, "cuda", 1)  # one frame at a time
    return precisions


@pytest.fixture
def parts_at(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The address of the worker of each part that is begun."""
    begun: list[str] = []
    do = Work.done

    def done(*args: Any) -> PartDone:
        begun.append(distributed.get_worker().address)
        return do(*args)

    monkeypatch.setattr(Work, "done", done)
    return begun


@pytest.mark.usefixtures("one_thread")
def test_all_workers_have_parts_whatever_their_threads_and_device_and_time_of_coming(
    model_file: Path, told: list[str], parts_at: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers_of_cluster, "LOOK_S", 0.0)
    frames = np.random.default_rng(0).integers(100, 900, (36, 16, 16)).astype(np.uint16)
    options = {"model": str(model_file), "pixel_size_nm": 100.0, "camera": "none"}
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=4, processes=False, protocol="tcp", dashboard_address=None
    ) as cluster:
        chosen = ReconstructOptions(**options, scheduler=cluster.scheduler_address)
        for event in ReconstructJob(frames, chosen).run():
            if isinstance(event, Progress) and event.frames_done == 12:
                of_two = Counter(parts_at)
                cluster.scale(3)
                cluster.wait_for_workers(3)
            if isinstance(event, Finished):
                result = event.result
        be_left(cluster.scheduler)
        assert told == ["auto", "fp32"]  # by the one that was asked, and for all of them
        source = open_frames(frames)
        choice = choose(source, chosen)
        be_left(cluster.scheduler)
        predictions = choice.sharing.predict(
            choice.pipeline, source, frames=range(36), window=None, step=None,
            region=Region(0, 0, 16, 16), memory=Memory(), stopping=threading.Event(),
        )  # fmt: skip
        predictions.close()  # before its first
        be_left(cluster.scheduler)
    assert len(of_two) == 2
    assert min(of_two.values()) > 3
    assert len(parts_at) == 36
    assert min(Counter(parts_at).values()) > 3
    assert len(set(parts_at)) == 3
    assert result.report.device.endswith("on cuda:0, fp32 (the fastest device there)")
    alone = ds.reconstruct(frames, **options, device="cpu", precision="fp32")
    np.testing.assert_allclose(result.image, alone.image, rtol=1e-3, atol=1e-6)


@pytest.mark.slow  # two workers that import torch, and a third in place of one; a batch in each run
@pytest.mark.filterwarnings("ignore")  # dask's own, of a worker that is killed
@pytest.mark.usefixtures("one_thread")
def test_a_cluster_of_which_a_worker_is_killed_gives_the_same(
    model_file: Path, tmp_path: Path
) -> None:
    movie = tmp_path / "movie.tif"
    frames = np.random.default_rng(0).integers(100, 900, (60, 32, 32)).astype(np.uint16)
    tifffile.imwrite(movie, frames)
    options = {"model": str(model_file), "pixel_size_nm": 100.0, "camera": "none"}
    one = ds.reconstruct(movie, **options)
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        chosen = ReconstructOptions(**options, scheduler=cluster.scheduler_address)
        job = ReconstructJob(movie, chosen, out=tmp_path / "out")
        killed = 0
        for event in job.run():
            if isinstance(event, Progress) and not killed:
                killed = cluster.workers[0].pid
                os.kill(killed, signal.SIGKILL)
            if isinstance(event, Finished):
                result = event.result
    assert killed
    assert result.report.frames == 60
    assert result.report.problem == ""
    assert result.report.device.startswith("2 workers of tcp://")
    np.testing.assert_array_equal(result.image, one.image)
    np.testing.assert_array_equal(result.localizations.frame, one.localizations.frame)
    np.testing.assert_allclose(result.localizations.x_nm, one.localizations.x_nm, atol=1e-4)
    assert result.report.warnings == one.report.warnings
