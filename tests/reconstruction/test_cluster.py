"""Reconstructions by the workers of a dask scheduler: the same result, also when one is killed."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

import napari_deepsmlm as ds
from napari_deepsmlm.reconstruction import Finished, Progress, ReconstructJob, ReconstructOptions

if TYPE_CHECKING:
    from pathlib import Path

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
