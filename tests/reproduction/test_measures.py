"""What figures measure, against cases counted by hand."""

from __future__ import annotations

import ast
import json
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.profiles import PixelGrid, fit_profile, line_profile
from napari_deepsmlm.reproduction import Bench, find_figures, read_outcome, reproduce
from napari_deepsmlm.reproduction.deep_storm.accuracy import densest
from napari_deepsmlm.reproduction.deep_storm.lines import as_two, dip_of
from napari_deepsmlm.reproduction.dilated_loc.bound import AtDepth, inner_rows
from napari_deepsmlm.reproduction.fingerprint import _words
from napari_deepsmlm.reproduction.voxel_wise._frames import nearest_nm
from napari_deepsmlm.reproduction.voxel_wise.adjacency import adjacency
from napari_deepsmlm.reproduction.voxel_wise.movie import beads_of, masked

if TYPE_CHECKING:
    from pathlib import Path


def voxels(*places: tuple[int, int, int, int]) -> np.ndarray:
    """(frame, plane, row, column) of those that are set."""
    array = np.zeros((2, 4, 12, 12), bool)
    for place in places:
        array[place] = True
    return array


def test_wrong_voxels_are_sorted_by_what_lies_beside_them() -> None:
    true = voxels((0, 1, 2, 2), (0, 1, 8, 8), (0, 1, 5, 9), (1, 0, 3, 3), (1, 3, 10, 10))
    said = voxels(
        (0, 1, 2, 2),  # right
        (0, 1, 2, 3),  # beside it: otherwise adjacent
        (0, 2, 9, 9),  # diagonally beside the missed one at (0, 1, 8, 8): a pair
        (1, 3, 0, 0),  # alone
        (0, 1, 5, 8), (0, 1, 5, 10),  # both beside the missed one at (0, 1, 5, 9): one pair
    )  # fmt: skip
    found = adjacency(said, true)
    assert found.false_positive == (2, 2, 1)
    assert found.false_negative == (2, 0, 2)


def test_voxels_of_two_frames_are_not_adjacent() -> None:
    found = adjacency(voxels((0, 1, 5, 5)), voxels((1, 1, 5, 5)))
    assert found.false_positive == (0, 0, 1)
    assert found.false_negative == (0, 0, 1)


def test_a_molecule_far_from_all_true_ones_is_no_error_of_a_position() -> None:
    truth = Localizations(frame=[0, 1], x_nm=[1000.0, 9000.0], y_nm=[1000.0] * 2, z_nm=[0.0] * 2)
    found = Localizations(
        frame=[0, 0, 0, 1],
        x_nm=[1010.0, 1300.0, 1000.0, 1000.0],  # near; beside; far along z; in another frame
        y_nm=[980.0, 1000.0, 1000.0, 1000.0],
        z_nm=[30.0, 0.0, 600.0, 0.0],
    )
    np.testing.assert_allclose(nearest_nm(found, truth), [[10, -20, 30]])


def at_depth(*rmse_nm: float) -> AtDepth:
    return AtDepth(1.0, 0.0, np.array(rmse_nm), np.array([3.0, 4.0, 10.0]))


def test_the_worst_depth_counts_and_one_where_nothing_is_found_is_worse() -> None:
    depths = np.array([-300.0, 0.0, 300.0])
    seen = [at_depth(3, 4, 10), at_depth(6, 8, 11), at_depth(3.3, 4.4, 12)]
    ratios = np.array([one.ratios for one in seen])
    assert ratios == pytest.approx(np.array([[1, 1], [2, 1.1], [1.1, 1.2]]))
    rows = {row.quantity: row for row in inner_rows("x", depths, ratios, "a model")}
    lateral, axial = (rows[f"x: RMSE / bound, {axis}, worst"] for axis in ("lateral", "axial"))
    assert (lateral.ours, axial.ours) == pytest.approx((2, 1.2))
    assert "at 0 nm" in lateral.why
    assert "missed" in lateral.why
    assert "at 300 nm" in axial.why
    assert "reached" in axial.why
    assert rows["x: share of inner depths within the mark"].ours == pytest.approx(2 / 3)
    ratios[2] = np.nan
    rows = {row.quantity: row for row in inner_rows("x", depths, ratios, "a model")}
    lost = rows["x: RMSE / bound, axial, worst"]
    assert math.isnan(lost.ours)
    assert "at 300 nm" in lost.why
    assert "missed" in lost.why
    assert rows["x: share of inner depths within the mark"].ours == pytest.approx(1 / 3)


def test_a_fingerprint_is_of_words_and_numbers_only() -> None:
    def words(code: str) -> list[str]:
        return sorted(_words(ast.parse(code)))

    steps = '"""What it does."""\nn = pick(tiny=1, small=200)\nrow = f"{n} steps"\n'
    tidy = 'row = f"{pick(tiny=2, small=200)} steps"\n'
    assert words(steps) == words(tidy) == ["200", "steps"]
    assert words(steps) != words(steps.replace("200", "300"))
    assert words(steps) != words(steps + 'more = Row("another row")')


@pytest.mark.parametrize("distance_sigma", [2.5, 4.0])
def test_the_dip_between_two_lines_is_that_of_two_gaussians(distance_sigma: float) -> None:
    sigma, distance = 10.0, 10.0 * distance_sigma
    x = np.arange(201) - 100.0
    shape = sum(np.exp(-0.5 * ((x - sign * distance / 2) / sigma) ** 2) for sign in (-1, 1))
    image = np.tile(shape, (9, 1))
    grid = PixelGrid((0.0, 0.0), (1.0, 0.0), (0.0, 1.0))
    fit = fit_profile(line_profile(image, ((4, 0), (4, 200)), grid=grid), "two-gauss")
    peak = 1 + math.exp(-0.5 * distance_sigma**2)
    middle = 2 * math.exp(-0.5 * (distance_sigma / 2) ** 2)
    assert dip_of(fit) == pytest.approx(1 - middle / peak, abs=0.01)


def test_a_fit_that_found_another_distance_has_not_resolved_two_lines() -> None:
    x_nm = np.arange(-500.0, 501, 5)
    grid = PixelGrid((0.0, 0.0), (5.0, 0.0), (0.0, 5.0))
    profile = sum(np.exp(-0.5 * ((x_nm - at) / 20) ** 2) for at in (-50, 50))
    image = np.tile(profile, (9, 1))
    fit = fit_profile(line_profile(image, ((20, 0), (20, 1000)), grid=grid), "two-gauss")
    distance, dip = as_two(fit, 100)
    assert distance == pytest.approx(100, abs=2)
    assert dip > 0.2
    assert all(math.isnan(value) for value in as_two(fit, 50))
    assert all(math.isnan(value) for value in as_two(None, 50))


def test_the_densest_that_works_lies_between_what_was_measured() -> None:
    assert densest([2, 4, 6, 8], [0.9, 0.8, 0.6, 0.2]) == pytest.approx(5.0)
    assert math.isnan(densest([2, 4], [0.5, 0.4]))


def test_beads_are_what_stays_and_are_replaced_by_background() -> None:
    rng = np.random.default_rng(0)
    stack = rng.poisson(20, (40, 4, 32, 32)).astype(np.uint16)
    stack[:, 1, 10, 12] += 5000
    stack[3, 0, 28, 28] += 9000  # a molecule that blinks once
    is_bead = beads_of(stack)
    assert is_bead[10, 12]
    assert not is_bead[28, 28]
    clean = masked(stack, is_bead)
    assert clean[:, 1, 10, 12].max() < 60
    assert clean[3, 0, 28, 28] > 9000


def test_a_name_that_is_none_is_answered_with_what_there_is() -> None:
    with pytest.raises(ValueError, match="Did you mean deep-storm:line-width"):
        find_figures(["deep-storm:line-wide"])
    with pytest.raises(ValueError, match="Available: deep-storm, dilated-loc"):
        find_figures(["xyz"])
    assert len(find_figures(["voxel-wise"])) == 7
    assert len(find_figures([])) == 25


def test_a_bench_that_is_stopped_leaves_nothing_half_made(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "models", "tiny", "cpu")
    bench.stop()
    events = list(reproduce(find_figures(["voxel-wise:speed"]), tmp_path, bench))
    assert len(events) == 1
    assert not list(tmp_path.glob("*.json"))


def test_a_result_of_another_kind_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"rows": [{"a": 1}]}), encoding="utf-8")
    with pytest.raises(ValueError, match=r"x\.json: not a result of `deepsmlm reproduce`"):
        read_outcome(path)
