"""Table formats: the columns that each one writes, and what reading and writing need of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_deepsmlm.io.tables.headers import UNCERTAINTY_XY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from napari_deepsmlm.localizations import Localizations

_NM = {"nm": 1.0, "um": 1e3, "µm": 1e3, "μm": 1e3, "micron": 1e3, "mm": 1e6}
_PIXELS = ("px", "pixel", "pixels")
_SAME = {"photons": "photon", "ph": "photon"}


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a format: its header there, as `x [nm]`, and its name here, as `x_nm`."""

    header: str
    name: str
    is_written: bool = True  # False: an older spelling that filters still know

    @property
    def label(self) -> str:
        """The header without its unit."""
        return split_header(self.header)[0]

    @property
    def unit(self) -> str:
        """The unit in the header, "" if there is none."""
        return split_header(self.header)[1]


@dataclass(frozen=True, slots=True)
class TableUnits:
    """What a person says of a table that does not say it itself.

    Attributes
    ----------
    pixel_size_nm : camera pixel, nm, for a table in pixels.
    unit : "nm", "um" or "px", of lengths whose header has no unit.
    """

    pixel_size_nm: float | None = None
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class ReadTable:
    """Localizations with what their file says about them, and what was done to read them.

    Attributes
    ----------
    pixel_size_nm : camera pixel that the file states, nm.
    remarks : sentences that a person should read.
    program : that wrote the file, "" if nothing tells.
    """

    localizations: Localizations
    pixel_size_nm: float | None = None
    remarks: tuple[str, ...] = ()
    program: str = ""


class TableWriter(Protocol):
    """Takes localizations piece by piece."""

    def append(self, localizations: Localizations) -> None:
        """Add rows."""


@dataclass(frozen=True, slots=True)
class TableFormat:
    """A file format of localization tables.

    Attributes
    ----------
    name : as people call it.
    key : the same in one word, for a command line.
    suffixes : file endings, in lower case with the dot.
    read : path and what the person says of units to a table.
    writer : path, our column names and camera pixel in nm (None: unknown) to a context that takes
        the rows.
    pixel_size : path to the camera pixel that the file states, nm.
    """

    name: str
    key: str
    suffixes: tuple[str, ...]
    read: Callable[[Path, TableUnits], ReadTable]
    writer: Callable[[Path, Iterable[str], float | None], AbstractContextManager[TableWriter]]
    pixel_size: Callable[[Path], float | None] = lambda _: None
    has_lateral: bool = False
    """Whether one column may stand for the uncertainties along x and along y."""

    def names_for(self, table: Localizations) -> set[str]:
        """Return the columns of a table that the file needs to hold all that is in it."""
        names = set(table.names)
        both = {"uncertainty_x_nm", "uncertainty_y_nm"}
        if self.has_lateral and both <= names:
            x, y = (np.asarray(table[name]) for name in sorted(both))
            if x is y or np.array_equal(x, y, equal_nan=True):
                names.discard("uncertainty_y_nm")
        return names


def split_header(cell: str) -> tuple[str, str]:
    """Return label and unit of a header cell, in lower case.

    >>> split_header(" Intensity [photon]")
    ('intensity', 'photon')
    """
    match = re.fullmatch(r"\s*(.*?)\s*(?:\[\s*(.*?)\s*\])?\s*", cell.casefold())
    label, unit = match.groups(default="") if match else (cell.casefold(), "")
    return re.sub(r"\s+", " ", label), _SAME.get(unit, unit)


def unit_factor(cell: str, column: Column, pixel_size_nm: float | None) -> float:
    """Return what turns values under the header `cell` into the unit of `column`.

    Raises
    ------
    ValueError
        Half a sentence if the units do not go together.
    """
    unit = split_header(cell)[1]
    if unit == column.unit:
        return 1.0
    if column.unit == "nm" and unit in _NM:
        return _NM[unit]
    if column.unit == "nm" and unit in _PIXELS:
        if pixel_size_nm is None:
            raise ValueError(f"column '{cell}' is in pixels; give the pixel size in nm")
        return pixel_size_nm
    found = f"the unit '{unit}'" if unit else "no unit"
    raise ValueError(f"column '{cell}' has {found} but '{column.header}' is needed")


def split_uncertainty(columns: dict[str, Any]) -> dict[str, Any]:
    """Give the file's single lateral uncertainty to x and to y, unless they have their own."""
    if UNCERTAINTY_XY not in columns:
        return columns
    lateral = columns[UNCERTAINTY_XY]
    rest = {name: values for name, values in columns.items() if name != UNCERTAINTY_XY}
    return {"uncertainty_x_nm": lateral, "uncertainty_y_nm": lateral, **rest}


def merged_uncertainty(localizations: Localizations) -> Any:
    """Return (N,) the root mean square of the uncertainties along x and y, nm."""
    names = [n for n in ("uncertainty_x_nm", "uncertainty_y_nm") if n in localizations]
    if len(names) == 1 or localizations[names[0]] is localizations[names[1]]:
        return localizations[names[0]]
    x, y = (localizations[name] for name in names)
    return np.sqrt((np.square(x) + np.square(y)) / 2)
