"""Every PSF survives its file."""

from __future__ import annotations

import numpy as np
import pytest

from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.psf import CalibratedPSF, GaussianPSF, MultiplanePSF, PupilPSF, TabulatedPSF
from napari_deepsmlm.psf.files import load_psf, save_psf


@pytest.mark.parametrize(
    "psf",
    [
        GaussianPSF(),
        MultiplanePSF.voxelwise("voxelwise-code"),
        TabulatedPSF(psf=PupilPSF.preset("tetrapod-6um-measured")),
    ],
    ids=lambda psf: psf.kind,
)
def test_parametric_psfs_are_yaml(psf, tmp_path):
    save_psf(psf, tmp_path / "psf.yaml")
    assert load_psf(tmp_path / "psf.yaml") == psf


def test_measured_psfs_are_safetensors(tmp_path):
    measured = CalibratedPSF.from_volume(np.ones((5, 9, 9)), pixel_size_nm=98, z_step_nm=25)
    saved = save_psf(measured, tmp_path / "psf.safetensors")
    assert load_psf(tmp_path / "psf.safetensors") == saved
    assert saved.pixel_size_nm == 98


def test_a_calibration_is_found_beside_the_file_that_names_it(tmp_path, monkeypatch):
    measured = CalibratedPSF.from_volume(np.ones((5, 9, 9)), pixel_size_nm=100, z_step_nm=25)
    (tmp_path / "beads").mkdir()
    measured.save(tmp_path / "beads" / "psf.safetensors")
    config = tmp_path / "experiment.yaml"
    config.write_text(
        "psf: {kind: calibrated, file: beads/psf.safetensors}\nimage_px: [16, 16]\n"
        "simulation: {structure: {kind: uniform, z_nm: [-50, 50]}, margin_px: 0}\n"
    )
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    experiment = Experiment.from_file(config)
    assert load_psf(config) == experiment.psf == measured.save(tmp_path / "copy.safetensors")
    experiment.write_movie("out", 1)
    monkeypatch.chdir(tmp_path)
    assert Experiment.from_file("elsewhere/out/experiment.yaml") == experiment
    card = experiment.model_dump(mode="json")
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert Experiment.from_dict(card).psf == measured.save(tmp_path / "copy.safetensors")
    (tmp_path / "beads" / "psf.safetensors").unlink()
    with pytest.raises(ValueError, match=r"there is no calibration file .*beads"):
        Experiment.from_file(config)


def test_wrong_endings_and_contents_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"x.safetensors: a gaussian PSF is saved as a .yaml"):
        save_psf(GaussianPSF(), tmp_path / "x.safetensors")
    (tmp_path / "x.yaml").write_text("kind: gauss\n")
    with pytest.raises(ValueError, match=r"x.yaml: 'psf'.*gauss"):
        load_psf(tmp_path / "x.yaml")
    with pytest.raises(ValueError, match="there is no calibration file"):
        load_psf(tmp_path / "absent.safetensors")
