"""The judge: what a perfect and a useless result get, and how the models that ship do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from judging import judge as judging
from judging.grid import ALL, CONDITIONS, QUICK, TRAPS, find
from judging.judge import Row, judge_model, verdict_of
from judging.marks import marks_of, worst_of
from judging.measures import hold, measure, table_of
from judging.optics import Gaussian
from judging.page import draw, write
from judging.parts import merged
from judging.reference import bound_lateral_nm, fitted
from judging.stacks import load
from judging.sums import SUMS, judge_sums

from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.metrics.crlb import mortensen_precision

if TYPE_CHECKING:
    from pathlib import Path

SMALL = ALL["sparse"].replace(n_frames=10, side_px=48)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stacks")


def test_the_conditions_span_what_microscopes_are() -> None:
    all_of = list(CONDITIONS.values())
    assert len(all_of) >= 24
    assert {one.pixel_nm for one in all_of} == {65, 100, 130, 160}
    assert {one.photons for one in all_of} == {300, 1500, 10_000}
    assert {one.background for one in all_of} == {2, 30, 300, 1000}
    assert {one.density for one in all_of} == {0.1, 1, 3, 5.5}
    assert {one.unevenness for one in all_of} == {"even", "slope", "cells"}
    assert 80 < min(one.sigma_nm for one in all_of) < 90
    assert max(one.sigma_nm for one in all_of) == 190
    kinds = {one.sensor.kind.split(",")[0] for one in all_of}
    assert kinds == {"sCMOS", "EMCCD", "CCD"}
    assert set(QUICK) <= set(ALL)
    assert set(TRAPS) | set(CONDITIONS) == set(ALL)


def test_an_unknown_condition_is_named_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"Unknown condition 'foggy'.*Available: sparse"):
        find(["foggy"])


def test_the_truth_itself_is_perfect_and_nothing_is_worth_nothing(cache: Path) -> None:
    stack = load(SMALL, 3, cache)
    truth = table_of(stack.truth)
    perfect = measure(hold(truth, SMALL, stack), SMALL, stack)
    assert perfect["jaccard"] == 1
    assert perfect["efficiency"] == 100
    assert perfect["false_per_um2"] == 0
    nothing = measure(hold(Localizations.empty(), SMALL, stack), SMALL, stack)
    assert nothing["jaccard"] == 0
    assert np.isnan(nothing["rmse_nm"])


def test_errors_and_false_molecules_are_counted(cache: Path) -> None:
    stack = load(SMALL, 3, cache)
    truth = table_of(stack.truth)
    moved = truth.with_columns(x_nm=truth.x_nm + 3, y_nm=truth.y_nm - 4)
    middle = np.full(10, SMALL.size_nm / 2)
    extra = Localizations(frame=np.arange(10), x_nm=middle, y_nm=middle, photons=middle)
    scores = measure(hold(Localizations.concatenate([moved, extra]), SMALL, stack), SMALL, stack)
    assert scores["rmse_nm"] == pytest.approx(5, rel=0.02)
    area_um2 = ((SMALL.size_nm - 900) / 1000) ** 2
    assert scores["false_per_um2"] == pytest.approx(1 / area_um2, rel=0.1)


def test_molecules_out_of_focus_are_no_fault(cache: Path) -> None:
    hazy = ALL["haze"].replace(n_frames=6, side_px=40)
    stack = load(hazy, 1, cache)
    both = Localizations.concatenate([table_of(stack.truth), table_of(stack.haze)])
    scores = measure(hold(both, hazy, stack), hazy, stack)
    assert scores["precision"] == 1


def test_the_bound_of_a_gaussian_is_mortensens(cache: Path) -> None:
    one = CONDITIONS["unequal brightness"].replace(camera="ccd", background=100.0)
    sensor = one.sensor
    light = np.array([500.0, 5000.0])
    # Read noise counts as further light, and photons that are not detected as none.
    dark = (sensor.variance_e2(100.0) + sensor.e_per_adu**2 / 12) / sensor.quantum_efficiency
    expected = np.sqrt(2) * mortensen_precision(
        110, 100, light * sensor.quantum_efficiency, dark * sensor.quantum_efficiency
    )
    np.testing.assert_allclose(bound_lateral_nm(one, light, cache), expected, rtol=0.05)


def test_the_fitter_is_near_the_bound_on_lone_molecules(cache: Path) -> None:
    exact = SMALL.replace(optics=Gaussian(110), density=0.3, n_frames=25)
    stack = load(exact, 2, cache)
    found, threshold = fitted(exact, stack, cache)
    held = hold(found, exact, stack)
    scores = measure(held, exact, stack)
    light = held.truth["photons"][held.pairs.true][held.lone]
    bound_nm = np.sqrt(np.mean(bound_lateral_nm(exact, light, cache) ** 2))
    assert threshold >= 4
    assert scores["jaccard"] > 0.8
    assert len(light) > 30
    assert 0.8 < scores["lone_rmse_nm"] / bound_nm < 1.3


def row_with(condition: str, **scores: float) -> Row:
    one = ALL[condition]
    good = {
        "efficiency": 90.0, "jaccard": 0.97, "recall": 0.97, "precision": 1.0, "false_per_um2": 0.0,
        "lone_rmse_nm": 10.0,
    }  # fmt: skip
    return Row(
        condition, 1, one.trap, one.density_per_um2, one.density, one.stands_out,
        {**good, **scores}, 9.0, 95.0, good, 5.0, (), False, 0.0, good, good,
    )  # fmt: skip


def test_marks_are_reached_or_missed_by_a_share() -> None:
    assert all(mark.is_reached for mark in marks_of(row_with("sparse")))
    missed = [mark for mark in marks_of(row_with("sparse", jaccard=0.475)) if not mark.is_reached]
    assert [mark.demand for mark in missed] == ["Jaccard"]
    assert missed[0].miss_percent == pytest.approx(50)
    (worse,) = [m for m in marks_of(row_with("sparse", efficiency=70.0)) if not m.is_reached]
    assert worse.miss_percent == pytest.approx(20)
    (far,) = [m for m in marks_of(row_with("sparse", lone_rmse_nm=22.5)) if not m.is_reached]
    assert far.miss_percent == pytest.approx(50)
    (false,) = [m for m in marks_of(row_with("empty", false_per_um2=1.0)) if not m.is_reached]
    assert false.miss_percent == pytest.approx(99)
    everywhere = row_with("haze", recall=1.0, precision=0.01)
    assert {mark.miss_percent for mark in marks_of(everywhere)} == {0, 100}
    (blind,) = [m for m in marks_of(row_with("bead", recall=0.0)) if not m.is_reached]
    assert worst_of([worse, far, false, blind]) == ("bead", 100)


def test_a_run_that_is_refused_counts_as_nothing_found(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise ValueError("This cannot be.")

    monkeypatch.setattr(judging.ds, "reconstruct", refuse)
    verdict = judge_model(
        "dilated-loc:2d-100nm", [SMALL, ALL["empty"].replace(n_frames=4)], cache=cache
    )
    work, empty = verdict.rows
    assert (work.efficiency, work.said) == (0, ("This cannot be.",))
    assert empty.scores["false_per_um2"] == 0
    assert verdict.score == 0


@pytest.mark.parametrize("model", ["dilated-loc:2d", "deep-storm:2d"])
def test_models_for_any_microscope_keep_what_they_reach_where_only_the_pixel_size_is_stated(
    model: str, cache: Path
) -> None:
    few = [ALL[name].replace(n_frames=8, side_px=40) for name in QUICK]
    verdict = judge_model(model, few, camera="auto", cache=cache)
    rows = {row.condition: row for row in verdict.rows}
    assert not any(row.is_refused for row in verdict.rows)
    assert rows.pop("empty").scores["false_per_um2"] < 0.02
    assert rows["hot pixel"].scores["recall"] > 0.9 * rows["medium"].scores["recall"]
    assert rows["sparse"].scores["jaccard"] > 0.85
    assert all(row.efficiency > row.fitter["efficiency"] for row in rows.values())
    assert verdict.score > 70  # well below what each of them reaches


def test_frames_that_tell_too_little_to_adapt_are_judged_as_they_are(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    one_frame = SMALL.replace(n_frames=1)
    verdict = judge_model("dilated-loc:2d-100nm", [one_frame], adapt_minutes=0.01, cache=cache)
    assert verdict.rows[0].said[0].startswith("Not adapted: ")
    assert list(tmp_path.iterdir()) == []  # the person's own models and cameras are left alone


def test_a_verdict_becomes_a_page_and_a_picture(cache: Path, tmp_path: Path) -> None:
    tiny = ALL["empty"].replace(n_frames=4, side_px=32)
    verdict = judge_model("dilated-loc:2d-100nm", [tiny, SMALL], camera="true", cache=cache)
    plain = json.loads(json.dumps(verdict.to_dict(), allow_nan=False))
    assert plain["n_marks"] == len(verdict.marks) > 0
    draw([plain], tmp_path / "map.png")
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
    write([plain], "map.png", tmp_path / "page.md")
    page = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert "| sparse | 100 nm pixels, NA 1.4 at 660 nm" in page
    assert "dilated-loc:2d-100nm, camera stated" in page


def test_parts_come_to_the_verdict_of_the_whole() -> None:
    rows = [row_with("sparse", efficiency=80.0), row_with("wide spot"), row_with("empty")]
    whole, *parts = (
        verdict_of("a", some, camera="auto", cpu_seconds=len(some)).to_dict()
        for some in (rows, rows[:1], rows[1:])
    )
    assert merged([parts[0], parts[1]]) == [whole]
    assert merged([whole]) == [whole]


def test_sums_of_frames_are_judged_as_images(cache: Path) -> None:
    short = SUMS["sums"].replace(n_frames=60)
    row = judge_sums(short, 1, {"model": "drsn-storm", "camera": short.sensor.stated()}, cache)
    assert 0 < row.nmse_percent < 80
    assert 20 < row.true_fwhm_nm < 80
    assert row.fwhm_nm > row.true_fwhm_nm
    assert row.fitter_nmse_percent < 80
