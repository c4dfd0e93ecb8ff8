"""Files of calibrated PSFs: our safetensors, and SMAP/DECODE cspline .mat."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_deepsmlm._boundary import reading
from napari_deepsmlm._files import atomic_write
from napari_deepsmlm._hdf5 import SIGNATURE, read_hdf5_arrays
from napari_deepsmlm.psf._mat5 import field, numbers, read_mat5

if TYPE_CHECKING:
    from pathlib import Path

Volume = np.ndarray[Any, Any]

FORMAT = "napari-deepsmlm calibrated PSF 1"
MAX_COEFFICIENTS = 200_000_000
MAX_POLYNOMIALS = 60_000_000  # a few times as many numbers are held while they are converted


class SplineVolume(NamedTuple):
    """Cubic B-spline coefficients of a PSF; knots are camera pixels."""

    coefficients: Volume
    """(C, Z + 2, S, S): coefficient 1 along z belongs to the first depth; the PSF's centre is
    the middle coefficient along y and x."""
    pixel_size_nm: float | None
    """Camera pixel, nm; None where the file does not say."""
    z_first_nm: float
    z_step_nm: float


def write_spline(path: Path, spline: SplineVolume) -> None:
    """Write coefficients as float32 with their grid in the header."""
    from safetensors.numpy import save

    grid = {name: getattr(spline, name) for name in ("pixel_size_nm", "z_first_nm", "z_step_nm")}
    tensors = {"coefficients": np.ascontiguousarray(spline.coefficients, np.float32)}
    with atomic_write(path) as file:
        file.write(save(tensors, {"format": FORMAT, "grid": json.dumps(grid)}))


def read_spline(path: Path) -> SplineVolume:
    """Read a calibration.

    Raises
    ------
    ValueError
        If there is no such file, or it is neither format, is damaged, or holds numbers that are
        no PSF.
    """
    if not path.is_file():
        raise ValueError(f"there is no calibration file {path}")
    with reading(path):
        spline = _read_mat(path) if path.suffix.lower() == ".mat" else _read_safetensors(path)
    c = spline.coefficients
    if c.ndim != 4 or min(c.shape) < 1 or c.shape[1] < 4 or c.shape[2] != c.shape[3]:
        raise ValueError(f"{path.name}: coefficients of shape {c.shape} are no PSF")
    if c.shape[2] % 2 == 0 or c.shape[2] < 7:
        raise ValueError(f"{path.name}: the PSF has no central pixel (side {c.shape[2] - 2})")
    if not np.isfinite(c).all():
        raise ValueError(f"{path.name}: the coefficients hold NaN or infinite values")
    if not (np.isfinite(spline.z_first_nm) and spline.z_step_nm > 0):
        raise ValueError(f"{path.name}: the z step must be above 0, found {spline.z_step_nm}")
    return spline


def _read_safetensors(path: Path) -> SplineVolume:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
            if header.get("format") != FORMAT:
                raise ValueError(f"{path.name}: not a calibrated PSF of this package")
            size = int(np.prod(file.get_slice("coefficients").get_shape(), dtype=np.float64))
            if size > MAX_COEFFICIENTS:
                raise ValueError(f"{path.name}: {size} coefficients are too many for a PSF")
            grid = json.loads(header["grid"])
            return SplineVolume(
                coefficients=file.get_tensor("coefficients"),
                pixel_size_nm=float(grid["pixel_size_nm"]),
                z_first_nm=float(grid["z_first_nm"]),
                z_step_nm=float(grid["z_step_nm"]),
            )
    except (SafetensorError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path.name}: not a readable calibration ({error})") from None


# -- SMAP and DECODE -----------------------------------------------------------------------


def _read_mat(path: Path) -> SplineVolume:
    """Read `cspline` (coeff, z0, dz) from a .mat of either generation.

    coeff (Y, X, Z, 64) holds one tricubic polynomial per voxel, the power of y running fastest,
    that of z slowest. z = (k - z0) dz as in SMAP's fitter, where k counts knots from 0.
    """
    try:
        with path.open("rb") as file:
            is_hdf5 = SIGNATURE in (file.read(len(SIGNATURE)), file.seek(512) and file.read(8))
        found = _mat73(path) if is_hdf5 else _mat5(path)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path.name}: not a readable SMAP calibration ({error})") from None
    coeff, z0, dz = found
    if coeff.size > MAX_POLYNOMIALS:
        raise ValueError(f"{path.name}: {coeff.size:,} coefficients are too many for a PSF")
    if coeff.ndim != 4 or coeff.shape[-1] != 64 or coeff.shape[0] != coeff.shape[1]:
        raise ValueError(f"{path.name}: cspline.coeff must be (n, n, Z, 64), found {coeff.shape}")
    return SplineVolume(
        coefficients=b_spline_from_polynomials(coeff)[None],
        pixel_size_nm=None,
        z_first_nm=-z0 * dz,
        z_step_nm=dz,
    )


def b_spline_from_polynomials(coeff: Volume) -> Volume:
    """Return the B-spline that equals a smooth field of tricubic polynomials.

    Parameters
    ----------
    coeff : (Y, X, Z, 64) polynomials on unit voxels, the power of y running fastest.

    Returns
    -------
    (Z + 3, Y + 3, X + 3) coefficients; where neighbouring polynomials disagree, their mean.
    """
    Y, X, Z, _ = coeff.shape
    powers = np.asarray(coeff, np.float64).reshape(Y, X, Z, 4, 4, 4)  # ..., z, x, y powers
    # Columns: powers of t of the four B-spline pieces on one interval.
    pieces = np.array([[1, 4, 1, 0], [-3, 0, 3, 0], [3, -6, 3, 0], [-1, 3, -3, 1]]) / 6
    inverse = np.linalg.inv(pieces)
    local = np.einsum("yxzkji,ck,bj,ai->zyxcab", powers, inverse, inverse, inverse)
    # local: (Z, Y, X, z tap, y tap, x tap): a is the y tap and b the x tap
    total = np.zeros((Z + 3, Y + 3, X + 3))
    count = np.zeros_like(total)
    for c, a, b in np.ndindex(4, 4, 4):
        where = np.s_[c : c + Z, a : a + Y, b : b + X]
        total[where] += local[:, :, :, c, a, b]
        count[where] += 1
    return total / count


def _mat73(path: Path) -> tuple[Volume, float, float]:
    coeff, z0, dz = read_hdf5_arrays(path, ("SXY/cspline", "cspline"), ("coeff", "z0", "dz"))
    # HDF5 holds MATLAB's axes in reverse order.
    return coeff.transpose(), _number(z0), _number(dz)


def _mat5(path: Path) -> tuple[Volume, float, float]:
    content = read_mat5(path, ("SXY", "cspline"))
    spline = field(content.get("SXY"), "cspline") or content.get("cspline")
    coeff, z0, dz = (field(spline, name) for name in ("coeff", "z0", "dz"))
    if coeff is None or z0 is None or dz is None:
        raise ValueError("it has no cspline with coeff, z0 and dz")
    return numbers(coeff), _number(numbers(z0)), _number(numbers(dz))


def _number(values: Volume) -> float:
    if not values.size:
        raise ValueError("z0 and dz must be numbers")
    return float(values.ravel()[0])
