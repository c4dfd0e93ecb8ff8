"""Which column of a file is which of ours, and what turns its values into our units."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from napari_deepsmlm.io.tables.headers import (
    NM_PER_UNIT,
    PIXELS,
    Header,
    is_count,
    is_length,
    meaning_of,
    needs_photons,
    read_header,
)
from napari_deepsmlm.localizations import REQUIRED_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_deepsmlm.io.tables.columns import TableUnits
    from napari_deepsmlm.io.tables.programs import Program

_LATERAL = {"x_nm": "y_nm", "y_nm": "x_nm"}
_SIDES = {"_x_nm": "_y_nm", "_y_nm": "_x_nm"}
_NEEDED = {"frame": "frame", "x_nm": "x [nm]", "y_nm": "y [nm]"}


class UnitNeeded(ValueError):
    """The file does not say in which unit its positions are, or how large its pixels are."""

    def __init__(self, sentence: str, *, is_pixel: bool) -> None:
        super().__init__(sentence)
        self.is_pixel = is_pixel
        """Whether only the size of a camera pixel is missing."""


class Place(NamedTuple):
    """A column of the file; ours = (value + offset) x factor."""

    position: int
    factor: float = 1.0
    offset: float = 0.0


@dataclass(slots=True)
class Found:
    """Our columns and the others of a file."""

    ours: dict[str, Place]
    others: dict[str, int]
    remarks: list[str] = field(default_factory=list)

    def positions(self) -> Iterator[tuple[str, int]]:
        """Yield our names with the number of the column."""
        yield from ((name, place.position) for name, place in self.ours.items())


def find_columns(name: str, cells: Sequence[str], units: TableUnits, program: Program) -> Found:
    """Return where our columns stand in a file, and its others.

    Parameters
    ----------
    name : of the file, for errors.
    cells : its header.
    units : what the person says of units.
    program : what is known of the program that wrote it.

    Raises
    ------
    UnitNeeded
        If positions have no unit, or are in pixels of unknown size.
    ValueError
        If a required column is missing, has a useless unit, or a column is there twice.
    """
    headers = [read_header(cell) for cell in cells]
    found = Found({}, {})
    problems: dict[str, ValueError] = {}
    for own, candidates in _candidates(headers).items():
        _choose(name, own, candidates, headers, found, problems, units, program)
    for own in REQUIRED_COLUMNS:
        if own in problems and own not in found.ours:
            raise problems[own]
    missing = [needed for own, needed in _NEEDED.items() if own not in found.ours]
    if missing:
        shown = ", ".join(cells)
        shown = shown if len(shown) <= 120 else shown[:117] + "..."
        raise ValueError(
            f"{name}: missing columns: {', '.join(missing)}; found: {shown}; export the table with "
            "them."
        )
    taken = {place.position for place in found.ours.values()}
    for position, header in enumerate(headers):
        if position not in taken and header.text:
            found.others.setdefault(_free_name(header.text, found), position)
    if program.is_transposed:
        found.ours = {_transposed(own): place for own, place in found.ours.items()}
    return found


def _candidates(headers: Sequence[Header]) -> dict[str, list[int]]:
    """Return the columns that each of our names could be, the best named first."""
    by_name: dict[str, list[tuple[int, int]]] = {}
    for position, header in enumerate(headers):
        meaning = meaning_of(header)
        if meaning is not None:
            by_name.setdefault(meaning.name, []).append((meaning.rank, position))
    return {own: [position for _, position in sorted(ranked)] for own, ranked in by_name.items()}


def _choose(
    name: str,
    own: str,
    candidates: list[int],
    headers: Sequence[Header],
    found: Found,
    problems: dict[str, ValueError],
    units: TableUnits,
    program: Program,
) -> None:
    """Take the first column that has a useful unit, one in pixels only for want of another."""
    usable: list[tuple[bool, int, Place]] = []
    for order, position in enumerate(candidates):
        try:
            place = _place(name, own, headers[position], position, units, program)
        except ValueError as problem:
            problems.setdefault(own, problem)
            if own not in REQUIRED_COLUMNS:
                text = str(problem).removeprefix(f"{name}: ").rstrip(".")
                found.remarks.append(f"{text[0].upper()}{text[1:]}; it was kept as it is.")
            continue
        usable.append((headers[position].unit == PIXELS, order, place))
    if not usable:
        return
    usable.sort(key=lambda one: one[:2])
    found.ours[own] = usable[0][2]
    twins = [p for _, _, p in usable[1:] if _says_the_same(headers, usable[0][2], p)]
    if twins:
        first, second = (headers[p.position].text for p in (usable[0][2], twins[0]))
        raise ValueError(f"{name}: columns '{first}' and '{second}' both give {own}; remove one.")


def _says_the_same(headers: Sequence[Header], first: Place, second: Place) -> bool:
    one, other = headers[first.position], headers[second.position]
    return (one.label, one.unit) == (other.label, other.unit)


def _place(
    name: str, own: str, header: Header, position: int, units: TableUnits, program: Program
) -> Place:
    """Return what turns a column into ours.

    Raises
    ------
    UnitNeeded, ValueError
        If its unit is missing or of no use.
    """
    if is_count(own):
        is_plain = program.counts_photons or not needs_photons(header)
        if header.unit == "photon" or (not header.unit and is_plain):
            return Place(position)
        raise ValueError(f"{name}: {_wrong_unit(header, own.replace('_', ' ') + ' [photon]')}.")
    if not is_length(own):
        return Place(position)
    if own in REQUIRED_COLUMNS and header.unit and units.unit not in (None, header.unit):
        raise ValueError(
            f"{name}: column '{header.text}' says itself that it is in {header.unit}, not in "
            f"{units.unit}; leave out the unit, or mend the header."
        )
    unit = header.unit or units.unit or program.unit
    if own in ("z_nm", "uncertainty_z_nm") and not header.unit and unit == PIXELS:
        unit = "nm"  # depth is in nm, also where positions are in pixels
    if unit in NM_PER_UNIT:
        offset = -program.origin_px if own in _LATERAL and not header.unit else 0.0
        size = units.pixel_size_nm
        if offset and size is not None:
            return Place(position, NM_PER_UNIT[unit], offset * size / NM_PER_UNIT[unit])
        return Place(position, NM_PER_UNIT[unit])
    if unit == PIXELS:
        if units.pixel_size_nm is None:
            raise UnitNeeded(
                f"{name}: column '{header.text}' is in pixels; give the pixel size in nm "
                "(--pixel-size).",
                is_pixel=True,
            )
        offset = -program.origin_px if own in _LATERAL else 0.0
        return Place(position, units.pixel_size_nm, offset)
    if unit:
        raise ValueError(f"{name}: {_wrong_unit(header, own.removesuffix('_nm') + ' [nm]')}.")
    raise UnitNeeded(
        f"{name}: {_wrong_unit(header, own.removesuffix('_nm') + ' [nm]')}; say in which unit "
        "positions are (--unit nm, um or px).",
        is_pixel=False,
    )


def _wrong_unit(header: Header, needed: str) -> str:
    found = f"the unit '{header.unit}'" if header.unit else "no unit"
    return f"column '{header.text}' has {found} but '{needed}' is needed"


def _free_name(text: str, found: Found) -> str:
    """Return a name for a column that we do not know, the file's own where that is free."""
    return f"{text} (file)" if text in found.ours or text in found.others else text


def _transposed(own: str) -> str:
    if own in _LATERAL:
        return _LATERAL[own]
    for side, other in _SIDES.items():
        if own.endswith(side):
            return own.removesuffix(side) + other
    return own
