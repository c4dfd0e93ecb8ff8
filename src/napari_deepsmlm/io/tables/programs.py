"""Programs whose text tables are recognised, and what those tables leave unsaid."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from napari_deepsmlm.io.frames._planes import is_plausible_pixel_size
from napari_deepsmlm.io.tables.headers import PIXELS, Header

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True, slots=True)
class Program:
    """A program by the headers of its tables.

    Attributes
    ----------
    name : as people call it, "" for one that nobody knows.
    unit : of lengths whose header has none: "nm", "px", "" (the person is asked).
    first_frame : what it calls the first frame; None: 1, or 0 if the table has a frame 0.
    counts_photons : whether `intensity` without a unit is in photons.
    origin_px : where its pixel (0, 0) begins, for positions in pixels: -0.5 if centres are whole.
    is_transposed : whether its x runs along the rows of the frames.
    """

    name: str = ""
    unit: str = ""
    first_frame: int | None = None
    counts_photons: bool = False
    origin_px: float = 0.0
    is_transposed: bool = False


UNKNOWN = Program()
CHALLENGE = Program("SMLM Challenge", "nm", None, counts_photons=True)
# Speiser et al. 2021, doi:10.1038/s41592-021-01236-x: pixels whose centres are whole numbers, x
# along the first axis of the frames, z in nm.
DECODE = Program("DECODE", PIXELS, 0, origin_px=-0.5, is_transposed=True)
RAPIDSTORM = Program("rapidSTORM", "", 0)

# Sage et al. 2019, doi:10.1038/s41592-019-0364-4.
_CHALLENGE_LABELS = {"frame", "x", "y", "intensity"}
_CHALLENGE_NANO = {"frame", "xnano", "ynano", "intensity"}
_CHALLENGE_ALL = _CHALLENGE_LABELS | _CHALLENGE_NANO | {"id", "ground truth", "z", "znano"}

_BY_HEADERS: tuple[tuple[Program, Callable[[set[str], set[str]], bool]], ...] = (
    (Program("Elyra", "", 1), lambda labels, _: {"first frame", "position x"} <= labels),
    (
        Program("N-STORM", "nm", 1),
        lambda labels, _: {"x", "y", "lateral localization accuracy"} <= labels,
    ),
    (
        Program("Nanoimager", "", None),
        lambda labels, texts: {"channel", "photons"} <= labels and "x (nm)" in texts,
    ),
    (Program("SMAP", "", 1), lambda _, texts: {"xnm", "ynm", "frame"} <= texts),
    (
        Program("Picasso", PIXELS, 0, origin_px=-0.5),
        lambda labels, _: {"frame", "x", "y", "lpx", "lpy", "photons"} <= labels,
    ),
)


def program_of(headers: Sequence[Header], comments: Sequence[str]) -> Program:
    """Return the program that wrote a table, `UNKNOWN` if nothing tells.

    Parameters
    ----------
    headers : of its columns.
    comments : the lines before them.
    """
    if any("decode emitterset" in line.casefold() for line in comments[:1]):
        return decode_program(comments)
    if any(line.lstrip("# ").startswith("<localizations") for line in comments[:1]):
        return RAPIDSTORM
    labels = {header.label for header in headers}
    texts = {header.text.casefold() for header in headers}
    has_units = any(header.unit for header in headers)
    is_whole = labels >= _CHALLENGE_LABELS or labels >= _CHALLENGE_NANO
    if not has_units and is_whole and labels <= _CHALLENGE_ALL:
        return CHALLENGE
    for program, is_its_own in _BY_HEADERS:
        if is_its_own(labels, texts) and not (program.unit == PIXELS and has_units):
            return program
    return UNKNOWN


def rapidstorm_cells(comment: str) -> list[str]:
    """Return header cells for the columns that a first line of rapidSTORM describes.

    Examples
    --------
    >>> rapidstorm_cells('# <localizations><field identifier="Position-0-0" unit="nanometer" />')
    ['x [nanometer]']
    """
    cells: list[str] = []
    for field in re.findall(r"<field\b[^>]*>", comment):
        known = dict(re.findall(r"(\w+)\s*=\s*\"([^\"]*)\"", field))
        name, unit = str(known.get("identifier", "")), str(known.get("unit", ""))
        label = _RAPIDSTORM.get(name.casefold(), name)
        cells.append(label if label in ("frame", name) else f"{label} [{unit}]")
    return cells


_RAPIDSTORM = {
    "position-0-0": "x",
    "position-1-0": "y",
    "position-2-0": "z",
    "position-0-0-uncertainty": "uncertainty x",
    "position-1-0-uncertainty": "uncertainty y",
    "position-2-0-uncertainty": "uncertainty z",
    "imagenumber-0-0": "frame",
}


def stated_pixel_nm(comments: Sequence[str]) -> float | None:
    """Return the camera pixel in the comment lines of DECODE, nm."""
    for key, value in _decode_meta(comments).items():
        found = value if isinstance(value, list) else [value]
        sizes = [float(size) for size in found if isinstance(size, int | float)]
        is_square = len(sizes) == len(found) > 0 and max(sizes) <= 1.01 * min(sizes)
        if key == "px_size" and is_square and is_plausible_pixel_size(sizes[0]):
            return sizes[0]
    return None


def decode_program(comments: Sequence[str]) -> Program:
    """Return DECODE with the lateral unit that a file of it states."""
    unit = _decode_meta(comments).get("xy_unit")
    return replace(DECODE, unit=str(unit) if unit in ("nm", PIXELS) else "")


def remarks_on(program: Program) -> list[str]:
    """Return sentences on what was taken for granted of a program's table."""
    remarks = []
    if program.unit:
        unit = "camera pixels" if program.unit == PIXELS else program.unit
        remarks.append(f"It is a table of {program.name}; positions were taken to be in {unit}.")
    if program.is_transposed:
        remarks.append(f"{program.name} counts x down the rows; x and y were exchanged.")
    return remarks


def _decode_meta(comments: Sequence[str]) -> dict[str, object]:
    for line in comments[:4]:
        try:
            values = json.loads(line.lstrip("# "))
        except (ValueError, RecursionError):
            continue
        if isinstance(values, dict) and "xy_unit" in values:
            return values
    return {}
