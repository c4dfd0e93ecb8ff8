"""Nothing that is done is lost: not to a frame, a file that goes, a stop, or a second run."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from typer.testing import CliRunner

import napari_deepsmlm as ds
from napari_deepsmlm._files import refuse_to_replace
from napari_deepsmlm.cli import app
from napari_deepsmlm.inference import inputs
from napari_deepsmlm.io import open_frames, write_localizations
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.reconstruction import Finished, ReconstructJob, ReconstructOptions

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("reconstruction.tif", "localizations.csv", "report.json")


def movie(n: int = 8) -> np.ndarray:
    return np.random.default_rng(0).integers(100, 900, (n, 16, 16)).astype(np.uint16)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_run_stopped_before_its_first_batch_leaves_earlier_results(
    model_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    ds.reconstruct(movie(), str(model_file), out=out)
    before = contents(out)
    assert set(before) == set(NAMES)
    job = ReconstructJob(movie(), ReconstructOptions(model=str(model_file)), out=out)
    job.stop()
    *_, finished = job.run()
    assert isinstance(finished, Finished)
    assert contents(out) == before
    assert len(finished.result.localizations) == 0
    assert "Nothing was written" in finished.result.report["warnings"][-1]


def test_earlier_results_are_replaced_only_when_that_is_asked_for(
    model_file: Path, tmp_path: Path
) -> None:
    np.save(tmp_path / "m.npy", movie())
    words = ["reconstruct", str(tmp_path / "m.npy"), "--model", str(model_file), "--json"]
    words += ["--pixel-size", "100", "--out", str(tmp_path / "out")]
    assert CliRunner().invoke(app, words).exit_code == 0
    before = contents(tmp_path / "out")
    again = CliRunner().invoke(app, [*words, "--frames", "0:2"])
    assert again.exit_code == 2
    assert "holds reconstruction.tif and" in again.output
    assert "--overwrite" in again.output
    assert contents(tmp_path / "out") == before
    replaced = CliRunner().invoke(app, [*words, "--frames", "0:2", "--overwrite"])
    assert replaced.exit_code == 0, replaced.output
    assert contents(tmp_path / "out") != before


def test_python_asks_as_the_command_does(model_file: Path, tmp_path: Path) -> None:
    ds.reconstruct(movie(), str(model_file), out=tmp_path)
    before = contents(tmp_path)
    for more in ({}, {"adapt": 1.0}):
        with pytest.raises(FileExistsError, match="overwrite=True in Python"):
            ds.reconstruct(movie(9), str(model_file), out=tmp_path, **more)
    assert contents(tmp_path) == before
    ds.reconstruct(movie(9), str(model_file), out=tmp_path, overwrite=True)
    assert contents(tmp_path) != before


def test_a_stack_is_not_replaced_by_its_reconstruction(model_file: Path, tmp_path: Path) -> None:
    ds.reconstruct(movie(), str(model_file), out=tmp_path)
    stack = tmp_path / "reconstruction.tif"
    with pytest.raises(FileExistsError, match="one of the files that are read"):
        ds.reconstruct(stack, str(model_file), out=tmp_path)


def test_frames_that_go_end_the_run_as_a_stop_does(
    model_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inputs, "READ_BYTES", 2 * 16 * 16 * 2)  # two frames are read at once
    monkeypatch.setattr("napari_deepsmlm.inference.pipeline.INPUT_BYTES", 2 * 16 * 16 * 4)
    for part, frames in enumerate(np.split(movie(12), 3)):
        np.save(tmp_path / f"m{part}.npy", frames)
    source = open_frames([tmp_path / f"m{part}.npy" for part in range(3)])
    read = source.read

    def read_until_it_goes(start: int, stop: int) -> Any:
        if stop > 6:
            (tmp_path / "m2.npy").unlink(missing_ok=True)
            source.close()
        return read(start, stop)

    monkeypatch.setattr(source, "read", read_until_it_goes)
    result = ds.reconstruct(source, str(model_file), out=tmp_path / "out")
    assert result.report["frames"] == 8
    assert "m2.npy" in result.report["problem"]
    assert "The 8 of 12 frames before it were kept." in result.report["warnings"][-1]
    assert all((tmp_path / "out" / name).exists() for name in NAMES)


def test_a_frame_with_nan_is_named_in_the_report(model_file: Path) -> None:
    frames = movie(40).astype(np.float32)
    frames[38, 10, 10] = np.nan
    result = ds.reconstruct(frames, str(model_file), pixel_size_nm=100)
    assert result.report["frames"] == 40
    assert "1 of 40 frames are damaged or hold NaN" in result.report["warnings"][-1]
    assert ": 38 (counted from 0)" in result.report["warnings"][-1]
    assert 38 not in result.localizations.frame


# -- files beside the one that is named ------------------------------------------------------


def test_a_frame_beyond_single_precision_counts_as_infinite(model_file: Path) -> None:
    frames = movie(40).astype(np.float64)
    frames[38, 10, 10] = 1e60
    result = ds.reconstruct(frames, str(model_file), pixel_size_nm=100)
    assert ": 38 (counted from 0)" in result.report["warnings"][-1]


def test_what_lies_beside_a_new_output_is_not_replaced(tmp_path: Path) -> None:
    main, beside = tmp_path / "a.hdf5", tmp_path / "a.yaml"
    refuse_to_replace(main, [beside])
    beside.write_text("mine")
    with pytest.raises(FileExistsError, match=r"a\.yaml is there already .* another name than"):
        refuse_to_replace(main, [beside])
    main.write_text("an earlier one")
    refuse_to_replace(main, [beside])
    (tmp_path / "a.raw").write_text("a movie")
    with pytest.raises(FileExistsError, match="one of the files that are read"):
        refuse_to_replace(main, [beside], inputs=[tmp_path / "a.raw"])


@pytest.mark.parametrize("is_there", [False, True])
def test_a_table_leaves_the_header_of_a_movie_alone(tmp_path: Path, is_there: bool) -> None:
    (tmp_path / "movie.raw").write_bytes(bytes(512))
    (tmp_path / "movie.yaml").write_text("Frames: 1\n")
    if is_there:
        (tmp_path / "movie.hdf5").write_bytes(b"old")
    table = Localizations(frame=[0], x_nm=[150.0], y_nm=[50.0])
    with pytest.raises(FileExistsError, match=r"movie\.yaml"):
        write_localizations(table, tmp_path / "movie.hdf5")
    assert (tmp_path / "movie.yaml").read_text() == "Frames: 1\n"
    write_localizations(table, tmp_path / "movie_locs.hdf5")
    write_localizations(table, tmp_path / "movie_locs.hdf5")


def test_a_simulation_leaves_results_in_its_folder_alone(tmp_path: Path) -> None:
    (tmp_path / "localizations.csv").write_text("results")
    with pytest.raises(FileExistsError, match=r"localizations\.csv is there already"):
        ds.Experiment(image_px=(16, 16)).write_movie(tmp_path, 2)
    assert (tmp_path / "localizations.csv").read_text() == "results"


# -- SIGTERM ---------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to catch")
def test_sigterm_ends_a_command_in_one_line_and_leaves_no_half_file(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "napari_deepsmlm.cli", "simulate", "lines-50nm"]
    command += ["--frames", "100000", "--out", str(tmp_path / "out")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for _ in range(2000):
        if any((tmp_path / "out").glob(".localizations.csv.*")):
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=120)
    assert process.returncode == 130
    assert log.strip().splitlines() == ["error: Stopped."]
    assert not list((tmp_path / "out").iterdir())
