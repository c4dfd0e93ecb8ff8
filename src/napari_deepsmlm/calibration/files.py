"""Calibration of a microscope: bead files in, a PSF file with its picture and report out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_deepsmlm._files import atomic_write, refuse_to_replace
from napari_deepsmlm.calibration.calibrate import calibrate
from napari_deepsmlm.calibration.plot import plot_calibration
from napari_deepsmlm.io import open_frames
from napari_deepsmlm.psf import MultiplanePSF, PupilPSF
from napari_deepsmlm.psf.files import load_psf, save_psf
from napari_deepsmlm.psf.registration import PlaneRegistration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_deepsmlm.calibration.calibrate import Calibration
    from napari_deepsmlm.io import FrameSource

    Array = np.ndarray[Any, Any]


def calibrate_files(
    beads: Sequence[str | Path],
    out: str | Path,
    *,
    z_step_nm: float,
    pixel_size_nm: float | None = None,
    n_planes: int = 1,
    window_px: int = 25,
    optics: str | None = None,
    channel: int | str | None = None,
    axes: str | None = None,
) -> dict[str, Any]:
    """Write a PSF made from bead z-stacks and return its report.

    Beside `out` lie the fit as a PSF of a few numbers (.yaml), a picture of measured and
    fitted widths and images (.png), and for several planes the maps of the first plane to each
    (.planes.yaml), which `open_frames` and a reconstruction take as `registration`.
    Either PSF serves in an experiment file, the measured one as
    `psf: {kind: calibrated, file: beads.safetensors}` in a file of the same folder.

    Parameters
    ----------
    beads : TIFF or other frames, (Z, H, W) or (Z, C, H, W) with C planes. Each file is a stack
        with beads of its own; beads of all stacks are averaged.
    out : file ending in .safetensors.
    pixel_size_nm : camera pixel in the sample; by default what the first file says.
    n_planes : if above 1, each file is one plane, and every `n_planes` files in the order given
        are one stack.
    window_px : side of the PSF, odd.
    optics : preset of :class:`PupilPSF` or a PSF file: fit Zernike coefficients of this pupil.
    channel, axes : of each file, as :func:`napari_deepsmlm.io.open_frames` takes them.

    Raises
    ------
    ValueError, OSError
        One sentence that says which file or number is wrong and what to do.
    """
    out = _safetensors(out)
    pupil = None if optics is None else _pupil(optics)
    how = {"channel": channel, "axes": axes}
    stacks, stated_nm, remarks = _read(list(map(Path, beads)), n_planes, z_step_nm, how)
    pixel_nm = pixel_size_nm or stated_nm
    if pixel_nm is None:
        raise ValueError(f"{Path(beads[0]).name}: states no pixel size; give --pixel-size in nm.")
    refuse_to_replace(*_outputs(out), inputs=map(Path, beads))
    result = calibrate(stacks, z_step_nm, pixel_nm, window_px=window_px, optics=pupil)
    report = save_calibration(result, out)
    return {**report, "warnings": [*remarks, *report["warnings"]]}


def save_calibration(result: Calibration, out: str | Path) -> dict[str, Any]:
    """Write a calibration as :func:`calibrate_files` does, and return its report.

    Raises
    ------
    ValueError, OSError
        If `out` does not end in .safetensors, or a file cannot be written.
    """
    out = _safetensors(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    refuse_to_replace(*_outputs(out))
    files = {"psf": out, "fit": out.with_suffix(".yaml"), "picture": out.with_suffix(".png")}
    save_psf(result.psf, files["psf"])
    save_psf(result.fitted, files["fit"])
    if len(result.planes) > 1:
        files["planes"] = out.with_suffix(".planes.yaml")
        registration = PlaneRegistration(
            pixel_size_nm=result.psf.pixel_size_nm, planes=result.planes
        )
        registration.to_file(files["planes"])
    figure = plot_calibration(result)
    with atomic_write(files["picture"]) as file:
        figure.savefig(file, format="png", dpi=100)
    paths = {name: str(path) for name, path in files.items()}
    return {**calibration_report(result), "files": paths}


def _outputs(out: Path) -> tuple[Path, list[Path]]:
    """Return the file that was named, and those that are written beside it."""
    return out, [out.with_suffix(ending) for ending in (".yaml", ".png", ".planes.yaml")]


def _safetensors(out: str | Path) -> Path:
    out = Path(out)
    if out.suffix.lower() != ".safetensors":
        raise ValueError(f"--out must end in .safetensors, got '{out.name}'.")
    return out


def _pupil(optics: str) -> PupilPSF:
    psf = load_psf(optics) if Path(optics).is_file() else PupilPSF.preset(optics)
    if not isinstance(psf, PupilPSF):
        raise ValueError(
            f"{optics}: Zernike coefficients need a pupil PSF, found a {psf.kind} one."
        )
    return psf


def _read(
    paths: list[Path], n_planes: int, z_step_nm: float, how: dict[str, Any]
) -> tuple[list[Array], float | None, list[str]]:
    """Stacks (C, Z, H, W), the pixel size that the first file states, nm, and remarks."""
    if len(paths) % n_planes:
        raise ValueError(
            f"{len(paths)} files are no multiple of {n_planes} planes: "
            "give the files of all planes of a stack one after the other."
        )
    pixel_nm, volumes, remarks = None, [], []
    for path in paths:
        with open_frames(path, **how) as source:
            pixel_nm = pixel_nm or source.pixel_size_nm
            volumes.append(bead_volume(source))
            remarks += [f"{path.name}: {remark}" for remark in bead_remarks(source, z_step_nm)]
    if n_planes == 1:
        return volumes, pixel_nm, remarks
    for path, volume in zip(paths, volumes, strict=True):
        if volume.shape != (1, *volumes[0].shape[1:]):
            raise ValueError(
                f"{path.name}: (planes, depths, height, width) are {volume.shape}, but each of "
                f"the files of a plane must have {(1, *volumes[0].shape[1:])}."
            )
    starts = range(0, len(volumes), n_planes)
    return [np.concatenate(volumes[i : i + n_planes]) for i in starts], pixel_nm, remarks


def bead_volume(source: FrameSource) -> Array:
    """Return a bead stack (C, Z, H, W): depth is Z where that is named; repeats are averaged."""
    frames = source.read(0, source.n_frames)  # (T, C, H, W)
    layout = source.layout
    if "Z" not in layout.axes:
        return frames.swapaxes(0, 1)
    mean: Array = frames.mean(axis=0, dtype=float).reshape(*layout.sizes, *frames.shape[-2:])
    mean = np.moveaxis(mean, layout.axes.index("Z"), 0)
    volume: Array = mean.reshape(len(mean), -1, *frames.shape[-2:]).swapaxes(0, 1)
    return volume


def bead_remarks(source: FrameSource, z_step_nm: float) -> list[str]:
    """Return what a person should know of how a bead stack was read."""
    remarks = source.layout.colours_together("taken for focal planes")
    stated_nm = source.z_step_nm
    if "Z" in source.layout.axes and source.n_frames > 1:
        n_depths = source.layout.sizes[source.layout.axes.index("Z")]
        remarks.append(f"the {source.n_frames} frames at each of {n_depths} depths were averaged.")
    if stated_nm is not None and abs(stated_nm / z_step_nm - 1) > 0.02:
        remarks.append(
            f"the file says that its images are {stated_nm:g} nm apart, and {z_step_nm:g} nm were "
            "given; those given were used."
        )
    return remarks


def calibration_report(result: Calibration) -> dict[str, Any]:
    """Return the numbers of a calibration as the command line prints them."""
    gaussian = result.gaussian
    shifts = gaussian.shift_nm if isinstance(gaussian, MultiplanePSF) else ((0.0, 0.0),)
    z_first, z_last = result.psf.depth_range_nm
    zernike = result.zernike
    return {
        "n_beads": result.n_beads,
        "n_planes": result.psf.n_planes,
        "pixel_size_nm": result.psf.pixel_size_nm,
        "z_range_nm": [z_first, z_last],
        "planes": [
            {
                "sigma_x_nm": curve.x.sigma_nm,
                "sigma_y_nm": curve.y.sigma_nm,
                "focus_x_nm": curve.x.focus_nm,
                "focus_y_nm": curve.y.focus_nm,
                "shift_nm": list(shift),
                "matrix": [list(row) for row in plane.matrix],
            }
            for curve, plane, shift in zip(result.curves, result.planes, shifts, strict=True)
        ],
        "zernike_nm": None
        if zernike is None
        else {f"{mode.n},{mode.m}": mode.rms_nm for mode in zernike.psf.aberrations},
        "zernike_residual": None if zernike is None else zernike.residual,
        "warnings": list(result.warnings),
    }
