"""Drift: what the simulator's stage did is found, with its error, taken off, and put back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.drift.conftest import drifting, rms_nm

from napari_deepsmlm.drift import (
    DriftCurve,
    DriftOptions,
    measure_drift,
    read_curve,
    save_drift_figure,
    write_curve,
)
from napari_deepsmlm.localizations import Localizations

if TYPE_CHECKING:
    from pathlib import Path


def test_a_planted_drift_of_500_nm_is_found_to_5_nm_in_2d(tmp_path: Path) -> None:
    table, path = drifting(15_000)
    found = measure_drift(table)
    error = rms_nm(found.curve.xyz_nm, path)
    assert error.max() < 5.0
    assert set(found.curves) == {"correlation", "entropy"}
    for curve in found.curves.values():
        assert rms_nm(curve.xyz_nm, path).max() < 5.0
    stated = float(np.sqrt(np.mean(found.curve.error_nm**2)))
    assert 0.4 < stated / np.sqrt(np.mean(error**2)) < 3.0
    assert found.agreement_nm is not None
    assert max(found.agreement_nm) < 6.0
    assert found.frc_before_nm is not None
    assert found.frc_after_nm is not None
    assert found.frc_after_nm < 0.8 * found.frc_before_nm
    save_drift_figure(tmp_path / "drift.png", found)
    assert (tmp_path / "drift.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.slow  # the z axis: another ten seconds of two ways
def test_a_planted_drift_is_found_to_10_nm_in_depth() -> None:
    table, path = drifting(40_000, steady_nm=(400.0, -300.0, 500.0))
    found = measure_drift(table, with_frc=False)
    error = rms_nm(found.curve.xyz_nm, path)
    assert error[:2].max() < 5.0
    assert error[2] < 10.0
    assert found.curve.error_z_nm is not None


def test_depth_is_found_by_correlation() -> None:
    table, path = drifting(12_000, 4000, steady_nm=(60.0, 40.0, 120.0), field_nm=6000.0)
    options = DriftOptions(method="correlation", segment_frames=400)
    found = measure_drift(table, options, with_frc=False)
    assert rms_nm(found.curve.xyz_nm, path).max() < 10.0


def test_a_bead_shows_the_drift() -> None:
    table, path = drifting(6000, 2000, steady_nm=(200.0, 100.0, 0.0), field_nm=6000.0)
    rng = np.random.default_rng(1)
    seen = np.flatnonzero(rng.random(2000) < 0.8)
    bead = Localizations(
        frame=seen,
        x_nm=3000 + path[seen, 0] + rng.normal(size=len(seen)) * 5,
        y_nm=2500 + path[seen, 1] + rng.normal(size=len(seen)) * 5,
        uncertainty_x_nm=np.full(len(seen), 5.0),
        uncertainty_y_nm=np.full(len(seen), 5.0),
    )
    both = Localizations.concatenate([table, bead]).sort()
    found = measure_drift(both, DriftOptions(method="fiducials"), with_frc=False)
    assert found.agreement_nm is None
    assert rms_nm(found.curve.xyz_nm, path).max() < 3.0
    with pytest.raises(ValueError, match="no beads"):
        measure_drift(table, DriftOptions(method="fiducials"), with_frc=False)


def test_a_still_sample_is_said_to_be_still() -> None:
    table, _ = drifting(6000, 2000, steady_nm=(0.0, 0.0, 0.0), walk_nm=0.0, field_nm=6000.0)
    found = measure_drift(table, with_frc=False)
    assert any("No drift beyond its error" in remark for remark in found.remarks)
    assert np.abs(found.curve.xyz_nm).max() < 12.0


def test_molecules_anywhere_show_no_drift() -> None:
    rng = np.random.default_rng(0)
    n = 3000
    table = Localizations(
        frame=np.sort(rng.integers(1000, size=n)),
        x_nm=rng.uniform(0, 40_000, n),
        y_nm=rng.uniform(0, 40_000, n),
    )
    with pytest.raises(ValueError, match="cannot be told"):
        measure_drift(table, with_frc=False)


@pytest.mark.parametrize(
    ("n", "n_frames", "words"), [(50, 1000, "200 are needed"), (500, 10, "20 are needed")]
)
def test_too_little_is_refused_in_a_sentence(n: int, n_frames: int, words: str) -> None:
    frame = np.sort(np.arange(n) % n_frames)
    table = Localizations(frame=frame, x_nm=np.arange(n) * 1.0, y_nm=np.arange(n) * 1.0)
    with pytest.raises(ValueError, match=words):
        measure_drift(table)


def test_a_curve_survives_its_file_and_is_taken_off_and_put_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    curve = DriftCurve(rng.normal(size=(50, 3)) * 100, np.full(50, 2.0), np.full(50, 5.0))
    write_curve(tmp_path / "drift.csv", curve)
    again = read_curve(tmp_path / "drift.csv")
    np.testing.assert_allclose(again.xyz_nm, curve.xyz_nm, rtol=1e-5)
    np.testing.assert_allclose(again.error_z_nm, curve.error_z_nm)
    assert (tmp_path / "drift.csv").read_text().splitlines()[0] == (
        "frame,x [nm],y [nm],z [nm],error [nm],error z [nm]"
    )
    frame = np.arange(50)
    table = Localizations(frame=frame, x_nm=frame * 2.0, y_nm=frame * 3.0, z_nm=frame * 1.0)
    still = again.apply(table)
    np.testing.assert_allclose(still.x_nm, table.x_nm - again.xyz_nm[:, 0])
    for name in ("x_nm", "y_nm", "z_nm"):
        np.testing.assert_allclose(again.take_back(still)[name], table[name], atol=1e-9)


def test_a_curve_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    curve = DriftCurve(np.zeros((10, 2)), np.zeros(10))
    with pytest.raises(ValueError, match="reaches frame 21"):
        curve.apply(Localizations(frame=[20], x_nm=[1.0], y_nm=[1.0]))
    path = tmp_path / "c.csv"
    for text, words in (
        ("frame,x [nm]\n1,2\n", "missing: y"),
        ("frame,x,y\n1,2,3\n1,2,3\n", "ascend"),
        ("frame,x,y\n1,a,3\n", "numbers only"),
        ("frame,x,y\n", "empty"),
        ("", "no table"),
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=words):
            read_curve(path)


def test_depths_that_did_not_drift_are_left_as_they_are() -> None:
    table, _ = drifting(6000, 2000, steady_nm=(200.0, 100.0, 0.0), field_nm=6000.0)
    depth = np.random.default_rng(3).normal(0, 100, len(table))
    found = measure_drift(table.with_columns(z_nm=depth), with_frc=False)
    assert np.ptp(found.curve.xyz_nm[:, 0]) > 150
    assert (found.curve.xyz_nm[:, 2] == 0).all()
    assert any("depths are left as they are" in remark for remark in found.remarks)
