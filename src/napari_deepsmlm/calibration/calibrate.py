"""Calibration: from bead z-stacks to a PSF, with everything needed to judge it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_deepsmlm._words import counted
from napari_deepsmlm.calibration.beads import (
    WIDE_WINDOW_PX,
    Bead,
    BeadSearch,
    check_stack,
    coarse_moves,
    find_beads,
)
from napari_deepsmlm.calibration.plane_curves import (
    PlaneCurve,
    centred,
    curve_of,
    judge,
    judge_pupil,
    refocused,
    register_planes,
)
from napari_deepsmlm.calibration.spot_fit import Spot, fit_spot
from napari_deepsmlm.calibration.zernike_fit import ZernikeFit, fit_zernike
from napari_deepsmlm.psf.astigmatic import AstigmaticPSF
from napari_deepsmlm.psf.calibrated import CalibratedPSF
from napari_deepsmlm.psf.multiplane import MultiplanePSF
from napari_deepsmlm.psf.registration import AffineTransform, average_beads

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from napari_deepsmlm.psf.pupil import PupilPSF

    Array = np.ndarray[Any, Any]


class Calibration(NamedTuple):
    """A calibrated microscope, and the data that it comes from."""

    psf: CalibratedPSF
    """The measured PSF."""
    gaussian: AstigmaticPSF | MultiplanePSF
    """Defocus curves fitted to the widths; for several planes their foci, shifts and shares."""
    zernike: ZernikeFit | None
    """Pupil fitted to the first plane, if optics were given."""
    z_nm: Array
    """(Z,) depth of the bead in each image."""
    measured: Array
    """(C, Z, P, P) averaged and centred beads, photons or ADU."""
    curves: tuple[PlaneCurve, ...]
    planes: tuple[AffineTransform, ...]
    """Positions in the first plane to positions in each plane; the first is the identity."""
    n_beads: int
    warnings: tuple[str, ...]
    """What was left out, and what looks wrong: one sentence each."""

    @property
    def fitted(self) -> AstigmaticPSF | PupilPSF | MultiplanePSF:
        """The PSF of a few numbers: the pupil where there is one, else defocus curves.

        Of several planes the pupil is that of the first, and each sees it from its own focus.
        """
        if self.zernike is None:
            return self.gaussian
        pupil = self.zernike.psf
        if not isinstance(self.gaussian, MultiplanePSF):
            return pupil
        return self.gaussian.replace(psf=pupil.replace(z_range_nm=self.gaussian.psf.depth_range_nm))


def calibrate(
    beads: Array | Sequence[Array],
    z_step_nm: float,
    pixel_size_nm: float,
    *,
    window_px: int = 25,
    optics: PupilPSF | None = None,
    keep: Sequence[Array | None] | None = None,
) -> Calibration:
    """Return the PSF of a microscope from one or several bead z-stacks.

    Image k shows the beads at z = (k - (Z - 1) / 2) * z_step_nm before focus is set to 0: z
    grows with the image number. Flip a stack that was recorded the other way.

    Parameters
    ----------
    beads : (Z, H, W), (C, Z, H, W) for several planes, or a sequence of such stacks. Offset and
        gain of the camera do not matter; photons give right weights.
    z_step_nm : distance of the images.
    pixel_size_nm : side of a camera pixel in the sample.
    window_px : side of the PSF, odd; neighbours must be further away than half of it. Above 31
        for engineered PSFs with lobes: z = 0 is then the middle of the stack.
    optics : if given, Zernike coefficients of this pupil are fitted too (its own are ignored).
    keep : for each stack the (N, 2) places (y, x) px of the beads to use, of those that
        :func:`search_beads` finds; None, and no `keep`, for all of them.

    Raises
    ------
    ValueError
        If a step, a window or a stack cannot be used, or no lone bead is found; one sentence
        that says which and what to do.

    Examples
    --------
    >>> import torch
    >>> z = torch.linspace(-500, 500, 21)
    >>> xyz = torch.stack([torch.full_like(z, 2050.0)] * 2 + [z], 1)[:, None]
    >>> stack = AstigmaticPSF().render(xyz, torch.full((21, 1), 5000.0), (41, 41))[:, 0] + 10
    >>> result = calibrate(stack.numpy(), z_step_nm=50, pixel_size_nm=100)
    >>> round(result.gaussian.x.focus_nm - result.gaussian.y.focus_nm)
    500
    """
    steps = calibration_steps(
        beads, z_step_nm, pixel_size_nm, window_px=window_px, optics=optics, keep=keep
    )
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: Calibration = end.value
            return result


def calibration_steps(
    beads: Array | Sequence[Array],
    z_step_nm: float,
    pixel_size_nm: float,
    *,
    window_px: int = 25,
    optics: PupilPSF | None = None,
    keep: Sequence[Array | None] | None = None,
    keep_on: Callable[[], None] = lambda: None,
) -> Generator[str, None, Calibration]:
    """Yield in words what is done next, and return the result of :func:`calibrate`.

    Parameters
    ----------
    keep_on : called while coefficients are fitted; what it raises ends the calibration.
    """
    _check_numbers(z_step_nm, pixel_size_nm, window_px)
    stacks = [check_stack(stack) for stack in _as_stacks(beads)]
    if len({stack.shape[:2] for stack in stacks}) > 1:
        raise ValueError("All bead stacks must have the same numbers of planes and of depths.")
    yield "Looking for beads"
    found, warnings = _find(stacks, window_px, keep)
    n_planes, n_z = found[0][1].cutout.shape[:2]
    yield f"Averaging {counted(len(found), 'bead')}"
    averages = [average_beads([bead.cutout[c] for _, bead in found]) for c in range(n_planes)]
    z_nm = (np.arange(n_z) - (n_z - 1) / 2) * z_step_nm
    yield "Fitting the widths"
    spots = [[fit_spot(image) for image in volume] for volume in averages]
    is_lobed = window_px > WIDE_WINDOW_PX
    curves = [curve_of(plane, z_nm, pixel_size_nm, is_lobed=is_lobed) for plane in spots]
    if is_lobed:
        warnings.append("Large windows are for PSFs with lobes, which no defocus curve describes.")
    else:
        z_nm, curves = refocused(z_nm, curves)
        warnings += judge(curves)
    yield "Centring and interpolating"
    measured = np.stack([
        centred(volume, plane, is_lobed=is_lobed)
        for volume, plane in zip(averages, spots, strict=True)
    ])  # fmt: skip
    planes = register_planes(found, pixel_size_nm, is_lobed=is_lobed)
    psf = CalibratedPSF.from_volume(
        measured, pixel_size_nm=pixel_size_nm, z_step_nm=z_step_nm, z_first_nm=float(z_nm[0])
    )
    zernike = None
    if optics is not None:
        optics = optics.replace(pixel_size_nm=pixel_size_nm, patch_px=window_px)
        yield "Fitting Zernike coefficients"
        zernike = fit_zernike(measured[0], z_nm, optics, keep_on=keep_on)
        warnings += judge_pupil(zernike, z_step_nm, n_planes)
    centre = float(np.mean([stack.shape[-1] for stack in stacks])) / 2 * pixel_size_nm
    return Calibration(
        psf=psf,
        gaussian=_gaussian(curves, spots, planes, z_nm, pixel_size_nm, centre),
        zernike=zernike,
        z_nm=z_nm,
        measured=measured,
        curves=tuple(curves),
        planes=planes,
        n_beads=len(found),
        warnings=tuple(warnings),
    )


def search_beads(beads: Array, *, window_px: int) -> BeadSearch:
    """Return the beads of one stack that a calibration would use, and why not the others.

    Parameters
    ----------
    beads : (Z, H, W), or (C, Z, H, W) for several planes: places are those in the first.

    Raises
    ------
    ValueError
        If the stack or the window cannot be used.
    """
    stack = check_stack(beads)
    _check_window(stack, window_px)
    return find_beads(stack, window_px=window_px, moves=coarse_moves(stack))


def _as_stacks(beads: Array | Sequence[Array]) -> list[Array]:
    return [beads] if isinstance(beads, np.ndarray) else [np.asarray(stack) for stack in beads]


def _check_numbers(z_step_nm: float, pixel_size_nm: float, window_px: int) -> None:
    if not 0 < z_step_nm <= 1000:
        raise ValueError(
            f"The z-step must be above 0 and at most 1000 nm, got {z_step_nm}: it is the distance "
            "between two images, 10 to 100 nm as a rule."
        )
    if not 1 <= pixel_size_nm <= 10_000:
        raise ValueError(f"The pixel size must be 1 to 10000 nm, got {pixel_size_nm}.")
    if window_px % 2 == 0 or not 7 <= window_px <= 201:
        raise ValueError(f"The window must be an odd number of 7 to 201 pixels, got {window_px}.")


def _check_window(stack: Array, window_px: int) -> None:
    if window_px > min(stack.shape[2:]):
        raise ValueError(
            f"The window of {window_px} px is larger than the images of the bead stack "
            f"({stack.shape[2]} x {stack.shape[3]} px): choose a smaller one."
        )


def _find(
    stacks: list[Array], window_px: int, keep: Sequence[Array | None] | None
) -> tuple[list[tuple[Array, Bead]], list[str]]:
    """Beads of all stacks with the coarse plane displacements of theirs, brightest first."""
    found: list[tuple[Array, Bead]] = []
    refused: list[str] = []
    for i, stack in enumerate(stacks):
        _check_window(stack, window_px)
        moves = coarse_moves(stack)
        search = find_beads(stack, window_px=window_px, moves=moves)
        beads = search.beads
        kept = None if keep is None else keep[i]
        if kept is not None:
            places = {(round(y), round(x)) for y, x in np.asarray(kept).reshape(-1, 2).tolist()}
            beads = [bead for bead in beads if (bead.y_px, bead.x_px) in places]
        found += [(moves, bead) for bead in beads]
        refused += search.refused
    if not found:
        silence = "Nothing stands out from the background." if keep is None else "None was chosen."
        reasons = " ".join(refused[:3]) or silence
        raise ValueError(f"No usable bead in the stack. {reasons}")
    found.sort(key=lambda item: -float(item[1].cutout.sum()))
    return found, refused


def _gaussian(
    curves: list[PlaneCurve],
    spots: list[list[Spot]],
    planes: tuple[AffineTransform, ...],
    z_nm: Array,
    pixel_size_nm: float,
    centre_nm: float,
) -> AstigmaticPSF | MultiplanePSF:
    z_range = (float(z_nm[0]), float(z_nm[-1]))
    first = AstigmaticPSF(
        pixel_size_nm=pixel_size_nm, x=curves[0].x, y=curves[0].y, z_range_nm=z_range
    )
    if len(curves) == 1:
        return first
    foci = tuple(curve.focus_nm for curve in curves)
    light = _light_around_focus(spots, z_nm, foci)
    # Each plane sees depths from its own focus: the curve must reach from end to end.
    span = z_range[0] - max(foci), z_range[1] - min(foci)
    return MultiplanePSF(
        psf=first.replace(z_range_nm=span),
        plane_z_nm=foci,
        split=tuple((light / light.sum()).tolist()),
        shift_nm=tuple(plane.displacement_at((centre_nm, centre_nm)) for plane in planes),
    )


def _light_around_focus(
    spots: list[list[Spot]], z_nm: Array, foci: tuple[float, ...]
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the light of each plane, at the same distances from its own focus for all.

    A Gaussian misses some of a spot's light, more of it out of focus: the same share of all planes.
    """
    photons = np.array([[spot.photons for spot in plane] for plane in spots])  # (C, Z)
    distance = z_nm - np.array(foci)[:, None]
    is_common = (distance >= distance[:, 0].max()) & (distance <= distance[:, -1].min())
    if not is_common.any(1).all():  # a stack so short that the planes share no distance
        is_common[:] = True
    return np.array(
        [np.median(own[common]) for own, common in zip(photons, is_common, strict=True)]
    )
