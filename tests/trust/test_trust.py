"""Trust report: planted faults are pointed at, and an honest result is not."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pytest
import trust_faults
from tests.cli.conftest import call
from trust_faults import Result

from napari_deepsmlm.camera import SCMOS
from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.io import write_localizations, write_stack
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.psf import GaussianPSF
from napari_deepsmlm.simulation import Simulation
from napari_deepsmlm.trust import Trust, trust_of, write_trust

if TYPE_CHECKING:
    from pathlib import Path

MODEL = "deep-storm:2d-100nm"
N_FRAMES = 300

simulated = partial(trust_faults.simulated, side_px=48, n_frames=N_FRAMES)
"""Frames, and what a good network makes of them: 90 % of the truth, 12 nm off."""


@pytest.fixture(scope="module")
def honest() -> Result:
    return simulated()


def judged(folder: Path, sample: Result) -> Trust:
    write_stack(folder / "stack.tif", sample.frames, pixel_size_nm=100)
    write_localizations(sample.table, folder / "locs.csv")
    return trust_of(folder / "locs.csv", folder / "stack.tif", model=MODEL)


def doubts_of(trust: Trust) -> list[str]:
    return [one.name for one in trust.doubts]


def test_an_honest_result_is_not_doubted(tmp_path: Path, honest: Result) -> None:
    found = judged(tmp_path, honest)
    assert doubts_of(found) == [], found.sentence()
    assert "Nothing found that speaks against" in found.sentence()


def test_a_filament_that_is_not_there_is_pointed_at(tmp_path: Path, honest: Result) -> None:
    table, rng = honest.table, np.random.default_rng(2)
    assert found_empty_row(honest) is not None
    y = found_empty_row(honest)
    n = 800
    false = Localizations(
        frame=rng.integers(0, N_FRAMES, n),
        x_nm=rng.uniform(500, 4300, n),
        y_nm=y + rng.normal(0, 12, n),
        photons=np.full(n, 2200.0),
    )
    found = judged(tmp_path, Result(honest.frames, Localizations.concatenate([table, false])))
    assert doubts_of(found) == ["Image against frames"]
    assert found.doubt is not None
    false_ones = [one for one in found.doubt.regions if not one.is_missing]
    assert any(abs(one.y_px * 100 - y) < 400 for one in false_ones)
    assert "molecules without light" in found.sentence()


def test_a_faint_false_filament_beside_bright_ones_is_pointed_at(tmp_path: Path) -> None:
    # a bright line of 40 px at x 2.0 um, and molecules where nothing is, 0.7 um beside it
    rng, n = np.random.default_rng(3), 9000
    experiment = Experiment(
        psf=GaussianPSF(pixel_size_nm=100, sigma_nm=(110, 110)),
        camera=SCMOS(),
        simulation=Simulation(background=(30, 30)),
        image_px=(48, 48),
    )
    frame = rng.integers(0, N_FRAMES, n)
    line = {"x_nm": np.full(n, 2000.0), "y_nm": rng.uniform(400, 4400, n)}
    truth = Localizations(frame=frame, **line, z_nm=np.zeros(n), photons=np.full(n, 2000.0))
    stack, _ = experiment.simulate(N_FRAMES, seed=1, activations=truth.to_torch())
    false = truth[: n // 6].with_columns(x_nm=np.full(n // 6, 2700.0))
    found = judged(tmp_path, Result(stack, Localizations.concatenate([truth, false])))
    assert "Image against frames" in doubts_of(found)
    assert found.doubt is not None
    assert {one.is_missing for one in found.doubt.regions} == {False}
    assert abs(found.doubt.regions[0].x_px * 100 - 2700) < 150
    assert found.doubt.regions[0].n_px > 60


def test_a_gap_is_pointed_at(tmp_path: Path, honest: Result) -> None:
    table = honest.table
    in_gap = (table.y_nm > 1500) & (table.y_nm < 2700)
    found = judged(tmp_path, Result(honest.frames, table[~in_gap]))
    assert doubts_of(found) == ["Image against frames"]
    assert found.doubt is not None
    assert found.doubt.regions[0].is_missing
    assert 1300 < found.doubt.regions[0].y_px * 100 < 2900
    assert all(one.is_missing for one in found.doubt.regions)  # none false beside it


def test_a_psf_of_another_width_is_pointed_at(tmp_path: Path) -> None:
    found = judged(tmp_path, simulated(sigma_nm=210.0))
    assert "Data against training" in doubts_of(found)


def test_too_high_a_density_is_pointed_at(tmp_path: Path) -> None:
    found = judged(tmp_path, simulated(density=30.0))
    assert "Data against training" in doubts_of(found)


def test_the_page_has_no_scripts_and_the_command_says_its_sentence(
    tmp_path: Path, honest: Result
) -> None:
    found = judged(tmp_path, honest)
    page, values = write_trust(tmp_path / "out", found)
    text = page.read_text("utf-8")
    assert "<script" not in text
    assert "http" not in text
    assert found.sentence() in text
    assert json.loads(values.read_text())["doubts"] == []
    arguments = (tmp_path / "locs.csv", "--frames", tmp_path / "stack.tif", "--out", tmp_path / "o")
    result = call("trust", *arguments, "--model", MODEL, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["sentence"] == found.sentence()


def found_empty_row(sample: Result) -> float:
    """Return the y of the emptiest strip of the field."""
    counts, edges = np.histogram(sample.table.y_nm, bins=12, range=(0, 4800))
    k = int(np.argmin(counts[1:-1])) + 1
    return float((edges[k] + edges[k + 1]) / 2)
