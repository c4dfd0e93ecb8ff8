"""Calibration: from bead z-stacks to a PSF, with everything needed to judge it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_deepsmlm.psf.astigmatic import AstigmaticPSF
from napari_deepsmlm.psf.beads import Bead, check_stack, coarse_moves, find_beads
from napari_deepsmlm.psf.calibrated import CalibratedPSF
from napari_deepsmlm.psf.multiplane import MultiplanePSF
from napari_deepsmlm.psf.registration import AffineTransform, average_beads
from napari_deepsmlm.psf.spot_fit import Spot, fit_defocus_curve, fit_spot
from napari_deepsmlm.psf.zernike_fit import ZernikeFit, fit_zernike

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_deepsmlm.psf.defocus import DefocusCurve
    from napari_deepsmlm.psf.pupil import PupilPSF

    Array = np.ndarray[Any, Any]

# A Gaussian spot of visible light through a high-NA lens doubles its area within this depth.
_PLAUSIBLE_DEPTHS_NM = (100.0, 1500.0)


class PlaneCurve(NamedTuple):
    """Widths of one plane's spot through z."""

    sigma_x_nm: Array
    """(Z,) fitted to the averaged images."""
    sigma_y_nm: Array
    x: DefocusCurve
    """The curve through `sigma_x_nm`."""
    y: DefocusCurve

    @property
    def focus_nm(self) -> float:
        """Depth of the plane: half way between the foci of the two axes."""
        return (self.x.focus_nm + self.y.focus_nm) / 2


class Calibration(NamedTuple):
    """A calibrated microscope, and the data that it comes from."""

    psf: CalibratedPSF
    """The measured PSF, z = 0 at the focus of the first plane."""
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


def calibrate(
    beads: Array | Sequence[Array],
    z_step_nm: float,
    pixel_size_nm: float,
    *,
    window_px: int = 25,
    optics: PupilPSF | None = None,
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
    window_px : side of the PSF, odd; neighbours must be further away than half of it.
    optics : if given, Zernike coefficients of this pupil are fitted too (its own are ignored).

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
    _check_numbers(z_step_nm, pixel_size_nm, window_px)
    stacks = [check_stack(stack) for stack in _as_stacks(beads)]
    if len({stack.shape[:2] for stack in stacks}) > 1:
        raise ValueError("All bead stacks must have the same numbers of planes and of depths.")
    found, warnings = _find(stacks, window_px)
    n_planes, n_z = found[0][1].cutout.shape[:2]
    averages = [average_beads([bead.cutout[c] for _, bead in found]) for c in range(n_planes)]
    z_nm = (np.arange(n_z) - (n_z - 1) / 2) * z_step_nm
    spots = [[fit_spot(image) for image in volume] for volume in averages]
    curves = [_curve(plane, z_nm, pixel_size_nm) for plane in spots]
    # z = 0 where the first plane is in focus, and the bead in the centre of every window.
    z_nm, curves = _refocused(z_nm, curves)
    measured = np.stack([
        _centred(volume, plane) for volume, plane in zip(averages, spots, strict=True)
    ])  # fmt: skip
    planes = _register(found, curves, z_nm, pixel_size_nm, window_px)
    warnings += _judge(curves)
    psf = CalibratedPSF.from_volume(
        measured, pixel_size_nm=pixel_size_nm, z_step_nm=z_step_nm, z_first_nm=float(z_nm[0])
    )
    zernike = None
    if optics is not None:
        optics = optics.replace(pixel_size_nm=pixel_size_nm, patch_px=window_px)
        zernike = fit_zernike(measured[0], z_nm, optics)
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


def _find(stacks: list[Array], window_px: int) -> tuple[list[tuple[Array, Bead]], list[str]]:
    """Beads of all stacks with the coarse plane displacements of theirs, brightest first."""
    found: list[tuple[Array, Bead]] = []
    refused: list[str] = []
    for stack in stacks:
        if window_px > min(stack.shape[2:]):
            raise ValueError(
                f"The window of {window_px} px is larger than the images of the bead stack "
                f"({stack.shape[2]} x {stack.shape[3]} px): choose a smaller one."
            )
        moves = coarse_moves(stack)
        search = find_beads(stack, window_px=window_px, moves=moves)
        found += [(moves, bead) for bead in search.beads]
        refused += search.refused
    if not found:
        reasons = " ".join(refused) or "Nothing stands out from the background."
        raise ValueError(f"No usable bead in the stack. {reasons}")
    found.sort(key=lambda item: -float(item[1].cutout.sum()))
    return found, refused


def _curve(spots: list[Spot], z_nm: Array, pixel_size_nm: float) -> PlaneCurve:
    sigma_x = np.array([spot.sigma_x_px for spot in spots]) * pixel_size_nm
    sigma_y = np.array([spot.sigma_y_px for spot in spots]) * pixel_size_nm
    # Wide spots hold more background: their widths are known less well.
    weights = np.sqrt(sigma_x.min() * sigma_y.min() / (sigma_x * sigma_y))
    return PlaneCurve(
        sigma_x_nm=sigma_x,
        sigma_y_nm=sigma_y,
        x=fit_defocus_curve(z_nm, sigma_x, weights),
        y=fit_defocus_curve(z_nm, sigma_y, weights),
    )


def _refocused(z_nm: Array, curves: list[PlaneCurve]) -> tuple[Array, list[PlaneCurve]]:
    zero = curves[0].focus_nm
    moved = [
        curve._replace(
            x=curve.x.replace(focus_nm=curve.x.focus_nm - zero),
            y=curve.y.replace(focus_nm=curve.y.focus_nm - zero),
        )
        for curve in curves
    ]
    return z_nm - zero, moved


def _position(spots: list[Spot]) -> Array:
    """Mean position (x, y) in pixels, narrow and bright images counting most."""
    weights = np.array([s.photons / (s.sigma_x_px * s.sigma_y_px) ** 2 for s in spots])
    positions = np.array([(s.x_px, s.y_px) for s in spots])
    return np.asarray(np.average(positions, axis=0, weights=np.clip(weights, 0, None)))


def _centred(volume: Array, spots: list[Spot]) -> Array:
    """The volume moved so that the bead is in the centre of the central pixel."""
    from scipy.ndimage import shift

    x, y = volume.shape[-1] / 2 - _position(spots)
    return np.asarray(shift(volume, (0, y, x), order=3, mode="nearest"))


def _register(
    found: list[tuple[Array, Bead]],
    curves: list[PlaneCurve],
    z_nm: Array,
    pixel_size_nm: float,
    window_px: int,
) -> tuple[AffineTransform, ...]:
    """Affine maps from the first plane to each, from the places of beads near each focus."""
    places: list[list[Array]] = [[] for _ in curves]
    for moves, bead in found:
        for c, curve in enumerate(curves):
            nearest = np.argsort(np.abs(z_nm - curve.focus_nm))[: max(5, len(z_nm) // 2)]
            spots = [fit_spot(bead.cutout[c, k]) for k in nearest]
            corner = np.array([bead.x_px, bead.y_px]) + moves[c][::-1] - window_px // 2
            places[c].append((corner + _position(spots)) * pixel_size_nm)
    first = np.array(places[0])
    return tuple(AffineTransform.fit(first, np.array(other)) for other in places)


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
    light = np.array([np.median([spot.photons for spot in plane]) for plane in spots])
    # Each plane sees depths from its own focus: the curve must reach from end to end.
    span = z_range[0] - max(foci), z_range[1] - min(foci)
    return MultiplanePSF(
        psf=first.replace(z_range_nm=span),
        plane_z_nm=foci,
        split=tuple((light / light.sum()).tolist()),
        shift_nm=tuple(plane.displacement_at((centre_nm, centre_nm)) for plane in planes),
    )


def _judge(curves: list[PlaneCurve]) -> list[str]:
    """Say what looks wrong in the fitted curves."""
    low, high = _PLAUSIBLE_DEPTHS_NM
    depths = [curve.depth_nm for plane in curves for curve in (plane.x, plane.y)]
    worst = min(depths) if min(depths) < low else max(depths)
    if low <= worst <= high:
        return []
    return [
        f"The spot widens over a focal depth of {worst:.0f} nm, outside the plausible "
        f"{low:.0f} to {high:.0f} nm: is the z-step right?"
    ]
