"""Camera presets: sensors that the field simulates with, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_deepsmlm.camera.models import EMCCD, SCMOS, IdealCamera

if TYPE_CHECKING:
    from napari_deepsmlm.camera.models import Camera

_PRESETS: dict[str, Camera] = {
    "ideal": IdealCamera(),
    # SMLM Challenge 2016: Sage et al. 2019, doi:10.1038/s41592-019-0364-4
    "challenge-emccd": EMCCD(
        quantum_efficiency=0.9,
        em_gain=300.0,
        read_noise_e=74.4,
        spurious_e=0.002,
        e_per_adu=45.0,
        baseline=100.0,
    ),
    "scmos-qe95": SCMOS(
        quantum_efficiency=0.95, read_noise_e=1.535, e_per_adu=0.7471, baseline=100.0
    ),
    "scmos-qe81": SCMOS(quantum_efficiency=0.81, read_noise_e=1.61, e_per_adu=0.47, baseline=100.0),
}


def camera_presets() -> list[str]:
    """Return the names of the presets."""
    return list(_PRESETS)


def camera_preset(name: str) -> Camera:
    """Return the camera of one name.

    Raises
    ------
    ValueError
        If there is none of this name; the sentence lists those there are.

    Examples
    --------
    >>> camera_preset("challenge-emccd").em_gain
    300.0
    """
    if name not in _PRESETS:
        raise ValueError(f"Unknown camera '{name}'. Available: {', '.join(_PRESETS)}")
    return _PRESETS[name]
