"""Every experiment that comes with the package runs, and says what it claims."""

from __future__ import annotations

import pytest

from napari_deepsmlm.experiment import Experiment

NAMES = Experiment.presets()


def test_the_experiments_of_the_field_are_there() -> None:
    assert set(NAMES) >= {
        "challenge-microtubules",
        "deep-storm-demo",
        "dilated-loc-2d",
        "drsn",
        "lines-50nm",
        "nuclear-pores",
        "siemens-star",
        "voxel-wise",
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_makes_a_movie(name: str) -> None:
    experiment = Experiment.from_preset(name)
    experiment = experiment.replace(image_px=(24, 24))
    stack, truth = experiment.simulate(n_frames=3, seed=0)
    assert stack.shape == (3, 1, 24, 24)
    assert stack.max() < 65535
    assert set(truth.frame) <= {0, 1, 2}


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_survives_a_file(name: str, tmp_path) -> None:
    experiment = Experiment.from_preset(name)
    experiment.to_file(tmp_path / "experiment.yaml")
    assert Experiment.from_file(tmp_path / "experiment.yaml") == experiment


def test_voxel_wise_has_fifty_molecules_per_frame() -> None:
    truth = Experiment.from_preset("voxel-wise").simulate(n_frames=40, seed=0).truth
    assert len(truth) / 40 == pytest.approx(50, abs=4 * (50 / 40) ** 0.5)
    assert -800 <= truth["z_nm"].min() < -700
    assert 700 < truth["z_nm"].max() <= 800


def test_an_unknown_preset_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"Unknown experiment 'x'\. Available: challenge-micro"):
        Experiment.from_preset("x")
    with pytest.raises(ValueError, match=r"Unknown experiment '\.\./presets/drsn'"):
        Experiment.from_preset("../presets/drsn")
