"""Column maps: how a table format's headers and units become ours, one map per format."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from napari_deepsmlm.localizations import REQUIRED_COLUMNS, Localizations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager
    from pathlib import Path

_NM = {"nm": 1.0, "um": 1e3, "µm": 1e3, "μm": 1e3, "micron": 1e3, "mm": 1e6}
_PIXELS = ("px", "pixel", "pixels")
_SAME = {"photons": "photon", "ph": "photon"}

# One lateral uncertainty in the file stands for uncertainty_x_nm and uncertainty_y_nm here.
UNCERTAINTY_XY = "uncertainty_xy_nm"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a format: its header there, as `x [nm]`, and its name here, as `x_nm`."""

    header: str
    name: str
    is_written: bool = True  # False: an older or other spelling that is only read

    @property
    def label(self) -> str:
        """The header without its unit."""
        return split_header(self.header)[0]

    @property
    def unit(self) -> str:
        """The unit in the header, "" if there is none."""
        return split_header(self.header)[1]


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
    is_mine : whether a file that starts with these bytes is of this format.
    read : path and pixel size in nm (None: unknown) to a table.
    writer : path, our column names and camera pixel in nm (None: unknown) to a context that takes
        the rows.
    pixel_size : path to the camera pixel that the file states, nm.
    """

    name: str
    key: str
    suffixes: tuple[str, ...]
    is_mine: Callable[[bytes], bool]
    read: Callable[[Path, float | None], Localizations]
    writer: Callable[[Path, Iterable[str], float | None], AbstractContextManager[TableWriter]]
    pixel_size: Callable[[Path], float | None] = lambda _: None


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
        Half a sentence for :func:`find_columns` if the units do not go together.
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


def find_columns(
    name: str, cells: list[str], columns: Iterable[Column], pixel_size_nm: float | None
) -> tuple[dict[str, tuple[int, float]], list[str]]:
    """Return where our columns stand in the file, and sentences about cells left out.

    Parameters
    ----------
    name : of the file, for errors.
    cells : its header.
    columns : the format's column map.
    pixel_size_nm : converts pixels, None if unknown.

    Returns
    -------
    our name -> (position in `cells`, factor to our unit), and remarks.

    Raises
    ------
    ValueError
        If a required column is missing, has a useless unit, or a column is there twice.
    """
    by_label = {column.label: column for column in columns}
    found: dict[str, tuple[int, float]] = {}
    remarks: list[str] = []
    for position, cell in enumerate(cells):
        column = by_label.get(split_header(cell)[0])
        if column is None:
            remarks.append(f"column '{cell}' is unknown and was left out")
            continue
        if column.name in found:
            first = cells[found[column.name][0]]
            raise ValueError(
                f"{name}: columns '{first}' and '{cell}' both give {column.name}; remove one."
            )
        try:
            found[column.name] = position, unit_factor(cell, column, pixel_size_nm)
        except ValueError as problem:
            if column.name in REQUIRED_COLUMNS:
                raise ValueError(f"{name}: {problem}.") from None
            remarks.append(f"{problem}; it was left out")
    _require(name, found, cells, by_label)
    return found, remarks


def _require(
    name: str, found: dict[str, Any], cells: list[str], by_label: dict[str, Column]
) -> None:
    missing = [
        c.header for c in by_label.values() if c.name in REQUIRED_COLUMNS and c.name not in found
    ]
    if missing:
        shown = ", ".join(cells)
        shown = shown if len(shown) <= 120 else shown[:117] + "..."
        raise ValueError(
            f"{name}: missing columns: {', '.join(missing)}; found: {shown}; export the table with "
            "them."
        )


def split_uncertainty(columns: dict[str, Any]) -> dict[str, Any]:
    """Give the file's single lateral uncertainty to x and to y."""
    if UNCERTAINTY_XY not in columns:
        return columns
    lateral = columns[UNCERTAINTY_XY]
    rest = {name: values for name, values in columns.items() if name != UNCERTAINTY_XY}
    return {**rest, "uncertainty_x_nm": lateral, "uncertainty_y_nm": lateral}


def merged_uncertainty(localizations: Localizations) -> Any:
    """Return (N,) the root mean square of the uncertainties along x and y, nm."""
    names = [n for n in ("uncertainty_x_nm", "uncertainty_y_nm") if n in localizations]
    if len(names) == 1 or localizations[names[0]] is localizations[names[1]]:
        return localizations[names[0]]
    x, y = (localizations[name] for name in names)
    return np.sqrt((np.square(x) + np.square(y)) / 2)


def require_finite(name: str, values: npt.NDArray[np.float64], cell: str) -> None:
    """Refuse positions and frames that are missing or infinite.

    Parameters
    ----------
    name : of the file.
    cell : the header of the column.
    """
    is_finite = np.isfinite(values)
    if not is_finite.all():
        row = int(np.argmin(is_finite))
        what = "empty or NaN" if np.isnan(values[row]) else "infinite"
        raise ValueError(
            f"{name}: row {row + 1} of '{cell}' is {what}; remove the row or export it again."
        )


def frames_from_zero(
    name: str, frame: npt.NDArray[np.float64], first: int
) -> npt.NDArray[np.int64]:
    """Return frames counted from 0 of a file that counts them from `first`."""
    is_wrong = (frame != np.rint(frame)) | (frame < first) | (frame > 2**53)
    if is_wrong.any():
        row = int(np.argmax(is_wrong))
        raise ValueError(
            f"{name}: row {row + 1} has frame {frame[row]:g}; frames must be whole numbers from "
            f"{first}."
        )
    return frame.astype(np.int64) - first
