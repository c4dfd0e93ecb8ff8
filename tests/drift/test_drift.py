"""Drift: what the simulator's stage did is found, with its error, taken off, and put back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tests.drift.conftest import drifting, rms_nm

from napari_deepsmlm.drift import (
    DriftCurve,
    DriftOptions,
    find_beads,
    measure_drift,
    read_curve,
    save_drift_figure,
    write_curve,
)
from napari_deepsmlm.drift._sample import Sample, numbered, sample_of
from napari_deepsmlm.linking import link
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


def crowd_with_a_bead(n_frames: int = 400, seed: int = 0) -> tuple[Localizations, np.ndarray]:
    """Return dense molecules with depth and a bead in their midst, and which rows are of it."""
    rng = np.random.default_rng(seed)
    seen = np.flatnonzero(rng.random(n_frames) < 0.7)
    n = 20_000
    # 3 um on a side: 10 molecules per 60 nm disk, seen in all frames together
    place = (
        rng.uniform(0, 3000, (n, 2)),
        np.array([1512.0, 1490.0]) + rng.normal(0, 6, (len(seen), 2)),
    )
    x, y = np.concatenate(place).T
    table = Localizations(
        frame=np.concatenate([rng.integers(n_frames, size=n), seen]),
        x_nm=x,
        y_nm=y,
        z_nm=np.concatenate([rng.uniform(-300, 300, n), np.full(len(seen), 20.0)]),
    )
    return table, np.arange(len(table)) >= n


def test_a_bead_is_known_and_a_crowd_is_none() -> None:
    table, is_bead = crowd_with_a_bead()
    (rows,) = find_beads(table)
    assert set(np.flatnonzero(is_bead)) <= set(rows)
    apart = np.hypot(table.x_nm[rows] - 1512, table.y_nm[rows] - 1490)
    assert apart.max() < 160
    assert find_beads(table[~is_bead]) == []
    # one place of the crowd is seen in half of the frames too, but it is nothing by itself
    crowd = table[~is_bead]
    many = Localizations.concatenate([crowd.with_columns(frame=crowd.frame // 20)] * 3)
    assert len(np.unique(many.frame[np.hypot(many.x_nm - 900, many.y_nm - 900) < 60])) > 10
    assert find_beads(many) == []


@pytest.mark.parametrize("degrees", [20, 45, 90])
def test_dense_fibres_that_cross_are_no_bead(degrees: float) -> None:
    """Where they cross, a molecule is seen in most frames."""
    rng, n = np.random.default_rng(degrees), 8000
    along, across = rng.uniform(-3000, 3000, (2, n)), rng.normal(0, 15, (2, n))
    turn = np.deg2rad(degrees)
    x = np.concatenate([along[0], along[1] * np.cos(turn) - across[1] * np.sin(turn)])
    y = np.concatenate([across[0], along[1] * np.sin(turn) + across[1] * np.cos(turn)])
    table = Localizations(frame=rng.integers(300, size=2 * n), x_nm=x, y_nm=y)
    assert len(np.unique(table.frame[np.hypot(x, y) < 60])) > 150
    assert find_beads(table) == []
    assert find_beads(table[y < 30]) == []  # cut off beside the crossing, as a shape does


def test_a_bead_is_known_in_a_linked_table() -> None:
    table, is_bead = crowd_with_a_bead()
    linked = link(table).table
    (rows,) = find_beads(linked)
    assert np.asarray(linked["detections"])[rows].sum() > 0.9 * is_bead.sum()


@given(hnp.arrays(np.int64, st.integers(0, 60), elements=st.integers(0, 10**9)), st.booleans())
def test_keys_are_numbered_in_their_order(keys: np.ndarray, are_small: bool) -> None:
    keys = keys % 50 if are_small else keys
    number, counts = numbered(keys)
    _, expected, n = np.unique(keys, return_inverse=True, return_counts=True)
    np.testing.assert_array_equal(number, expected)
    np.testing.assert_array_equal(counts, n)


def test_a_huge_table_is_measured_by_a_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    table, path = drifting(60_000)
    sample = sample_of(table)
    some = sample.thinned(15_000)
    assert len(some.frame) == pytest.approx(15_000, rel=0.05)
    assert some.n_frames == sample.n_frames
    assert (np.diff(some.frame) >= 0).all()
    assert sample.thinned() is sample
    monkeypatch.setattr(Sample.thinned, "__defaults__", (15_000,))
    found = measure_drift(table, with_frc=False)
    assert rms_nm(found.curve.xyz_nm, path).max() < 5.0
    assert found.curve.n_frames == sample.n_frames
