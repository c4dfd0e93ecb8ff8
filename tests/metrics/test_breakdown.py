"""Scores by frame, density and depth: the parts add up, and each molecule is where it belongs."""

from __future__ import annotations

import numpy as np
import pytest

from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.metrics import (
    Matching,
    breakdown,
    local_density,
    match,
    score_table,
    truth_bounds,
)
from napari_deepsmlm.psf import GaussianPSF


@pytest.fixture(scope="module")
def compared() -> tuple[Matching, Localizations, Localizations]:
    """Three thousand molecules in 50 frames, found with more error the deeper they are."""
    rng = np.random.default_rng(0)
    n = 3000
    frame = rng.integers(0, 50, n)
    x, y = rng.uniform(0, 10_000, (2, n))
    z = rng.uniform(-400, 400, n)
    truth = Localizations(frame=frame, x_nm=x, y_nm=y, z_nm=z)
    error = np.where(z > 0, 40, 10) / np.sqrt(2)
    kept = (rng.random(n) < 0.9) | (z > 0)
    near = truth[kept]
    found = Localizations(
        frame=np.append(near.frame, 7),
        x_nm=np.append(near.x_nm + error[kept], 0.0),
        y_nm=np.append(near.y_nm + error[kept], -5000.0),
        z_nm=np.append(near["z_nm"], 100.0),
    )
    return match(found, truth, lateral_nm=60, axial_nm=20), found, truth


@pytest.mark.parametrize("by", ["frame", "density", "z"])
def test_the_rows_add_up_to_the_whole(by, compared) -> None:
    matching, found, truth = compared
    table, whole = score_table(matching, found, truth, by=by), matching.scores()
    for name in ("n_true_positive", "n_false_positive", "n_false_negative"):
        assert table[name].sum() == whole[name]
    assert table["n_true"].sum() == len(truth)
    square = (table["rmse_lateral_nm"] ** 2 * table["n_true_positive"]).sum()
    assert np.sqrt(square / whole["n_true_positive"]) == pytest.approx(whole["rmse_lateral_nm"])


def test_each_row_has_the_scores_of_its_molecules_alone(compared) -> None:
    matching, found, truth = compared
    table = score_table(matching, found, truth, by="frame").set_index("frame")
    alone = match(found[found.frame == 7], truth[truth.frame == 7], lateral_nm=60, axial_nm=20)
    for name, value in alone.scores().items():
        assert table.loc[7, name] == pytest.approx(value, nan_ok=True)
    halves = score_table(matching, found, truth, by="z", edges=[-400, 0, 400])
    assert halves["rmse_lateral_nm"].to_list() == pytest.approx([10, 40])
    assert halves["recall"][0] == pytest.approx(0.9, abs=0.03)
    assert halves["recall"][1] == 1
    assert halves["n_false_positive"].to_list() == [0, 1]


def test_local_density_of_a_known_arrangement() -> None:
    # Four on a line 600 nm apart: each end has one other within 1 um, those between have two.
    truth = Localizations(frame=np.zeros(4), x_nm=np.arange(4) * 600.0, y_nm=np.zeros(4))
    assert local_density(truth, truth, n_own=1) * np.pi == pytest.approx([1, 2, 2, 1])
    elsewhere = Localizations(frame=[0, 1], x_nm=[900.0, 900.0], y_nm=[0.0, 0.0])
    assert local_density(elsewhere, truth) * np.pi == pytest.approx([4, 0])


def test_local_density_of_uniform_molecules_is_the_density_planted() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.uniform(0, 20_000, (2, 2000))  # 5 per um^2
    truth = Localizations(frame=np.zeros(2000), x_nm=x, y_nm=y)
    is_inner = (np.abs(x - 10_000) < 9000) & (np.abs(y - 10_000) < 9000)
    assert local_density(truth, truth, n_own=1)[is_inner].mean() == pytest.approx(5, rel=0.05)


def test_the_bound_stands_beside_the_error_of_the_same_pairs(compared) -> None:
    matching, found, truth = compared
    bound = np.tile([3.0, 4.0, 20.0], (len(truth), 1))
    bound[truth["z_nm"] < 0] *= 2
    table = score_table(matching, found, truth, by="z", edges=[-400, 0, 400], bound_nm=bound)
    assert table["crlb_lateral_nm"].to_list() == pytest.approx([10, 5])
    assert table["crlb_axial_nm"].to_list() == pytest.approx([40, 20])
    bound[:] = np.nan
    table = score_table(matching, found, truth, by="z", edges=[-400, 0, 400], bound_nm=bound)
    assert table["crlb_lateral_nm"].isna().all()


def test_bounds_of_the_truth_are_mortensens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breakdown, "BOUND_SAMPLES", 100)
    psf = GaussianPSF(pixel_size_nm=100, sigma_nm=(110, 110))
    light = {"photons": np.full(300, 1000.0), "background": np.full(300, 10.0)}
    x, y = np.random.default_rng(0).uniform(0, 6400, (2, 300))
    truth = Localizations(frame=np.zeros(300), x_nm=x, y_nm=y, **light)
    bounds = truth_bounds(truth, psf)
    assert bounds.shape == (300, 2)
    known = bounds[np.isfinite(bounds).all(1)]
    assert len(known) in range(100, 200)
    assert known == pytest.approx(np.full(known.shape, 4.58), rel=0.02)
    with pytest.raises(ValueError, match="has no background"):
        truth_bounds(truth.without("background"), psf)


def test_bins_are_round_and_hold_everything(compared) -> None:
    matching, found, truth = compared
    table = score_table(matching, found, truth, by="z")
    assert table["from"].to_list() == pytest.approx(list(range(-400, 400, 100)))
    assert table["to"].iloc[-1] == 400
    one = truth[:1]
    assert len(score_table(match(one, one), one, one, by="z")) == 1
    none = truth[:0]
    assert score_table(match(none, none), none, none, by="density")["n_true"].sum() == 0


def test_depth_needs_z_and_edges_ascend(compared) -> None:
    matching, found, truth = compared
    with pytest.raises(ValueError, match="one of them has no z"):
        score_table(matching, found.without("z_nm"), truth, by="z")
    with pytest.raises(ValueError, match="ascending"):
        score_table(matching, found, truth, by="z", edges=[0, 0])
