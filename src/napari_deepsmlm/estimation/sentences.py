"""Sentences: an estimate in words, what cannot be told, and what to do about it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_deepsmlm.estimation.correlation import Blinking
    from napari_deepsmlm.estimation.drift import MeasuredDrift
    from napari_deepsmlm.estimation.light import Light
    from napari_deepsmlm.estimation.noise import PhotonTransfer
    from napari_deepsmlm.estimation.result import Estimate
    from napari_deepsmlm.estimation.sample import Sample
    from napari_deepsmlm.estimation.units import Units

# Ratio of the widths along x and y above which the PSF is called elongated.
MAX_ANISOTROPY = 1.1
# Molecules per area of a PSF: with one, most images overlap another.
DENSE = 1.0
# Ratio of measured and stated gain that raises no doubt: 1 plus the largest error, 25 %.
GAIN_TOLERANCE = 1.25
# Gains of frames between 0 and 1 need six decimals.
MAX_DECIMALS = 6
# Camera pixels in the sample, from oversampled to a few across a spot, with room on both sides.
PIXELS_IN_SAMPLE_NM = (25.0, 500.0)


def describe(
    found: Estimate,
    sample: Sample,
    blinking: Blinking,
    transfer: PhotonTransfer,
    units: Units,
    light: Light | None,
    drift: MeasuredDrift,
) -> list[str]:
    """Return one sentence or two per subject."""
    return [
        *sample.remarks,
        *pixel_doubt(found.pixel_size_nm),
        *_on_camera(found, transfer, units),
        *_on_width(found, blinking, light),
        *_on_background(found, units),
        *_on_molecules(found, light),
        *_on_time(found, drift),
    ]


def pixel_doubt(pixel_size_nm: float | None) -> Iterator[str]:
    """Yield a sentence if a known pixel can hardly be that of a camera in the sample.

    Examples
    --------
    >>> [sentence[:39] for nm in (None, 100, 6500) for sentence in pixel_doubt(nm)]
    ['6500 nm can hardly be a camera pixel in']
    """
    low, high = PIXELS_IN_SAMPLE_NM
    if pixel_size_nm is not None and not low <= pixel_size_nm <= high:
        yield (
            f"{pixel_size_nm:g} nm can hardly be a camera pixel in the sample, which is usually 60 "
            "to 200 nm: give the pixel of the chip divided by the magnification; all nm scale with "
            "it."
        )


def _on_camera(found: Estimate, transfer: PhotonTransfer, units: Units) -> Iterator[str]:
    if units.is_given:
        yield f"Camera as given: offset {units.offset_adu:g} ADU, {units.gain:.3g} ADU per photon."
        ratio = transfer.slope / units.gain / units.noise.excess * units.noise.quantum_efficiency
        if units.noise.kind == "multiplied" and units.camera and units.camera.kind == "ideal":
            yield "Its noise is twice that of light: an electron-multiplying camera (EMCCD)."
        elif transfer.is_line and not 1 / GAIN_TOLERANCE < ratio < GAIN_TOLERANCE:
            yield (
                f"The noise says {transfer.slope:.3g} ADU per photon, not "
                f"{units.gain:.3g}: check the camera, or photons are wrong by that factor."
            )
        return
    if not units.is_photons:
        yield (
            "Gain and offset of the camera cannot be told from these frames, so light is in ADU: "
            "give the camera, or its baseline and photons per ADU."
        )
        return
    gain_error, offset_error = found.errors["gain"], found.errors["offset_adu"]
    yield (
        f"Camera from its noise: {plus_minus(units.gain, gain_error)} ADU per detected photon "
        f"({1 / units.gain:.3g} photons per ADU), offset "
        f"{plus_minus(units.offset_adu or 0.0, offset_error)} ADU if its read noise is usual; dark "
        "frames would tell."
    )
    if units.noise.kind == "shot":
        yield (
            "An electron-multiplying camera (EMCCD) has twice the noise: if yours is one, gain is "
            "half and photons and background are twice these."
        )


def _on_width(found: Estimate, blinking: Blinking, light: Light | None) -> Iterator[str]:
    if light is None:
        yield (
            "Nothing is seen to blink like molecules, so width, photons and density cannot be "
            "told: give the raw movie, with more frames or more light."
        )
        return
    if found.psf_sigma_nm is None:
        yield (
            f"PSF width σ {plus_minus(blinking.sigma_px, found.errors['psf_sigma_px'])} pixels; "
            "lengths and densities need the pixel size."
        )
    else:
        width = plus_minus(found.psf_sigma_nm, found.errors["psf_sigma_nm"])
        widths = found.psf_sigma_range_nm
        spread = f" (80 % of molecules {widths[0]:.0f} to {widths[1]:.0f})" if widths else ""
        yield f"PSF width σ {width} nm{spread}."
    ratio = max(blinking.anisotropy, 1 / blinking.anisotropy)
    if blinking.has_several_widths or ratio > MAX_ANISOTROPY:
        yield (
            "The PSF is not a Gaussian of one width (molecules at several depths, or an "
            "engineered PSF): take the width as an average, and calibrate with beads for 3-D."
        )


def _on_background(found: Estimate, units: Units) -> Iterator[str]:
    if found.background is None and found.background_at_most is not None:
        yield (
            f"The background drowns in the light of molecules: it is below "
            f"{found.background_at_most:.3g} {found.unit} per pixel and frame."
        )
        return
    if found.background is None:
        yield "The background cannot be told without the camera's offset."
        return
    yield (
        f"Background {plus_minus(found.background, found.errors['background'])} "
        f"{found.unit} per pixel and frame."
    )


def _on_molecules(found: Estimate, light: Light | None) -> Iterator[str]:
    if light is None:
        return
    if found.photons is None:
        yield (
            "Light per molecule and density cannot be told apart here (too dense, too dim, too few "
            "frames, or a PSF of several widths); their product is "
            f"{light.photons * light.density_px:.3g} {found.unit} per pixel and frame."
        )
        return
    low, _, high = found.photons_percentiles.values()
    yield (
        f"A molecule gives {plus_minus(found.photons, found.errors['photons'])} {found.unit} in a "
        f"frame (80 % of them {low:.0f} to {high:.0f})."
    )
    if found.density_per_um2 is None or found.psf_sigma_px is None:
        return
    per_frame = light.density_px * math.prod(found.image_px)
    low, _, high = found.density_percentiles.values()
    yield (
        f"{plus_minus(found.density_per_um2, found.errors['density_per_um2'])} molecules per um² "
        f"and frame (80 % of frames {low:.2g} to {high:.2g}), {per_frame:.0f} in a frame of "
        f"{found.image_px[0]} x {found.image_px[1]} pixels if it is like this all over."
    )
    if light.density_px * 4 * math.pi * found.psf_sigma_px**2 > DENSE:
        yield "Images of molecules overlap nearly everywhere: take a network for high densities."


def _on_time(found: Estimate, drift: MeasuredDrift) -> Iterator[str]:
    if found.memory is not None and found.memory > 0.08:
        yield (
            "Molecules shine for several frames: consecutive frames share "
            f"{100 * found.memory:.0f} % of their light."
        )
    if not drift.has_structure:
        yield "Drift cannot be told: no lasting structure shows, or only lines in one direction."
    elif not drift.is_seen:
        yield f"No drift is seen (error {drift.error_px:.2g} pixels)."
    elif found.drift_nm is None or found.drift_xy_nm is None:
        x, y = drift.xy_px
        yield f"The sample drifts by {x:.2f} pixels in x and {y:.2f} in y."
    else:
        x, y = found.drift_xy_nm
        yield (
            f"The sample drifts by {plus_minus(found.drift_nm, found.errors['drift_nm'])} nm from "
            f"the first to the last frame ({x:.0f} in x, {y:.0f} in y): correct it."
        )


def plus_minus(value: float, error: float) -> str:
    """Return a value and its error, as many decimals as the error's first two digits have.

    Examples
    --------
    >>> plus_minus(110.234, 1.17), plus_minus(1542.3, 54.0), plus_minus(0.4213, 0.0312)
    ('110.2 ± 1.2', '1542 ± 54', '0.421 ± 0.031')
    """
    decimals = 3 if error <= 0 else min(max(1 - math.floor(math.log10(error)), 0), MAX_DECIMALS)
    return f"{value:.{decimals}f} ± {error:.{decimals}f}"
