"""Matching against what the SMLM Challenge's own scorer printed, and against brute force."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.metrics import field_of, match, matching, without_border

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


def build(rows):
    frame, x, y = np.array(rows, float).reshape(-1, 3).T
    return Localizations(frame=frame, x_nm=x, y_nm=y)


def candidates(ours, theirs, tolerance):
    """All pairs as (squared distance, sums of coordinates, rows): the order they are offered in."""
    return sorted(
        ((a[1] - b[1]) ** 2 + (a[2] - b[2]) ** 2, a[1] + b[1], a[2] + b[2], i, j)
        for i, a in enumerate(ours)
        for j, b in enumerate(theirs)
        if a[0] == b[0] and (a[1] - b[1]) ** 2 + (a[2] - b[2]) ** 2 <= tolerance**2
    )


def brute_force(ours, theirs, tolerance):
    """Take pairs one by one, nearest first."""
    used_i, used_j, found = set(), set(), set()
    for *_, i, j in candidates(ours, theirs, tolerance):
        if i not in used_i and j not in used_j:
            used_i.add(i)
            used_j.add(j)
            found.add((i, j))
    return found


# Whole multiples of 50 nm: many pairs are at equal distances, and some exactly at the tolerance.
points = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.integers(0, 14).map(lambda k: 50.0 * k),
        st.integers(0, 14).map(lambda k: 50.0 * k),
    ),
    max_size=24,
    unique=True,
)


@settings(max_examples=150)
@given(points, points)
def test_greedy_pairs_are_those_of_brute_force(ours, theirs):
    result = match(build(ours), build(theirs), lateral_nm=250)
    found = {(int(i), int(j)) for i, j in zip(result.predicted, result.true, strict=True)}
    assert found == brute_force(ours, theirs, 250)
    assert set(result.false_positive) == set(range(len(ours))) - {i for i, _ in found}
    assert set(result.false_negative) == set(range(len(theirs))) - {j for _, j in found}


@pytest.mark.parametrize("method", ["greedy", "optimal"])
@given(points, points)
def test_swapped_roles_swap_what_is_wrong_and_what_is_missed(method, ours, theirs):
    one = match(build(ours), build(theirs), method=method)
    other = match(build(theirs), build(ours), method=method)
    assert len(one.true) == len(other.true)
    assert len(one.false_positive) == len(other.false_negative)
    assert len(one.false_negative) == len(other.false_positive)
    lengths = [np.linalg.norm(m.difference_nm, axis=1).sum() for m in (one, other)]
    assert lengths[0] == pytest.approx(lengths[1])


@settings(max_examples=150)
@given(points, points)
def test_optimal_pairs_are_as_many_and_as_near_as_a_dense_assignment_has(ours, theirs):
    result = match(build(ours), build(theirs), method="optimal")
    cost = np.full((len(ours), len(theirs)), 1e6)
    for square, _, _, i, j in candidates(ours, theirs, 250):
        cost[i, j] = math.sqrt(square)
    chosen = cost[linear_sum_assignment(cost)]
    assert len(result.true) == (chosen < 1e6).sum()
    assert len(set(result.true)) == len(result.true) == len(set(result.predicted))
    distance = np.linalg.norm(result.difference_nm, axis=1)
    assert (distance <= 250).all()
    assert distance.sum() == pytest.approx(chosen[chosen < 1e6].sum())


@pytest.mark.parametrize("method", ["greedy", "optimal"])
def test_pieces_of_a_large_table_are_matched_like_the_whole(method, monkeypatch):
    rng = np.random.default_rng(0)
    tables = [
        Localizations(
            frame=rng.integers(0, 40, 1500),
            **{name: rng.uniform(0, 3000, 1500) for name in ("x_nm", "y_nm", "z_nm")},
        )
        for _ in range(2)
    ]
    whole = match(*tables, method=method)
    monkeypatch.setattr(matching, "_ROWS_PER_CHUNK", 100)
    monkeypatch.setattr(matching, "_PAIRS_PER_PROBLEM", 5)
    pieces = match(*tables, method=method)
    pairs = [set(zip(m.predicted, m.true, strict=True)) for m in (whole, pieces)]
    assert pairs[0] == pairs[1]
    assert (np.abs(whole.difference_nm[:, 2]) <= 500).all()


def test_greedy_is_not_optimal_matching():
    truth = Localizations(frame=[0, 0], x_nm=[2000.0, 2300.0], y_nm=[0.0, 0.0])
    found = Localizations(frame=[0, 0], x_nm=[2240.0, 2545.0], y_nm=[0.0, 0.0])
    scores = match(found, truth).scores()
    assert scores["n_true_positive"] == 1
    assert scores["rmse_lateral_nm"] == pytest.approx(60)
    optimal = match(found, truth, method="optimal").scores()
    assert optimal["n_true_positive"] == 2
    assert optimal["rmse_lateral_nm"] == pytest.approx(math.sqrt((240**2 + 245**2) / 2))


def test_efficiency_follows_the_formula():
    truth = Localizations(frame=np.zeros(4), x_nm=np.arange(4) * 1e3, y_nm=np.zeros(4))
    found = Localizations(frame=np.zeros(3), x_nm=np.arange(3) * 1e3 + 30, y_nm=np.full(3, 40.0))
    scores = match(found, truth).scores()
    assert scores["rmse_lateral_nm"] == pytest.approx(50)
    assert scores["rmse_per_axis_nm"] == pytest.approx(50 / math.sqrt(2))
    assert scores["efficiency_lateral"] == pytest.approx(100 - math.hypot(25, 50))
    assert [scores[f"bias_{axis}_nm"] for axis in "xy"] == pytest.approx([30, 40])
    assert math.isnan(scores["bias_z_nm"])
    assert not any(name.startswith("z_score") for name in scores)


def test_nothing_matched_has_undefined_errors():
    empty = Localizations.empty()
    truth = Localizations(frame=[0], x_nm=[1.0], y_nm=[1.0])
    scores = match(empty, truth).scores()
    assert scores["jaccard"] == 0
    assert math.isnan(scores["rmse_lateral_nm"])
    assert math.isnan(match(empty, empty).scores()["jaccard"])


def test_positions_that_are_not_finite_are_refused():
    bad = Localizations(frame=[0], x_nm=[math.nan], y_nm=[1.0])
    with pytest.raises(ValueError, match="less than a metre"):
        match(bad, bad)


def test_z_scores_have_the_spread_that_was_planted():
    rng = np.random.default_rng(1)
    n = 40_000
    x, y, z = rng.uniform(0, 1e6, (3, n))
    sigma = rng.uniform(5, 20, n)
    truth = Localizations(frame=np.zeros(n), x_nm=x, y_nm=y, z_nm=z)
    found = Localizations(
        frame=np.zeros(n),
        x_nm=x + sigma * rng.normal(size=n),
        y_nm=y + sigma * rng.normal(0.5, 2, size=n),
        z_nm=z + 3,
        uncertainty_x_nm=sigma,
        uncertainty_y_nm=np.where(np.arange(n) % 2, sigma, np.nan),
    )
    scores = match(found, truth).scores()
    # Standard error of an SD from N samples: SD / sqrt(2 N), and of a mean: SD / sqrt(N).
    assert scores["z_score_sd_x"] == pytest.approx(1, abs=5 / math.sqrt(2 * n))
    assert scores["z_score_mean_x"] == pytest.approx(0, abs=5 / math.sqrt(n))
    assert scores["z_score_sd_y"] == pytest.approx(2, abs=5 * 2 / math.sqrt(n))
    assert scores["z_score_mean_y"] == pytest.approx(0.5, abs=5 * 2 / math.sqrt(n / 2))
    assert "z_score_sd_z" not in scores
    assert scores["bias_z_nm"] == pytest.approx(3)


def test_the_border_is_left_out_of_truth_and_prediction():
    table = Localizations(
        frame=np.zeros(5), x_nm=[449.0, 450, 5950, 5951, 3000], y_nm=[900.0, 450, 900, 900, 1600]
    )
    assert without_border(table, 450, (0, 0, 6400, 2000)).x_nm.tolist() == [450, 5950]
    assert field_of(table) == (449, 450, 5951, 1600)
    assert len(without_border(table, 0, field_of(table))) == 5
    with pytest.raises(ValueError, match="leaves nothing of a field of 6400 x 800 nm"):
        without_border(table, 450, (0, 0, 6400, 800))
    with pytest.raises(ValueError, match="must be 0 nm or more"):
        without_border(table, -1, (0, 0, 6400, 6400))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"lateral_nm": -1.0}, "Tolerances must be above 0"),
        ({"axial_nm": math.nan}, "Tolerances must be above 0"),
        ({"method": "best"}, "Available: greedy, optimal"),
        ({"least_photons": 5.0}, "has no photons"),
        ({"least_photons": -5.0}, "must be 0 or more"),
    ],
)
def test_options_that_cannot_be_are_refused(options, sentence):
    table = Localizations(frame=[0], x_nm=[1.0], y_nm=[1.0])
    with pytest.raises(ValueError, match=sentence):
        match(table, table, **options)


@pytest.mark.parametrize("is_3d", [False, True])
def test_a_crowded_frame_is_matched_in_shells_as_in_one_go(
    monkeypatch: pytest.MonkeyPatch, is_3d: bool
) -> None:
    rng = np.random.default_rng(5)

    def crowd(n: int) -> Localizations:
        names = ("x_nm", "y_nm", "z_nm") if is_3d else ("x_nm", "y_nm")
        return Localizations(
            frame=rng.integers(0, 2, n), **{name: rng.uniform(0, 800, n) for name in names}
        )

    ours, theirs = crowd(300), crowd(260)
    whole = match(ours, theirs)
    monkeypatch.setattr(matching, "_MAX_PAIRS", 500)
    shells = match(ours, theirs)
    assert len(whole.true) > 150
    assert sorted(zip(whole.predicted, whole.true, strict=True)) == sorted(
        zip(shells.predicted, shells.true, strict=True)
    )
    with pytest.raises(ValueError, match="too many for the best assignment"):
        match(ours, theirs, method="optimal")
    one_place = Localizations(frame=np.zeros(50), x_nm=np.ones(50), y_nm=np.ones(50))
    with pytest.raises(ValueError, match="lie at one place"):
        match(one_place, one_place)


def test_ten_thousand_molecules_in_one_frame_need_little_memory() -> None:
    import tracemalloc

    rng = np.random.default_rng(6)
    tables = [
        Localizations(
            frame=np.zeros(10_000),
            x_nm=rng.uniform(0, 300, 10_000),
            y_nm=rng.uniform(0, 300, 10_000),
        )
        for _ in range(2)
    ]
    tracemalloc.start()
    found = match(*tables)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found.true) > 9_000
    assert peak < 1.2e9
