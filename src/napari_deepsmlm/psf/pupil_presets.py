"""Published microscopes: optics and coefficient set of each pupil preset."""

from __future__ import annotations

from typing import NamedTuple


class PupilPreset(NamedTuple):
    """One microscope."""

    coefficients: str
    """Name of the set in psf_coefficients.json."""
    optics: dict[str, float]
    z_range_nm: float
    """Largest distance from focus."""
    blur_px: tuple[float, float] = (0.5, 0.5)


# Silicone-oil optics of the tetrapods and saddle points, oil optics of the astigmatic PSF.
_SILICONE = {
    "numerical_aperture": 1.35,
    "wavelength_nm": 670.0,
    "index_medium": 1.406,
    "index_cover": 1.524,
    "index_immersion": 1.406,
    "pixel_size_nm": 108.0,
}
_OIL = {
    "numerical_aperture": 1.49,
    "wavelength_nm": 660.0,
    "index_medium": 1.518,
    "index_cover": 1.518,
    "index_immersion": 1.518,
    "pixel_size_nm": 100.0,
}

PRESETS = {
    "astigmatic": PupilPreset("astig", _OIL, 700.0),
    "saddle-1.4um-measured": PupilPreset(
        "DMO-SaddlePoint_1.4um_measured", _SILICONE, 700.0, (0.6749699, 0.57691746)
    ),
    "saddle-ideal": PupilPreset("DMO-SaddlePoint_no_aberration", _SILICONE, 1000.0),
    "saddle-2um": PupilPreset("DMO-SaddlePoint_2um", _SILICONE, 1000.0),
    "tetrapod-3um": PupilPreset("DMO-Tetrapod_ideal", _SILICONE, 1500.0),
    "tetrapod-3um-measured": PupilPreset("DMO-Tetrapod_3um_measured_demo3", _SILICONE, 1500.0),
    "tetrapod-6um": PupilPreset("Tetrapod_6um", _SILICONE, 3000.0),
    "tetrapod-6um-measured": PupilPreset(
        "Tetrapod_6um_NPC_measured", {**_SILICONE, "wavelength_nm": 680.0}, 3000.0
    ),
    "tetrapod-6um-lunar": PupilPreset("Tetrapod_6um_LUNAR", _SILICONE, 3000.0),
}
