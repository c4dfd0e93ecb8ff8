"""Planes of a bead stack: widths through z, where the bead is, and how planes map on each other."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_deepsmlm.calibration.spot_fit import Spot, fit_defocus_curve, fit_spot
from napari_deepsmlm.psf.registration import AffineTransform, shifted

if TYPE_CHECKING:
    from napari_deepsmlm.calibration.beads import Bead
    from napari_deepsmlm.calibration.zernike_fit import ZernikeFit
    from napari_deepsmlm.psf.defocus import DefocusCurve

    Array = np.ndarray[Any, Any]

# A spot of visible light through a high-NA lens doubles its area within such a depth.
_PLAUSIBLE_DEPTHS_NM = (100.0, 1500.0)

# Depth scales of a fitted pupil nearer to 1 than this factor happen with right z-steps too.
_Z_SCALE_TOLERANCE = 1.1


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


def curve_of(spots: list[Spot], z_nm: Array, pixel_size_nm: float, *, is_lobed: bool) -> PlaneCurve:
    """Return the widths of fitted spots and the curves through them.

    Raises
    ------
    ValueError
        If the focus is not inside the stack, unless the PSF has lobes: then no curve is right.
    """
    sigma_x = np.array([spot.sigma_x_px for spot in spots]) * pixel_size_nm
    sigma_y = np.array([spot.sigma_y_px for spot in spots]) * pixel_size_nm
    # Wide spots hold more background: their widths are known less well.
    weights = np.sqrt(sigma_x.min() * sigma_y.min() / (sigma_x * sigma_y))
    return PlaneCurve(
        sigma_x_nm=sigma_x,
        sigma_y_nm=sigma_y,
        x=fit_defocus_curve(z_nm, sigma_x, weights, may_be_outside=is_lobed),
        y=fit_defocus_curve(z_nm, sigma_y, weights, may_be_outside=is_lobed),
    )


def refocused(z_nm: Array, curves: list[PlaneCurve]) -> tuple[Array, list[PlaneCurve]]:
    """Return depths and curves with z = 0 where the first plane is in focus."""
    zero = curves[0].focus_nm
    moved = [
        curve._replace(
            x=curve.x.replace(focus_nm=curve.x.focus_nm - zero),
            y=curve.y.replace(focus_nm=curve.y.focus_nm - zero),
        )
        for curve in curves
    ]
    return z_nm - zero, moved


def centred(volume: Array, spots: list[Spot], *, is_lobed: bool) -> Array:
    """Return the volume moved so that the bead is in the centre of the central pixel."""
    x, y = volume.shape[-1] / 2 - _position(volume, spots, is_lobed)
    return shifted(volume, (0.0, y, x))


def _position(volume: Array, spots: list[Spot], is_lobed: bool) -> Array:
    """Mean position (x, y) in pixels, each image weighted by the inverse of its variance."""
    if is_lobed:  # a fit of one image may lie on one lobe; all depths together are symmetric
        whole = fit_spot(volume.mean(0))
        return np.array([whole.x_px, whole.y_px])
    # Variance of a least-squares fit (Mortensen et al. 2010, doi:10.1038/nmeth.1447, eq. 5); the
    # background is the variance of the rim, as it is of photons.
    rim = np.concatenate([volume[:, 0], volume[:, -1], volume[..., 0], volume[..., -1]], axis=-1)
    noise = float(np.median(rim.var(1)))
    photons = np.array([max(spot.photons, 1.0) for spot in spots])
    area = np.array([spot.sigma_x_px * spot.sigma_y_px for spot in spots])
    weights = 1 / (area / photons * (16 / 9 + 8 * np.pi * area * noise / photons))
    positions = np.array([(s.x_px, s.y_px) for s in spots])
    return np.asarray(np.average(positions, axis=0, weights=weights))


def register_planes(
    found: list[tuple[Array, Bead]], pixel_size_nm: float, *, is_lobed: bool
) -> tuple[AffineTransform, ...]:
    """Return affine maps from the first plane to each, from where beads are at all depths.

    Parameters
    ----------
    found : beads, each with the whole pixels (C, 2) by which its cutouts are displaced.
    """
    if len(found[0][1].cutout) == 1:
        return (AffineTransform(),)
    places: list[list[Array]] = [[] for _ in found[0][1].cutout]
    for moves, bead in found:
        for c, volume in enumerate(bead.cutout):
            spots = [] if is_lobed else [fit_spot(image) for image in volume]
            corner = np.array([bead.x_px, bead.y_px]) + moves[c][::-1] - volume.shape[-1] // 2
            places[c].append((corner + _position(volume, spots, is_lobed)) * pixel_size_nm)
    first = np.array(places[0])
    return tuple(AffineTransform.fit(first, np.array(other)) for other in places)


def judge(curves: list[PlaneCurve]) -> list[str]:
    """Return sentences on what looks wrong in the fitted curves."""
    low, high = _PLAUSIBLE_DEPTHS_NM
    depths = [curve.depth_nm for plane in curves for curve in (plane.x, plane.y)]
    worst = min(depths) if min(depths) < low else max(depths)
    if low <= worst <= high:
        return []
    return [
        f"The spot widens over a focal depth of {worst:.0f} nm, outside the plausible "
        f"{low:.0f} to {high:.0f} nm: is the z-step right?"
    ]


def judge_pupil(fit: ZernikeFit, z_step_nm: float, n_planes: int) -> list[str]:
    """Return sentences on what to know of a fitted pupil."""
    sentences = []
    if abs(math.log(fit.z_scale)) > math.log(_Z_SCALE_TOLERANCE):
        sentences.append(
            f"The given optics explain the stack better with a z-step near "
            f"{z_step_nm * fit.z_scale:.0f} nm, not {z_step_nm:g} nm: check the z-step, and the "
            "numerical aperture, wavelength and refractive indices of the optics."
        )
    if n_planes > 1:
        sentences.append(
            "The Zernike coefficients are those of the first plane; they are taken for all planes."
        )
    return sentences
