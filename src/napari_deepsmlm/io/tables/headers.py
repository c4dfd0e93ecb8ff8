"""Headers of localization tables: one map of the names and units that programs give columns."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from napari_deepsmlm.localizations import KNOWN_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable

# One lateral uncertainty in the file stands for uncertainty_x_nm and uncertainty_y_nm here.
UNCERTAINTY_XY = "uncertainty_xy_nm"

NM_PER_UNIT = {"nm": 1.0, "um": 1e3, "mm": 1e6, "m": 1e9}
PIXELS = "px"

_UNITS = {
    **dict.fromkeys(("nm", "nanometer", "nanometers", "nanometre", "nanometres"), "nm"),
    **dict.fromkeys(("um", "μm", "micron", "microns", "micrometer", "micrometers"), "um"),
    **dict.fromkeys(("micrometre", "micrometres"), "um"),
    **dict.fromkeys(("mm", "millimeter", "millimetre"), "mm"),
    **dict.fromkeys(("m", "meter", "metre"), "m"),
    **dict.fromkeys(("px", "pix", "pixel", "pixels", "camera pixel", "camera pixels"), PIXELS),
    **dict.fromkeys(("photon", "photons", "ph"), "photon"),
}
# A micro sign that was written in UTF-8 and read as Latin-1, or could not be read at all.
_MOJIBAKE = str.maketrans({"Â": "", "â": "", "\xb5": "μ", "\ufffd": "μ"})
_GLUED = ("nm", "um", "μm", "pix", "px")

# Our name: the names of others, the more telling first.
_ALIASES: dict[str, tuple[str, ...]] = {
    "id": ("id", "index", "ground truth"),
    "frame": (
        *("frame", "frames", "frame number", "frame ix", "frame index", "frame no", "frame id"),
        *("framenumber", "frame idx", "image number", "image id", "first frame", "start frame"),
        *("slice", "slice number", "image"),
    ),
    "x_nm": ("x", "position x", "x position", "x coordinate", "x coord", "x pos", "xnano"),
    "y_nm": ("y", "position y", "y position", "y coordinate", "y coord", "y pos", "ynano"),
    "z_nm": ("z", "position z", "z position", "z coordinate", "z coord", "z pos", "znano"),
    "sigma_nm": ("sigma", "sigma1", "sigma x", "psf sigma", "psf sigma x", "psfx", "sx"),
    "sigma_y_nm": ("sigma2", "sigma y", "psf sigma y", "psfy", "sy"),
    "photons": (
        *("intensity", "photons", "number photons", "n photons", "number of photons", "phot"),
        *("photon count", "photon"),
    ),
    "background": ("offset", "background", "bg", "background photons"),
    "background_std": ("bkgstd", "background std"),
    UNCERTAINTY_XY: (
        *("uncertainty xy", "uncertainty", "precision", "lateral localization accuracy"),
        *("localization precision", "locprec", "loc precision", "lateral precision"),
        *("lateral uncertainty", "xy precision", "precision xy", "loc prec"),
    ),
    "uncertainty_x_nm": ("uncertainty x", "x precision", "precision x", "lpx", "x sig"),
    "uncertainty_y_nm": ("uncertainty y", "y precision", "precision y", "lpy", "y sig"),
    "uncertainty_z_nm": (
        *("uncertainty z", "z precision", "precision z", "lpz", "z sig", "locprecz"),
        *("axial localization accuracy", "axial precision", "precision axial"),
    ),
    "detections": ("detections", "number frames"),
    "probability": ("probability", "prob"),
}
# These may be counts of anything where no unit says that they are photons.
_NEED_PHOTONS = frozenset(("intensity", "offset", "bkgstd"))


class Header(NamedTuple):
    """A header cell: its text, its name in lower case without signs, its unit, "" if none."""

    text: str
    label: str
    unit: str


class Meaning(NamedTuple):
    """What a header says: our name, and how telling it is (0 is best)."""

    name: str
    rank: int


def read_header(cell: str) -> Header:
    """Return label and unit of a header cell, whatever way they are written.

    Examples
    --------
    >>> read_header("Position X [nm]")[1:], read_header("x_nm")[1:], read_header("Y (µm)")[1:]
    (('position x', 'nm'), ('x', 'nm'), ('y', 'um'))
    """
    text = cell.strip().strip("\"'").strip()
    plain = text.translate(_MOJIBAKE).casefold()
    match = re.fullmatch(r"(.*?)\s*[\[(]\s*(.*?)\s*[\])]", plain)
    label, unit = match.groups() if match else (plain, "")
    if not label:  # [frame]
        label, unit = unit, ""
    label = re.sub(r"[\s_\-.]+", " ", label).strip()
    if not unit:
        label, unit = _without_glued_unit(label)
    return Header(text, label, _UNITS.get(unit, unit))


def meaning_of(header: Header) -> Meaning | None:
    """Return which of our columns a header names, None if it is none of them."""
    return _BY_LABEL.get(header.label)


def needs_photons(header: Header) -> bool:
    """Whether a count is only known to be photons where its unit says so."""
    return header.label in _NEED_PHOTONS


def is_length(name: str) -> bool:
    """Whether a column of ours is in nm."""
    return name.endswith("_nm")


def is_count(name: str) -> bool:
    """Whether a column of ours is in photons."""
    return name in ("photons", "background", "background_std")


def has_positions(headers: Iterable[Header]) -> bool:
    """Whether frames and lateral positions are among the columns."""
    names = {meaning.name for h in headers if (meaning := meaning_of(h)) is not None}
    return {"frame", "x_nm", "y_nm"} <= names


def _without_glued_unit(label: str) -> tuple[str, str]:
    """Take the unit off `x nm`, `xnm` and `locprecnm`, where what is left is a known name."""
    for unit in _GLUED:
        rest = label.removesuffix(unit).strip()
        if rest != label and rest in _BY_LABEL and is_length(_BY_LABEL[rest].name):
            return rest, unit
    return label, ""


def _by_label() -> dict[str, Meaning]:
    known = {name: (name.removesuffix("_nm").replace("_", " "),) for name in KNOWN_COLUMNS}
    return {
        label: Meaning(name, rank)
        for name, labels in {**known, **_ALIASES}.items()
        for rank, label in enumerate(labels)
    }


_BY_LABEL = _by_label()
