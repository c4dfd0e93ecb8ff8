"""Reconstructions by several processes: the same results, whatever happens to one of them."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import pytest
import tifffile

import napari_deepsmlm as ds
from napari_deepsmlm.cli import app
from napari_deepsmlm.reconstruction import Finished, Progress, ReconstructJob, ReconstructOptions

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    """Forty frames of nearly empty noise."""
    path = tmp_path / "movie.tif"
    frames = np.random.default_rng(0).integers(100, 900, (40, 16, 16)).astype(np.uint16)
    tifffile.imwrite(path, frames)
    return path


def options(model: Path, **more: Any) -> dict[str, Any]:
    return {"model": str(model), "pixel_size_nm": 100.0, "camera": "none", "threshold": 0.01} | more


def workers() -> list[psutil.Process]:
    children = psutil.Process().children()
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


@pytest.mark.usefixtures("one_thread")
def test_a_killed_worker_is_replaced_and_the_result_is_that_of_one(
    model_file: Path, movie: Path, tmp_path: Path
) -> None:
    one = ds.reconstruct(movie, **options(model_file))
    chosen = ReconstructOptions(**options(model_file, workers=2))
    job = ReconstructJob(movie, chosen, out=tmp_path / "out")
    is_killed = False
    for event in job.run():
        if isinstance(event, Progress) and not is_killed:
            workers()[-1].kill()
            is_killed = True
        if isinstance(event, Finished):
            result = event.result
    assert is_killed
    assert result.report.frames == 40
    assert len(one.localizations) > 100
    np.testing.assert_array_equal(result.image, one.image)
    np.testing.assert_array_equal(result.localizations.frame, one.localizations.frame)
    np.testing.assert_allclose(result.localizations.x_nm, one.localizations.x_nm, atol=1e-4)
    assert result.report.device.startswith("2 workers on cpu")
    assert result.report.peak_memory_mb > one.report.peak_memory_mb
    assert result.report.warnings == one.report.warnings
    assert not workers()


@pytest.mark.slow  # it starts Python six times
def test_the_command_line_shares_frames_and_stops(
    model_file: Path, movie: Path, tmp_path: Path
) -> None:
    from typer.testing import CliRunner

    words = ["--model", str(model_file), "--pixel-size", "100", "--camera", "none"]
    for name, more in (("one", []), ("two", ["--workers", "2"])):
        out = tmp_path / name
        command = ["reconstruct", str(movie), *words, "--out", str(out), "--json", *more]
        done = CliRunner().invoke(app, command)
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout)["frames"] == 40
    one, two = ((tmp_path / name / "localizations.csv").read_text() for name in ("one", "two"))
    assert one == two
    job = ReconstructJob(movie, ReconstructOptions(**options(model_file, workers=2)))
    for event in job.run():
        if isinstance(event, Progress):
            job.stop()
            started = time.perf_counter()
    assert time.perf_counter() - started < 5
    assert isinstance(event, Finished)
    assert 0 < event.result.report.frames < 40
    assert not workers()
