"""Every experiment that comes with the package runs, and says what it claims."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.psf import AstigmaticPSF, MultiplanePSF, PupilPSF, TabulatedPSF

NAMES = Experiment.presets()
GALLERY = Path(__file__).parents[1] / "docs" / "gallery.md"


def test_the_gallery_names_every_experiment() -> None:
    (said,) = re.findall(r"with one of (.*)\.$", GALLERY.read_text("utf-8"), re.MULTILINE)
    assert re.findall(r"`([^`]+)`", said) == list(NAMES)


def test_the_experiments_of_the_field_are_there() -> None:
    assert set(NAMES) >= {
        "astigmatic",
        "challenge-microtubules",
        "deep-storm-demo",
        "dilated-loc-2d",
        "drsn",
        "dilated-loc-2d-100nm",
        "dilated-loc-astigmatic-100nm",
        "drsn-2d-100nm",
        "lines-50nm",
        "nuclear-pores",
        "quad-plane",
        "saddle-2um",
        "siemens-star",
        "tetrapod-3um",
        "tetrapod-6um",
        "voxel-wise",
        "voxel-wise-paper",
    }


@pytest.mark.parametrize(
    ("name", "network"),
    [
        ("deep-storm-demo", "deep-storm"),
        ("drsn", "drsn-storm"),
        ("dilated-loc-2d", "dilated-loc"),
        ("dilated-loc-2d-three-frames", "dilated-loc"),
        ("astigmatic", "dilated-loc"),
        ("saddle-2um", "dilated-loc"),
        ("tetrapod-3um", "dilated-loc"),
        ("tetrapod-6um", "dilated-loc"),
        ("challenge-microtubules", "dilated-loc"),
        ("voxel-wise", "voxel-regression"),
        ("voxel-wise-paper", "voxel-regression"),
    ],
)
def test_an_experiment_named_after_a_paper_trains_its_network(name: str, network: str) -> None:
    experiment = Experiment.from_preset(name)
    model = experiment.build_model()
    assert model.name == network
    assert model.n_planes == experiment.psf.n_planes
    z_nm = experiment.psf.depth_range_nm
    if model.is_3d and network == "dilated-loc":
        assert model.config.z_max_nm > z_nm[1]


def test_three_frames_at_once_are_all_that_their_preset_changes() -> None:
    one, three = map(Experiment.from_preset, ("dilated-loc-2d", "dilated-loc-2d-three-frames"))
    assert (one.build_model().context, three.build_model().context) == (0, 1)
    assert three.replace(model=one.model) == one


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_makes_a_movie(name: str) -> None:
    experiment = Experiment.from_preset(name)
    experiment = experiment.replace(image_px=(24, 24))
    stack, truth = experiment.simulate(n_frames=3, seed=0)
    assert stack.shape == (3, experiment.psf.n_planes, 24, 24)
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


def test_presets_use_the_psfs_that_they_are_named_after() -> None:
    assert Experiment.from_preset("voxel-wise").psf == MultiplanePSF.voxelwise("voxelwise-paper")
    assert Experiment.from_preset("challenge-microtubules").psf == AstigmaticPSF()
    for name, pupil in (
        ("astigmatic", "astigmatic"),
        ("saddle-2um", "saddle-2um"),
        ("tetrapod-3um", "tetrapod-3um"),
        ("tetrapod-6um", "tetrapod-6um"),
    ):
        psf = Experiment.from_preset(name).psf
        assert isinstance(psf, TabulatedPSF)
        theirs = {(a.n, a.m): a.rms_nm for a in PupilPSF.preset(pupil).aberrations if a.rms_nm}
        mine = {(a.n, a.m): a.rms_nm for a in psf.psf.aberrations}
        assert mine == pytest.approx(theirs, rel=1e-3)
        assert psf.depth_range_nm == PupilPSF.preset(pupil).depth_range_nm


def test_an_unknown_preset_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"Unknown experiment 'x'\. Available: astigmatic, chal"):
        Experiment.from_preset("x")
    with pytest.raises(ValueError, match=r"Unknown experiment '\.\./presets/drsn'"):
        Experiment.from_preset("../presets/drsn")
