"""Calibrated PSFs: splines pass through their data, and other programs' files are read."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import torch
from scipy.interpolate import make_interp_spline
from scipy.io import savemat

from napari_deepsmlm.psf import AstigmaticPSF, CalibratedPSF, MultiplanePSF
from napari_deepsmlm.psf.calibrated_file import read_spline
from napari_deepsmlm.psf.splines import spline_coefficients, weighted_rows

N_Z, SIDE, DZ = 9, 21, 60.0


def volume() -> np.ndarray:
    """Images of an astigmatic spot at nine depths, centred: (Z, P, P)."""
    z = torch.arange(N_Z) * DZ - (N_Z - 1) / 2 * DZ
    xyz = torch.stack([torch.full_like(z, SIDE * 50.0)] * 2 + [z], 1)[:, None]
    light = AstigmaticPSF().render(xyz.double(), torch.ones(N_Z, 1).double(), (SIDE, SIDE))
    return light[:, 0].numpy()


def cspline(values: np.ndarray) -> np.ndarray:
    """SMAP's coefficients (Y, X, Z, 64) of the tricubic spline through (Z, Y, X) values."""

    def pieces(data: np.ndarray) -> np.ndarray:
        """Local polynomials along axis 0: (n, ...) -> (4, n - 1, ...)."""
        spline = make_interp_spline(np.arange(len(data)), data, k=3)
        powers = [spline.derivative(p)(np.arange(len(data) - 1)) for p in range(1, 4)]
        return np.stack([data[:-1], powers[0], powers[1] / 2, powers[2] / 6])

    along_z = pieces(values)  # (cz, z, y, x)
    along_y = pieces(along_z.transpose(2, 0, 1, 3))  # (cy, y, cz, z, x)
    along_x = pieces(along_y.transpose(4, 0, 1, 2, 3))  # (cx, x, cy, y, cz, z)
    # The power of y runs fastest, then x, then z.
    return along_x.transpose(3, 1, 5, 4, 0, 2).reshape(SIDE - 1, SIDE - 1, N_Z - 1, 64)


def write_mat(path, coeff: np.ndarray, *, is_hdf5: bool) -> None:
    if is_hdf5:
        with h5py.File(path, "w") as file:
            group = file.create_group("cspline")
            group["coeff"], group["z0"], group["dz"] = coeff.T, [[4.0]], [[DZ]]
    else:
        savemat(path, {"cspline": {"coeff": coeff, "z0": 4.0, "dz": DZ}})


def render(psf, x: float, y: float, z: float) -> torch.Tensor:
    place = torch.tensor([[[1050.0 + x, 1050.0 + y, z]]], dtype=torch.float64)
    return psf.render(place, torch.ones(1, 1).double(), (SIDE, SIDE))[0, 0]


def test_the_spline_passes_through_the_measured_images():
    psf = CalibratedPSF.from_volume(volume(), pixel_size_nm=100, z_step_nm=DZ)
    for k in (0, 3, N_Z - 1):
        image = torch.as_tensor(volume()[k] / volume()[k].sum())
        torch.testing.assert_close(render(psf, 0, 0, (k - 4) * DZ), image, atol=1e-9, rtol=0)


def test_between_the_samples_it_follows_the_true_psf():
    psf = CalibratedPSF.from_volume(volume(), pixel_size_nm=100, z_step_nm=DZ)
    for x, y, z in ((30, -45, 100), (-20, 10, -150), (49, 49, 31)):
        true = render(AstigmaticPSF(), x, y, z)
        assert (render(psf, x, y, z) - true).abs().max() < 0.02 * true.max()


@pytest.mark.parametrize("is_hdf5", [False, True], ids=["v5", "v7.3"])
def test_smap_csplines_are_read_exactly(tmp_path, is_hdf5):
    path = tmp_path / "bead_3dcal.mat"
    write_mat(path, cspline(volume()), is_hdf5=is_hdf5)
    psf = CalibratedPSF(file=str(path), pixel_size_nm=100)
    assert psf.depth_range_nm == (-4 * DZ, 4 * DZ)
    for k in (0, 4, 8):
        inner = slice(1, -1)
        measured = torch.as_tensor(volume()[k])[inner, inner]
        got = render(psf, 0, 0, (k - 4) * DZ)[inner, inner]
        torch.testing.assert_close(got, measured, atol=1e-9, rtol=0)
    true = render(AstigmaticPSF(), 30, -20, 100)
    assert (render(psf, 30, -20, 100) - true).abs().max() < 0.02 * true.max()


def test_a_spline_of_a_cubic_is_the_cubic():
    t = np.arange(7.0)
    c = spline_coefficients(t**3 - 2 * t, axes=(0,))
    np.testing.assert_allclose((c[:-2] + 4 * c[1:-1] + c[2:]) / 6, t**3 - 2 * t, atol=1e-9)
    halves = (c[:-3] + 23 * c[1:-2] + 23 * c[2:-1] + c[3:]) / 48
    middle = t[:-1] + 0.5
    np.testing.assert_allclose(halves, middle**3 - 2 * middle, atol=1e-9)


def test_weighted_rows_maps_over_a_batch():
    rows, index = torch.rand(6, 3), torch.randint(0, 6, (4, 2))
    weights = torch.rand(5, 4, 2)
    mapped = torch.func.vmap(lambda w: weighted_rows(rows, index, w))(weights)
    loop = torch.stack([weighted_rows(rows, index, w) for w in weights])
    torch.testing.assert_close(mapped, loop)


def test_planes_together_share_one_photon():
    planes = np.stack([volume(), 3 * volume()])
    psf = CalibratedPSF.from_volume(planes, pixel_size_nm=100, z_step_nm=DZ)
    place = torch.tensor([[[1050.0, 1050.0, 0.0]]])
    light = psf.render(place, torch.ones(1, 1), (SIDE, SIDE)).sum((0, 2, 3))
    torch.testing.assert_close(light, torch.tensor([0.25, 0.75]), atol=1e-4, rtol=0)


def test_a_file_in_planes_is_refused_inside_a_multiplane(tmp_path):
    planes = CalibratedPSF.from_volume(
        np.stack([volume(), volume()]), pixel_size_nm=100, z_step_nm=DZ
    )
    with pytest.raises(ValueError, match="the psf inside must show one plane"):
        MultiplanePSF(psf=planes.save(tmp_path / "two.safetensors"), plane_z_nm=(0, 10))


def test_wrong_volumes_are_refused():
    def message(values, step=DZ) -> str:
        with pytest.raises(ValueError, match=r"\.$") as caught:
            CalibratedPSF.from_volume(values, pixel_size_nm=100, z_step_nm=step)
        return str(caught.value)

    assert "at least 4 depths" in message(volume()[:3])
    assert "P odd" in message(volume()[:, :20, :20])
    assert "NaN" in message(np.where(volume() > 0.01, np.nan, volume()))
    assert "Image 2 of the PSF volume has no light" in message(
        volume() * (np.arange(N_Z) != 2)[:, None, None]
    )
    assert "z_step_nm must be above 0" in message(volume(), step=-1)


def test_wrong_files_are_refused_in_one_sentence(tmp_path):
    def message(name: str, **values) -> str:
        with pytest.raises(ValueError, match=name or "file") as caught:
            CalibratedPSF.from_dict({"file": str(tmp_path / name) if name else "", **values})
        return str(caught.value)

    assert "must name a calibration" in message("")
    assert "there is no calibration file" in message("absent.safetensors")
    for name in ("noise.safetensors", "noise.mat"):
        (tmp_path / name).write_bytes(bytes(range(256)) * 9)
        assert "not a readable" in message(name)
    write_mat(tmp_path / "shape.mat", np.zeros((4, 5, 6, 64)), is_hdf5=True)
    assert "must be (n, n, Z, 64)" in message("shape.mat")
    write_mat(tmp_path / "nan.mat", cspline(volume()) * np.nan, is_hdf5=False)
    assert "NaN" in message("nan.mat")
    CalibratedPSF.from_volume(volume(), pixel_size_nm=100, z_step_nm=DZ).save(
        tmp_path / "good.safetensors"
    )
    assert "was made with 100.0 nm" in message("good.safetensors", pixel_size_nm=160)
    whole = (tmp_path / "good.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[: len(whole) // 2])
    assert "not a readable calibration" in message("cut.safetensors")
    assert read_spline(tmp_path / "good.safetensors").pixel_size_nm == 100
