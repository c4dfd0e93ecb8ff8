"""Matching against what the SMLM Challenge's own scorer printed, and against brute force."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.metrics import match

DATA = Path(__file__).parents[2] / "../shared/data"
needs_data = pytest.mark.skipif(not DATA.exists(), reason="the shared data is not here")


def table(rows: pd.DataFrame, *, is_3d: bool) -> Localizations:
    z = {"z_nm": rows.z_nm.to_numpy(float)} if is_3d else {}
    columns = {name: rows[name].to_numpy(float) for name in ("x_nm", "y_nm", "photons")}
    return Localizations(frame=rows.frame.to_numpy(), **columns, **z)


def golden() -> list[tuple[str, bool, pd.Series]]:
    if not DATA.exists():
        return []
    rows = pd.read_csv(DATA / "challenge_golden.csv", sep=";")
    rows = rows[rows.Algorithm == "GS-NN"]
    return [(r.Dataset[1:], "XYZ" in r.Evaluation, r) for _, r in rows.iterrows()]


@needs_data
@pytest.mark.parametrize(("case", "is_3d", "expected"), golden())
def test_scores_agree_with_the_challenge_scorer(case, is_3d, expected):
    cases = pd.read_csv(DATA / "challenge_cases.csv")
    cases = cases[cases.case == case]
    scores = match(
        table(cases[cases.set == "prediction"], is_3d=is_3d),
        table(cases[cases.set == "truth"], is_3d=is_3d),
        least_photons=expected["Min. Photons in Ref"],
    ).scores()
    assert scores["n_true_positive"] == expected["Intersection"]
    if expected["Min. Photons in Ref"] > 0:
        # The scorer still counts the dim molecule and its partner as misses; by the protocol
        # they count as nothing at all.
        assert scores["jaccard"] == 1
        assert scores["rmse_lateral_nm"] == pytest.approx(expected["RMSE Lateral"], abs=2e-3)
        return
    assert 100 * scores["jaccard"] == pytest.approx(expected["Jaccard"], abs=2e-3)
    assert scores["precision"] == pytest.approx(expected["Precision"], abs=2e-3)
    assert scores["recall"] == pytest.approx(expected["Recall"], abs=2e-3)
    assert scores["rmse_lateral_nm"] == pytest.approx(expected["RMSE Lateral"], abs=2e-3)
    if is_3d:
        assert scores["rmse_axial_nm"] == pytest.approx(expected["RMSE Axial"], abs=2e-3)


def brute_force(ours, theirs, tolerance):
    """Take pairs one by one, nearest first."""
    pairs = sorted(
        (math.dist(a[1:], b[1:]), i, j)
        for i, a in enumerate(ours)
        for j, b in enumerate(theirs)
        if a[0] == b[0] and math.dist(a[1:], b[1:]) <= tolerance
    )
    used_i, used_j, found = set(), set(), set()
    for _, i, j in pairs:
        if i not in used_i and j not in used_j:
            used_i.add(i)
            used_j.add(j)
            found.add((i, j))
    return found


points = st.lists(
    st.tuples(st.integers(0, 2), st.floats(0, 600, width=32), st.floats(0, 600, width=32)),
    max_size=14,
    unique_by=lambda p: (p[1], p[2]),
)


@settings(max_examples=60, deadline=None)
@given(points, points)
def test_pairs_are_those_of_brute_force(ours, theirs):
    def build(rows):
        frame, x, y = np.array(rows, float).reshape(-1, 3).T
        return Localizations(frame=frame, x_nm=x, y_nm=y)

    result = match(build(ours), build(theirs), lateral_nm=250)
    expected = brute_force(ours, theirs, 250)
    distances = {round(math.dist(ours[i][1:], theirs[j][1:]), 6) for i, j in expected}
    assert len(result.true) == len(expected)
    found = zip(result.predicted, result.true, strict=True)
    assert {round(math.dist(ours[i][1:], theirs[j][1:]), 6) for i, j in found} == distances
    swapped = match(build(theirs), build(ours), lateral_nm=250)
    assert len(swapped.true) == len(expected)


def test_greedy_is_not_optimal_matching():
    truth = Localizations(frame=[0, 0], x_nm=[2000.0, 2300.0], y_nm=[0.0, 0.0])
    found = Localizations(frame=[0, 0], x_nm=[2240.0, 2545.0], y_nm=[0.0, 0.0])
    scores = match(found, truth).scores()
    assert scores["n_true_positive"] == 1
    assert scores["rmse_lateral_nm"] == pytest.approx(60)


def test_efficiency_follows_the_formula():
    truth = Localizations(frame=np.zeros(4), x_nm=np.arange(4) * 1e3, y_nm=np.zeros(4))
    found = Localizations(frame=np.zeros(3), x_nm=np.arange(3) * 1e3 + 30, y_nm=np.full(3, 40.0))
    scores = match(found, truth).scores()
    assert scores["rmse_lateral_nm"] == pytest.approx(50)
    assert scores["rmse_per_axis_nm"] == pytest.approx(50 / math.sqrt(2))
    assert scores["efficiency_lateral"] == pytest.approx(100 - math.hypot(25, 50))
    assert scores["bias_x_nm"] == pytest.approx(30)


def test_nothing_matched_has_undefined_errors():
    empty = Localizations.empty()
    truth = Localizations(frame=[0], x_nm=[1.0], y_nm=[1.0])
    scores = match(empty, truth).scores()
    assert scores["jaccard"] == 0
    assert math.isnan(scores["rmse_lateral_nm"])
    assert math.isnan(match(empty, empty).scores()["jaccard"])


def test_positions_that_are_not_finite_are_refused():
    bad = Localizations(frame=[0], x_nm=[math.nan], y_nm=[1.0])
    with pytest.raises(ValueError, match="remove the rows with NaN"):
        match(bad, bad)
