"""Live calibration: beads found, a PSF made of them, and its files, each in another thread."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field, field_validator

from napari_deepsmlm._base import FrozenModel
from napari_deepsmlm._words import counted
from napari_deepsmlm.plugin.library.loading import load_torch_beside_python

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Generator, Sequence
    from pathlib import Path

    from napari_deepsmlm.calibration.calibrate import Calibration

    Array = np.ndarray[Any, Any]
    Volumes = Callable[[], list[Array]]


MEASURED, WIDTHS, PUPIL = "measured", "widths", "pupil"
KINDS = {
    MEASURED: "as measured, cubic splines",
    WIDTHS: "Gaussian, widths through z",
    PUPIL: "Zernike pupil",
}
VERDICTS = {
    5.0: "good, about what noise leaves",
    15.0: "fair, look for structure in the row of the rest",
}
POOR = "poor, choose another PSF or other beads"
"""What a rest below so many percent means, and one that is larger."""


class BeadOptions(FrozenModel):
    """How a bead stack was recorded, and how much of it a PSF takes."""

    z_step_nm: float = Field(50.0, gt=0, le=1000, description="Distance between two images.")
    pixel_size_nm: float = Field(
        100.0, ge=1, le=10_000, description="Camera pixel in the sample plane."
    )
    window_px: int = Field(
        25,
        ge=7,
        le=201,
        description="Side of the PSF, an odd number. Beads must be further from each other than "
        "half of it. Above 31 for engineered PSFs with lobes.",
    )

    @field_validator("window_px")
    @classmethod
    def _is_odd(cls, window_px: int) -> int:
        if window_px % 2 == 0:
            raise ValueError("the window must be an odd number of pixels, so that it has a middle")
        return window_px


@dataclass(frozen=True)
class CalibrationKit:
    """What the panel offers."""

    cameras: tuple[str, ...]
    pupils: tuple[str, ...]


@dataclass(frozen=True)
class Doing:
    """What is under way."""

    words: str


@dataclass(frozen=True)
class BeadsFound:
    """Beads of each stack, (N, 2) y, x in pixels, and why other spots are none."""

    places: list[Array]
    refused: tuple[str, ...]


@dataclass(frozen=True)
class Calibrated:
    """A calibration, what the chosen kind of PSF says of the images, and its numbers."""

    result: Calibration
    kind: str
    """One of `KINDS`."""
    fitted: Array
    """(Z, P, P) images of the first plane as that kind has them."""
    report: dict[str, Any]


@dataclass(frozen=True)
class Saved:
    """The files that were written."""

    files: dict[str, str]


def load_calibration_kit(stopping: threading.Event) -> Generator[CalibrationKit, None, None]:
    """Import what calibrates and draws."""
    load_torch_beside_python()
    from napari_deepsmlm.camera import camera_presets
    from napari_deepsmlm.psf.pupil_presets import PRESETS

    import_module("napari_deepsmlm.calibration.files")
    import_module("pyqtgraph")
    yield CalibrationKit(tuple(camera_presets()), tuple(PRESETS))


def find_live(
    volumes: Volumes, window_px: int, stopping: threading.Event
) -> Generator[Doing | BeadsFound, None, None]:
    """Look for beads in each stack."""
    from napari_deepsmlm.calibration.calibrate import search_beads

    yield Doing("Reading the images")
    places, refused = [], []
    for stack in volumes():
        if stopping.is_set():
            return
        yield Doing("Looking for beads")
        search = search_beads(stack, window_px=window_px)
        found = [(bead.y_px, bead.x_px) for bead in search.beads]
        places.append(np.array(found, float).reshape(-1, 2))
        refused += search.refused
    yield BeadsFound(places, tuple(refused))


def calibrate_live(
    volumes: Volumes,
    options: BeadOptions,
    kind: str,
    pupil: str | None,
    camera: Any,
    keep: Sequence[Array | None],
    stopping: threading.Event,
) -> Generator[Doing | Calibrated, None, None]:
    """Make a PSF, step by step.

    Parameters
    ----------
    kind : of the PSF that is wanted, one of `KINDS`.
    pupil : preset whose Zernike coefficients are fitted; none if None.
    camera : preset, or fields of a camera: the images become photons; as they are if None.
    keep : see :func:`napari_deepsmlm.calibration.calibrate.calibrate`.
    """
    from napari_deepsmlm.calibration.calibrate import calibration_steps
    from napari_deepsmlm.calibration.files import calibration_report
    from napari_deepsmlm.calibration.plot import fitted_images
    from napari_deepsmlm.psf import PupilPSF

    def keep_on() -> None:
        if stopping.is_set():
            raise InterruptedError("Stopped.")

    yield Doing("Reading the images")
    stacks = [_in_photons(stack, camera) for stack in volumes()]
    steps = calibration_steps(
        stacks,
        options.z_step_nm,
        options.pixel_size_nm,
        window_px=options.window_px,
        optics=None if pupil is None else PupilPSF.preset(pupil),
        keep=keep,
        keep_on=keep_on,
    )
    while not stopping.is_set():
        try:
            yield Doing(next(steps))
        except InterruptedError:
            return
        except StopIteration as end:
            result: Calibration = end.value
            fitted = fitted_images(result, is_measured=kind == MEASURED)
            yield Calibrated(result, kind, fitted, calibration_report(result))
            return


def save_live(
    result: Calibration, path: Path, stopping: threading.Event
) -> Generator[Saved, None, None]:
    """Write PSF, fit and picture."""
    from napari_deepsmlm.calibration.files import save_calibration

    yield Saved(save_calibration(result, path)["files"])


def planes_of(volumes: list[Array]) -> Array:
    """Return several layers, one per focal plane, as one stack (C, Z, H, W).

    Raises
    ------
    ValueError
        If their shapes differ.
    """
    shapes = {volume.shape for volume in volumes}
    if len(shapes) > 1 or volumes[0].ndim != 3:
        found = ", ".join(str(volume.shape) for volume in volumes)
        raise ValueError(
            f"Layers that are focal planes of one field must all be (z, y, x) of one size, got "
            f"{found}."
        )
    return np.stack(volumes)


def in_words(made: Calibrated) -> list[str]:
    """Return the numbers of a calibration, one line each."""
    report = made.report
    low, high = report["z_range_nm"]
    lines = [f"{counted(report['n_beads'], 'bead')}, z from {low:.0f} to {high:.0f} nm"]
    for i, plane in enumerate(report["planes"], 1):
        name = f"Plane {i}: " if len(report["planes"]) > 1 else ""
        lines.append(
            f"{name}σ x {plane['sigma_x_nm']:.0f} nm at z = {plane['focus_x_nm']:.0f} nm, "
            f"σ y {plane['sigma_y_nm']:.0f} nm at {plane['focus_y_nm']:.0f} nm"
        )
    if report["zernike_nm"] is not None:
        largest = sorted(report["zernike_nm"].items(), key=lambda item: -abs(item[1]))[:4]
        lines.append("Zernike: " + ", ".join(f"({mode}) {rms:.0f} nm" for mode, rms in largest))
    lines.append(_verdict(made))
    return lines


def _verdict(made: Calibrated) -> str:
    """Return how well the chosen kind of PSF describes the bead, in one line."""
    data = made.result.measured[0]
    percent = 100 * float(np.sqrt(np.square(data - made.fitted).sum() / np.square(data).sum()))
    words = next((words for limit, words in VERDICTS.items() if percent < limit), POOR)
    return f"PSF {KINDS[made.kind]}: the rest is {percent:.1f} % of the data (r.m.s.): {words}"


def _in_photons(stack: Array, camera: Any) -> Array:
    """Return a stack as photons; what is wrong with its numbers is seen before that."""
    from napari_deepsmlm.calibration.beads import check_stack

    checked = check_stack(stack)
    if camera is None:
        return checked
    import torch
    from pydantic import TypeAdapter

    from napari_deepsmlm.camera import Camera, find_camera

    known: Any = (
        find_camera(camera)
        if isinstance(camera, str)
        else TypeAdapter[Any](Camera).validate_python(camera)
    )
    frames = torch.as_tensor(checked.swapaxes(0, 1).copy())  # (C, Z, H, W) -> (Z, C, H, W)
    photons: Array = known.to_photons(frames).numpy().swapaxes(0, 1)
    return photons
