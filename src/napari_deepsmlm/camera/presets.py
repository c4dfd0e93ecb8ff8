"""Camera presets: sensors that the field simulates with, by name."""

from __future__ import annotations

from pathlib import Path

from napari_deepsmlm._base import FrozenModel, load_yaml
from napari_deepsmlm.camera.cameras import EMCCD, SCMOS, Camera, IdealCamera

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


def find_camera(name_or_path: str | Path) -> Camera:
    """Return the camera of a preset, or of a YAML file of a camera or of an experiment.

    Maps that the file names are looked for in its folder.

    Raises
    ------
    ValueError
        One sentence: there is no such preset or file, or the file describes no camera.

    Examples
    --------
    >>> find_camera("scmos-qe95").baseline
    100.0
    """
    path = Path(name_or_path)
    if not path.is_file():
        if str(name_or_path) in _PRESETS:
            return _PRESETS[str(name_or_path)]
        raise ValueError(
            f"'{name_or_path}' is neither a file nor a camera preset. Presets: "
            f"{', '.join(_PRESETS)}."
        )
    values = load_yaml(path)
    if isinstance(values, dict) and "camera" in values:  # an experiment
        values = values["camera"]
    return _HasCamera.from_dict(
        {"camera": values}, source=path.name, folder=path.absolute().parent
    ).camera


class _HasCamera(FrozenModel):
    camera: Camera
