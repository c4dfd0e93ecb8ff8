"""Structures that move, bend and grow: where molecules are, and where they were or will be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.simulation import Movement

MIDDLE = (1600.0, 1600.0)
STRUCTURE = {
    **{"kind": "filaments", "bundles": (1, 1), "filaments_per_bundle": (1, 1)},
    **{"wave_nm": (0, 0), "tube_diameter_nm": 0, "tilt_degrees": 0, "bend_um": 1e6, "centred": 1},
}


def molecules(structure: Any = STRUCTURE, n_frames: int = 40, **movement: Any) -> Any:
    simulation = {
        **{"structure": structure, "density_per_um2": (1, 1), "movement": movement},
        **{"background": (5, 5), "margin_px": 2},
    }
    values = {"image_px": (32, 32), "simulation": simulation}
    experiment = Experiment.from_dict(values)
    return experiment.simulate(n_frames, seed=3).truth


def test_a_shift_moves_a_line_by_as_much_in_each_frame() -> None:
    truth = molecules(per_frame_nm=(4, -3, 0))
    x, y = truth.x_nm - 4 * truth.frame, truth.y_nm + 3 * truth.frame
    # at rest all lie on one straight line
    spread = np.linalg.eigvalsh(np.cov(x, y))
    assert spread[0] < 1 < spread[1]
    seen = np.linalg.eigvalsh(np.cov(truth.x_nm, truth.y_nm))
    assert seen[0] > 100


@pytest.mark.parametrize(
    "movement",
    [
        {"per_frame_nm": (4, -3, 1)},
        {"bend_nm": 8.0, "direction_degrees": 30},
        {"per_frame_nm": (4, -3, 1), "bend_nm": 8.0, "turn_frames": 7.5},
    ],
)
def test_the_truth_of_a_movie_is_brought_to_one_moment(movement: dict[str, Any]) -> None:
    chance = torch.Generator().manual_seed(0)
    rest = 3200 * torch.rand(50, 3, generator=chance, dtype=torch.float64)
    frame = torch.arange(50, dtype=torch.float64)
    moving = Movement(**movement)
    seen = moving.moved(rest, frame, MIDDLE).numpy()
    table = Localizations(frame=np.arange(50), x_nm=seen[:, 0], y_nm=seen[:, 1], z_nm=seen[:, 2])
    then = moving.at_time(table, 12.5, MIDDLE)
    expected = moving.moved(rest, torch.full((50,), 12.5), MIDDLE).numpy()
    for k, name in enumerate(("x_nm", "y_nm", "z_nm")):
        np.testing.assert_allclose(then[name], expected[:, k], atol=1e-6)


def test_what_bends_follows_a_parabola() -> None:
    moving = Movement(bend_nm=2.0)
    rest = torch.tensor([[1600.0, 1600, 0], [2600, 1600, 0], [3600, 1600, 0]])
    there = moving.moved(rest, torch.full((3,), 10.0), MIDDLE)
    assert (there - rest)[:, 1].tolist() == pytest.approx([0, 20, 80])


def test_what_grows_has_molecules_only_up_to_its_tip() -> None:
    growing = {"grow_nm": 30.0, "tip_nm": -800.0, "direction_degrees": 90}
    truth = molecules({"kind": "uniform"}, **growing)
    tip_nm = 1600 - 800 + 30 * truth.frame
    assert len(truth) > 100
    assert (truth.y_nm <= tip_nm + 1e-3).all()
    late = truth.y_nm[truth.frame > 30]
    assert late.max() > 1600  # it did grow
    early = Movement(**growing).at_time(truth, 0, MIDDLE)
    assert (early.y_nm <= 800).all()
    assert 0 < len(early) < len(truth)


def test_what_turns_back_is_where_it_was() -> None:
    moving = Movement(per_frame_nm=(5, 0, 0), turn_frames=10)
    rest = torch.zeros(5, 3)
    there = moving.moved(rest, torch.tensor([0.0, 10, 15, 20, 25]), MIDDLE)
    assert there[:, 0].tolist() == [0, 50, 25, 0, 25]


def test_a_movie_is_filled_with_what_moves_into_it() -> None:
    simulation = {"density_per_um2": (2, 2), "movement": {"per_frame_nm": (40, 0, 0)}}
    experiment = Experiment.from_dict({"image_px": (32, 32), "simulation": simulation})
    truth = experiment.simulate(60, seed=0).truth
    # a uniform field stays as dense on the side that it moves in from
    first = (truth.x_nm < 800) & (truth.frame > 30)
    others = (truth.x_nm >= 800) & (truth.frame > 30)
    assert first.sum() == pytest.approx(others.sum() / 3, rel=0.2)
