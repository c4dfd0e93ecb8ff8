"""Linking: molecules of the simulator's blinking are counted, and their positions are as sure."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_deepsmlm.linking import LinkOptions, link, nena, pairs, without_duplicates
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.simulation.blinking import Exponential, FourState, shares

N_FRAMES = 400


def blinking(
    law: Exponential | FourState, *, per_frame: float = 4.0, sigma_nm: float = 10.0, seed: int = 0
) -> Localizations:
    """Return a table with the true molecule of each row."""
    generator = torch.Generator().manual_seed(seed)
    rng = np.random.default_rng(seed)
    times = law.born(torch.full((1, N_FRAMES), per_frame), generator)
    light = shares(times.start, times.stop, N_FRAMES)[0].numpy()
    frame, molecule = np.nonzero(light > 0.2)
    n = light.shape[1]
    x, y = rng.uniform(0, 40_000, (2, n))
    sigma = rng.uniform(0.7, 1.3, len(frame)) * sigma_nm
    return Localizations(
        frame=frame,
        x_nm=x[molecule] + rng.normal(size=len(frame)) * sigma,
        y_nm=y[molecule] + rng.normal(size=len(frame)) * sigma,
        photons=light[frame, molecule] * 1000,
        uncertainty_x_nm=sigma,
        uncertainty_y_nm=sigma,
        molecule=molecule,
        true_x_nm=x[molecule],
    )


def test_molecules_are_counted_and_their_positions_are_as_sure_as_said() -> None:
    table = blinking(Exponential(on_frames=4.0))
    found = link(table)
    truth = len(np.unique(table["molecule"]))
    assert abs(len(found.table) - truth) < 0.02 * truth
    error = (found.table.x_nm - found.table["true_x_nm"]) / found.table["uncertainty_x_nm"]
    assert abs(error.std() - 1) < 0.05
    assert found.table["photons"].sum() == pytest.approx(table["photons"].sum())
    assert found.table["detections"].sum() == len(table)
    assert found.nena_nm == pytest.approx(10, abs=1)


def test_dark_frames_are_proposed_where_molecules_come_back() -> None:
    table = blinking(FourState(on_frames=3.0, dark_frames=4.0, visits=3.0))
    truth = len(np.unique(table["molecule"]))
    found = link(table)
    assert found.dark_frames >= 5
    assert abs(len(found.table) - truth) < 0.1 * truth
    hasty = link(table, LinkOptions(dark_frames=0))
    assert len(hasty.table) > 1.5 * truth
    assert hasty.repeated is not None
    assert hasty.repeated > 0.2
    assert any("counted more than once" in remark for remark in hasty.remarks)


def test_two_measurements_of_one_molecule_are_weighted_axis_by_axis() -> None:
    table = Localizations(
        frame=[0, 1],
        x_nm=[0.0, 10.0],
        y_nm=[0.0, 10.0],
        z_nm=[0.0, 10.0],
        photons=[100.0, 300.0],
        probability=[0.4, 0.9],
        uncertainty_x_nm=[1.0, 2.0],
        uncertainty_y_nm=[2.0, 1.0],
        uncertainty_z_nm=[3.0, 3.0],
    )
    one = link(table, LinkOptions(distance_nm=50, dark_frames=0)).table
    assert len(one) == 1
    assert (one.x_nm[0], one.y_nm[0], one["z_nm"][0]) == pytest.approx((2.0, 8.0, 5.0))
    assert one["uncertainty_x_nm"][0] == pytest.approx(1 / np.sqrt(1 + 1 / 4))
    assert one["uncertainty_z_nm"][0] == pytest.approx(3 / np.sqrt(2))
    assert (one["photons"][0], one["probability"][0]) == (400, 0.9)
    assert (one.frame[0], one["last_frame"][0], one["detections"][0]) == (0, 1, 2)


def test_a_row_has_one_successor_the_soonest_and_then_the_nearest() -> None:
    table = Localizations(frame=[0, 1, 1, 2], x_nm=[0.0, 5.0, 2.0, 2.0], y_nm=np.zeros(4))
    found = link(table, LinkOptions(distance_nm=20, dark_frames=2)).table
    assert sorted(found["detections"].tolist()) == [1, 3]
    assert found.x_nm[found["detections"] == 1] == 5.0


def test_linking_again_links_no_more() -> None:
    table = blinking(Exponential(on_frames=4.0), seed=1)
    options = LinkOptions(distance_nm=50, dark_frames=20)
    once = link(table, options).table
    assert len(link(once, LinkOptions(distance_nm=40, dark_frames=0)).table) > 0.97 * len(once)


def test_a_molecule_found_twice_in_a_frame_stays_once() -> None:
    table = Localizations(
        frame=[0, 0, 0, 1],
        x_nm=[0.0, 10.0, 200.0, 0.0],
        y_nm=np.zeros(4),
        probability=[0.5, 0.8, 0.9, 0.7],
    )
    kept = without_duplicates(table, 30)
    assert kept.x_nm.tolist() == [10.0, 200.0, 0.0]


def test_precision_is_not_made_up_where_nothing_stays_on() -> None:
    rng = np.random.default_rng(0)
    table = Localizations(
        frame=np.arange(3000), x_nm=rng.uniform(0, 4e4, 3000), y_nm=rng.uniform(0, 4e4, 3000)
    )
    assert nena(table) is None
    assert any("Too few molecules" in remark for remark in link(table).remarks)


def test_an_empty_table_stays_one() -> None:
    found = link(Localizations.empty("photons"))
    assert len(found.table) == 0
    assert found.remarks == ()


# -- pairs -----------------------------------------------------------------------------------


@pytest.mark.parametrize("max_gap", [1, 3, pairs.MAX_GAP_OF_CELLS])
@pytest.mark.parametrize("quantum_nm", [0.0, 10.0])
@pytest.mark.parametrize("is_3d", [False, True])
def test_both_ways_find_the_same_pairs(
    monkeypatch: pytest.MonkeyPatch, max_gap: int, quantum_nm: float, is_3d: bool
) -> None:
    chance = np.random.default_rng(max_gap)
    n = 4000
    xyz = chance.uniform(-3000, 3000, (3, n))
    if quantum_nm:  # many lie on the borders of squares, and just as far apart
        xyz = np.round(xyz / quantum_nm) * quantum_nm
    z = {"z_nm": xyz[2] / 10} if is_3d else {}
    table = Localizations(frame=chance.integers(7, 40, n), x_nm=xyz[0], y_nm=xyz[1], **z)

    def found() -> set[tuple[int, int, float]]:
        first, second, apart = pairs.near_pairs(table, 120.0, max_gap, z_scale=0.4)
        assert (table.frame[second] - table.frame[first] >= 1).all()
        made = set(zip(first.tolist(), second.tolist(), apart.tolist(), strict=True))
        assert len(made) == len(first), "each once"
        return made

    by_squares = found()
    assert len(by_squares) > 50
    monkeypatch.setattr(pairs, "MAX_GAP_OF_CELLS", 0)
    assert found() == by_squares


def test_pairs_far_from_each_other_are_found_where_squares_are_too_many() -> None:
    x = np.array([0.0, 1.0, 9e8, 9e8 + 1])
    table = Localizations(frame=[0, 1, 9_000_000, 9_000_001], x_nm=x, y_nm=x)
    first, second, _ = pairs.near_pairs(table, 2.0, 1)
    assert sorted(zip(first.tolist(), second.tolist(), strict=True)) == [(0, 1), (2, 3)]
    none = pairs.near_pairs(table[:0], 2.0, 1)
    assert [len(part) for part in none] == [0, 0, 0]
