"""Every PSF survives its file."""

from __future__ import annotations

import numpy as np
import pytest

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


def test_wrong_endings_and_contents_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"x.safetensors: a gaussian PSF is saved as a .yaml"):
        save_psf(GaussianPSF(), tmp_path / "x.safetensors")
    (tmp_path / "x.yaml").write_text("kind: gauss\n")
    with pytest.raises(ValueError, match=r"x.yaml: 'psf'.*gauss"):
        load_psf(tmp_path / "x.yaml")
    with pytest.raises(ValueError, match="there is no calibration file"):
        load_psf(tmp_path / "absent.safetensors")
