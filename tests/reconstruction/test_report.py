"""The report and the files of a result: the same from Python, the command line and the panel."""

from __future__ import annotations

import ast
import json
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

import napari_deepsmlm as ds
from napari_deepsmlm._files import folder_lock
from napari_deepsmlm.io import read_report
from napari_deepsmlm.io.result_files import IMAGE_NAME, REPORT_NAME, RESULT_NAMES, TABLE_NAME
from napari_deepsmlm.reconstruction import ReconstructOptions

if TYPE_CHECKING:
    from napari_deepsmlm.reconstruction import Reconstruction

CONTRACT = (
    *("inputs", "camera", "model", "versions", "device", "frames", "seconds"),
    *("frames_per_second", "peak_memory_mb", "localizations", "warnings"),
    *("pixel_size_nm", "sr_pixel_nm", "origin_nm", "image", "quality"),
)
OF_THE_RUN = ("seconds", "frames_per_second", "peak_memory_mb")


@pytest.fixture
def made(model_file: Path, small_movie: Any) -> Reconstruction:
    return ds.reconstruct(
        small_movie[0], str(model_file), pixel_size_nm=100.0, threshold=0.01, sum_frames=3
    )


def lasting(report: dict[str, Any]) -> dict[str, Any]:
    """Return what two runs of the same frames have in common."""
    return {key: value for key, value in report.items() if key not in OF_THE_RUN}


def test_a_report_has_the_keys_of_the_contract_and_reads_as_a_mapping(made: Reconstruction) -> None:
    report = made.report
    assert tuple(report) == CONTRACT
    assert {**report} == report.to_json() == report
    assert len(report) == len(CONTRACT)
    assert "problem" not in report
    assert report.get("problem") is None
    with pytest.raises(KeyError):
        report["problem"]


def test_a_report_says_the_same_by_attribute_and_by_name(made: Reconstruction) -> None:
    report = made.report
    for name in ("device", "frames", "seconds", "localizations", "pixel_size_nm", "sr_pixel_nm"):
        assert getattr(report, name) == report[name]
    assert list(report.warnings) == report["warnings"]
    assert list(report.origin_nm) == report["origin_nm"] == [0, 0]
    assert report.quality.molecules == report["quality"]["molecules"]
    assert report.inputs.options.sum_frames == report["inputs"]["options"]["sum_frames"] == 3
    assert list(report.inputs.shape) == report["inputs"]["shape"]
    assert report.model.sha256 == report["model"]["sha256"]
    assert report.camera.source == report["camera"]["source"]
    assert report.camera.baseline == report["camera"]["baseline"]


def test_a_report_cannot_be_changed(made: Reconstruction) -> None:
    with pytest.raises(FrozenInstanceError):
        made.report.frames = 0
    made.report["warnings"].append("not mine")
    assert "not mine" not in made.report["warnings"]


def test_saved_results_are_the_files_of_a_run_into_a_folder(
    made: Reconstruction, model_file: Path, small_movie: Any, tmp_path: Path
) -> None:
    saved, written = tmp_path / "new" / "saved", tmp_path / "written"
    made.save(saved)
    options: dict[str, Any] = {"pixel_size_nm": 100.0, "threshold": 0.01, "sum_frames": 3}
    ds.reconstruct(small_movie[0], str(model_file), out=written, **options)
    assert sorted(p.name for p in saved.iterdir()) == sorted(RESULT_NAMES)
    images = [tifffile.imread(folder / IMAGE_NAME) for folder in (saved, written)]
    np.testing.assert_array_equal(*images)
    assert (saved / TABLE_NAME).read_bytes() == (written / TABLE_NAME).read_bytes()
    told = [json.loads((folder / REPORT_NAME).read_text()) for folder in (saved, written)]
    assert told[0] == made.report.to_json() == read_report(saved / IMAGE_NAME)
    assert list(told[0]) == list(told[1]) == list(CONTRACT)
    assert lasting(told[0]) == lasting(told[1])


def test_a_time_lapse_is_saved_whole(model_file: Path, small_movie: Any, tmp_path: Path) -> None:
    lapse = ds.reconstruct(small_movie[0], str(model_file), pixel_size_nm=100.0, window=5)
    lapse.save(tmp_path)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / IMAGE_NAME), lapse.image)


def test_results_in_files_are_saved_to_another_folder_and_left_alone_in_their_own(
    model_file: Path, small_movie: Any, tmp_path: Path
) -> None:
    own, other = tmp_path / "own", tmp_path / "other"
    result = ds.reconstruct(small_movie[0], str(model_file), out=own, pixel_size_nm=100.0)
    before = {name: (own / name).stat().st_mtime_ns for name in (IMAGE_NAME, TABLE_NAME)}
    result.save(own / ".." / "own")
    assert {name: (own / name).stat().st_mtime_ns for name in before} == before
    result.save(other)
    for name in (TABLE_NAME, REPORT_NAME):
        assert (other / name).read_bytes() == (own / name).read_bytes()
    images = [tifffile.imread(folder / IMAGE_NAME) for folder in (own, other)]
    np.testing.assert_array_equal(*images)


def test_saving_does_not_replace_the_frames_nor_enter_a_folder_in_use(
    made: Reconstruction, model_file: Path, tmp_path: Path
) -> None:
    made.save(tmp_path)
    stack = tmp_path / IMAGE_NAME
    again = ds.reconstruct(stack, str(model_file))
    before = stack.read_bytes()
    with pytest.raises(FileExistsError, match="one of the files that are read"):
        again.save(tmp_path)
    assert stack.read_bytes() == before
    with folder_lock(tmp_path / "busy"), pytest.raises(FileExistsError, match="in use"):
        again.save(tmp_path / "busy")


def test_the_names_of_result_files_are_spelled_once() -> None:
    package = Path(ds.__file__).parent
    spelled = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value in RESULT_NAMES
    }
    assert spelled == {"io/result_files.py"}


def test_a_report_names_files_from_the_root_as_it_is_read_from_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options = ReconstructOptions(model="runs/best.safetensors", registration="psf.planes.yaml")
    whole = options.with_whole_paths()
    assert whole.model == str(tmp_path / "runs" / "best.safetensors")
    assert whole.registration == str(tmp_path / "psf.planes.yaml")
    assert ReconstructOptions(model="dilated-loc").with_whole_paths().model == "dilated-loc"
