"""Vocabularies: camera settings as ThunderSTORM, DECODE and Picasso write them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from napari_deepsmlm.camera.cameras import EMCCD, SCMOS

if TYPE_CHECKING:
    from napari_deepsmlm.camera.cameras import Camera

Values = Mapping[str, Any]

# Our name -> the names that the program uses for it; the first is shown in errors.
_THUNDERSTORM = {
    "pixel_size_nm": ("pixelSize",),
    "e_per_adu": ("photons2ADU",),
    "quantum_efficiency": ("QE", "quantumEfficiency"),
    "em_gain": ("gainEM", "gain"),
    "has_em_gain": ("isEmGain",),
    "baseline": ("offset",),
    "read_noise_e": ("readoutNoise",),
}
_DECODE = {
    "baseline": ("baseline",),
    "e_per_adu": ("e_per_adu",),
    "em_gain": ("em_gain",),
    "quantum_efficiency": ("qe",),
    "read_noise_e": ("read_sigma",),
    "spurious_e": ("spur_noise",),
    "pixel_size_nm": ("px_size",),
    "ignored": ("convert2photons", "photon_units", "device"),
}
_PICASSO = {
    "baseline": ("Baseline",),
    "e_per_adu": ("Sensitivity",),
    "em_gain": ("EM Gain", "Gain"),
    "quantum_efficiency": ("Qe", "Quantum Efficiency"),
    "pixel_size_nm": ("Pixelsize",),
}


class ConvertedCamera(NamedTuple):
    """A camera, and what its settings say about the pixel."""

    camera: Camera
    pixel_size_nm: float | None


def camera_from_thunderstorm(settings: Values) -> ConvertedCamera:
    """Return the camera of ThunderSTORM's setup or of the `cameraSettings` of its protocol.

    `photons2ADU` is what the form calls photoelectrons per A/D count, so it becomes `e_per_adu`.
    ThunderSTORM analyses as photons = (ADU - offset) · photons2ADU / (gain · QE); its own
    simulator ignores QE and read noise.

    Raises
    ------
    ValueError
        If a key is unknown, missing, named twice, or has a value that no camera has.

    Examples
    --------
    >>> camera_from_thunderstorm({"offset": 100, "photons2ADU": 3.6, "pixelSize": 80})
    ConvertedCamera(camera=SCMOS(...), pixel_size_nm=80.0)
    """
    found = _read("ThunderSTORM camera", settings, _THUNDERSTORM, needed=("e_per_adu", "baseline"))
    if found.pop("has_em_gain", "em_gain" in found) is False:
        found.pop("em_gain", None)
    return _build("ThunderSTORM camera", found, _THUNDERSTORM)


def camera_from_decode(settings: Values) -> ConvertedCamera:
    """Return the camera of the `Camera` section of a DECODE parameter file.

    A missing or null `em_gain` is a camera without multiplication. `px_size` may be one number
    or two equal ones, nm.

    Raises
    ------
    ValueError
        As :func:`camera_from_thunderstorm`.

    Examples
    --------
    >>> settings = {"baseline": 398.6, "e_per_adu": 5.0, "em_gain": 50.0, "qe": 0.9}
    >>> camera_from_decode({**settings, "read_sigma": 74.4, "spur_noise": 0.002}).camera.kind
    'emccd'
    """
    found = _read("DECODE camera", settings, _DECODE, needed=("e_per_adu", "baseline"))
    return _build("DECODE camera", found, _DECODE)


def camera_from_picasso(settings: Values) -> ConvertedCamera:
    """Return the camera of Picasso's movie information.

    Picasso's photons are (ADU - Baseline) · Sensitivity / Gain: without `Qe` they are electrons,
    which is a quantum efficiency of 1. It knows no read noise; the camera has none. A gain of 1
    is a camera without multiplication.

    Raises
    ------
    ValueError
        As :func:`camera_from_thunderstorm`.

    Examples
    --------
    >>> camera_from_picasso({"Baseline": 100, "Sensitivity": 0.5, "Pixelsize": 130}).pixel_size_nm
    130.0
    """
    found = _read("Picasso camera", settings, _PICASSO, needed=("e_per_adu", "baseline"))
    if found.get("em_gain") == 1:
        del found["em_gain"]
    return _build("Picasso camera", found, _PICASSO)


def _read(
    source: str, settings: Values, words: Mapping[str, tuple[str, ...]], needed: tuple[str, ...]
) -> dict[str, Any]:
    """Return our names with checked values; null counts as not given."""
    ours = {word: name for name, group in words.items() for word in group}
    unknown = [str(word) for word in settings if word not in ours]
    if unknown:
        raise ValueError(
            f"{source}: unknown key {', '.join(map(repr, unknown))}. Known: {', '.join(ours)}."
        )
    found: dict[str, Any] = {}
    for word, value in settings.items():
        name = ours[word]
        if value is None or name == "ignored":
            continue
        if name in found:
            raise ValueError(f"{source}: '{word}' says again what '{words[name][0]}' says.")
        found[name] = _number(source, word, value, name)
    for name in needed:
        if name not in found:
            raise ValueError(f"{source}: '{words[name][0]}' is missing.")
    return found


def _number(source: str, word: str, value: Any, name: str) -> float | bool:
    if name == "has_em_gain":
        if not isinstance(value, bool):
            raise ValueError(f"{source}: '{word}' must be true or false, found {value!r}.")
        return value
    if name == "pixel_size_nm" and isinstance(value, list | tuple) and len(set(value)) == 1:
        value = value[0]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value):
        raise ValueError(f"{source}: '{word}' must be a number, found {value!r}.")
    if name == "pixel_size_nm" and value <= 0:
        raise ValueError(f"{source}: '{word}' must be above 0, found {value}.")
    return float(value)


def _build(
    source: str, found: dict[str, Any], words: Mapping[str, tuple[str, ...]]
) -> ConvertedCamera:
    """Return the camera; what a program leaves out is absent: no read noise, every photon seen."""
    pixel_size_nm = found.pop("pixel_size_nm", None)
    values = {"quantum_efficiency": 1.0, "read_noise_e": 0.0, "spurious_e": 0.0, **found}
    camera: type[EMCCD | SCMOS] = EMCCD if "em_gain" in values else SCMOS
    try:
        built = camera.from_dict(values, source=source)
    except ValueError as error:
        message = str(error)
        for name, group in words.items():  # back into the words of whoever wrote the settings
            message = message.replace(f"'{name}'", f"'{group[0]}'")
        raise ValueError(message) from None
    return ConvertedCamera(built, pixel_size_nm)
