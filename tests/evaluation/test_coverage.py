"""Coverage: a result of a part of a stack is held against the truth of that part, and says so."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from typer.testing import CliRunner

import napari_deepsmlm as ds
from napari_deepsmlm.cli import app
from napari_deepsmlm.evaluation.coverage import (
    Coverage,
    beyond_truth,
    coverage_of_file,
    coverage_of_table,
    cut_truth,
)
from napari_deepsmlm.io import read_report, write_image, write_localizations
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.metrics import count_image

if TYPE_CHECKING:
    from pathlib import Path

N_FRAMES = 40
FIELD_NM = 1600.0


def molecules() -> Localizations:
    """Eight molecules in each frame, 40 of them in all, each on for eight frames running."""
    rng = np.random.default_rng(0)
    places = rng.uniform(0, FIELD_NM, (N_FRAMES, 2)).round(2)
    who = np.repeat(np.arange(N_FRAMES), 8)
    frame = np.clip(who + np.tile(np.arange(8), N_FRAMES), 0, N_FRAMES - 1)
    photons = np.full(len(who), 500.0)
    return Localizations(
        frame=frame, x_nm=places[who, 0], y_nm=places[who, 1], photons=photons
    ).sort("frame")


@pytest.fixture
def truth(tmp_path: Path) -> Localizations:
    table = molecules()
    write_localizations(table, tmp_path / "truth.csv")
    return table


def evaluated(*arguments: object) -> tuple[dict[str, Any], str]:
    result = CliRunner().invoke(app, ["evaluate", *map(str, arguments), "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout), " ".join(result.stderr.split())


def reconstructed(folder: Path, model_file: Path, **options: Any) -> Path:
    """A folder as a reconstruction of a part leaves it."""
    stack = np.random.default_rng(0).poisson(100, (N_FRAMES, 16, 16)).astype(np.uint16)
    ds.reconstruct(stack, str(model_file), out=folder, pixel_size_nm=100.0, force=True, **options)
    return folder


def test_a_bare_table_is_of_its_first_frame_to_its_last_and_that_is_said(
    truth: Localizations, tmp_path: Path
) -> None:
    found = truth[(truth.frame >= 4) & (truth.frame < 10)]
    write_localizations(found, tmp_path / "bare" / "found.csv")
    paths = tmp_path / "bare" / "found.csv", "--truth", tmp_path / "truth.csv"
    scores, said = evaluated(*paths)
    assert scores["jaccard"] == 1
    assert (
        "The truth has 40 frames, the result 6 (5 to 10, counted from 1): the others were left out."
        in said
    )
    assert "does not say which were reconstructed; --all-frames counts all" in said
    assert f"{len(found)} of {len(truth)} true molecules" in said
    scores, said = evaluated(*paths, "--all-frames")
    assert scores["jaccard"] == pytest.approx(len(found) / len(truth))
    assert "left out" not in said


def test_the_report_beside_a_table_says_which_frames_and_region_it_is_of(
    truth: Localizations, tmp_path: Path, model_file: Path
) -> None:
    region = {"region": (2, 4, 12, 14), "frame_range": (4, 20)}
    folder = reconstructed(tmp_path / "out", model_file, **region)
    is_of = (truth.x_nm >= 400) & (truth.x_nm < 1400) & (truth.y_nm >= 200) & (truth.y_nm < 1200)
    is_of &= (truth.frame >= 4) & (truth.frame < 20)
    # Nothing was found in the second half of the frames: those count as missed.
    found = truth[is_of & (truth.frame < 12)]
    write_localizations(found, folder / "localizations.csv")
    scores, said = evaluated(folder / "localizations.csv", "--truth", tmp_path / "truth.csv")
    assert scores["n_true_positive"] == len(found) > 0
    assert scores["n_false_negative"] == is_of.sum() - len(found) > 0
    assert "the result 16 (5 to 20, counted from 1)" in said
    assert "region (x 0.4 to 1.4 µm, y 0.2 to 1.2 µm)" in said
    assert "--all-frames" not in said


def test_an_image_is_compared_with_the_truth_of_its_frames_and_region(
    truth: Localizations, tmp_path: Path, model_file: Path
) -> None:
    region = {"region": (2, 4, 12, 14), "frame_range": (4, 20)}
    path = reconstructed(tmp_path / "out", model_file, **region) / "reconstruction.tif"
    report = read_report(path)
    assert report is not None
    part = truth[(truth.frame >= 4) & (truth.frame < 20)]
    exact = count_image(
        part.with_columns(x_nm=part.x_nm - 400, y_nm=part.y_nm - 200), (40, 40), 25.0
    )
    write_image(path, exact.astype(np.float32), pixel_size_nm=25.0, report=report)
    scores, said = evaluated(path, "--truth", tmp_path / "truth.csv")
    assert scores["nmse_percent"] == pytest.approx(0, abs=1e-9)
    assert "the result 16 (5 to 20, counted from 1)" in said


@pytest.mark.parametrize("window", [None, 10])
def test_of_sums_of_frames_a_molecule_counts_once_in_each(
    truth: Localizations, tmp_path: Path, model_file: Path, window: int | None
) -> None:
    options = {"sum_frames": 4, "window": window, "frame_range": (2, 38)}
    folder = reconstructed(tmp_path / "out", model_file, **options)
    covered = coverage_of_file(folder / "localizations.csv")
    assert covered is not None
    assert covered == coverage_of_file(folder / "reconstruction.tif")
    # By hand: the first frames of the sums, each molecule once in each sum it is seen in.
    starts = [2 + i for i in range(0, 36, 4)]
    if window is not None:
        starts = [start for w in range(2, 38, 10) for start in range(w, min(w + 10, 38), 4)]
    sums = list(zip(starts, [*starts[1:], 38], strict=True))
    rows = [(a, *xy) for a, b in sums for xy in places_in(truth, a, b)]
    frame, x, y = np.array(rows).T
    found = Localizations(frame=frame.astype(int), x_nm=x, y_nm=y)
    write_localizations(found, folder / "localizations.csv")
    scores, said = evaluated(folder / "localizations.csv", "--truth", tmp_path / "truth.csv")
    assert (scores["jaccard"], scores["n_true_positive"]) == (1, len(rows))
    assert "sums of 4 frames" in said


def places_in(truth: Localizations, start: int, stop: int) -> set[tuple[float, float]]:
    part = truth.in_frames(start, stop)
    return set(zip(part.x_nm.tolist(), part.y_nm.tolist(), strict=True))


def test_light_of_a_sum_adds_up_and_identities_decide_where_there_are_any() -> None:
    truth = Localizations(
        frame=[0, 1, 1, 3],
        x_nm=[10.0, 12.0, 10.0, 10.0],
        y_nm=[5.0, 5.0, 5.0, 5.0],
        photons=[100.0, 300.0, 50.0, 70.0],
        background=[7.0, 7.0, 7.0, 7.0],
        molecule=[1, 1, 2, 1],
    )
    (kept, _) = cut_truth(truth, Coverage(n_frames=4, sum_frames=2))
    assert kept.frame.tolist() == [0, 0, 2]
    assert kept.x_nm.tolist() == [11, 10, 10]
    assert kept["photons"].tolist() == [400, 50, 70]
    assert kept["background"].tolist() == [14, 14, 14]


def test_a_report_of_another_run_is_not_believed(tmp_path: Path, model_file: Path) -> None:
    folder = reconstructed(tmp_path / "out", model_file, frame_range=(0, 10))
    stated = coverage_of_file(folder / "localizations.csv")
    late = molecules().in_frames(5, 30)
    covered = coverage_of_table(late, stated)
    assert covered is not None
    assert (covered.frames, covered.is_stated) == (range(5, 30), False)
    shutil.rmtree(folder)
    assert coverage_of_file(folder / "localizations.csv") is None


def test_a_truth_that_ends_early_is_said() -> None:
    truth = molecules()
    (sentence,) = beyond_truth(truth, truth.in_frames(0, 30))
    n = len(truth.in_frames(30, 40))
    assert sentence.startswith(f"{n} of {len(truth)} localizations are in frames before")
    assert beyond_truth(truth, truth) == []


def test_no_true_molecule_in_the_frames_of_a_result_is_one_sentence(
    truth: Localizations, tmp_path: Path
) -> None:
    found = truth.with_columns(frame=truth.frame + 1000)
    write_localizations(found, tmp_path / "late.csv")
    result = CliRunner().invoke(
        app, ["evaluate", str(tmp_path / "late.csv"), "--truth", str(tmp_path / "truth.csv")]
    )
    assert result.exit_code == 2
    assert "no true molecule lies in the frames" in " ".join(result.output.split())
