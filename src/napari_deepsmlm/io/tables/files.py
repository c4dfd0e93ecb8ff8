"""Localization tables on disk: the format follows the file's ending and its first bytes."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from napari_deepsmlm._boundary import reading
from napari_deepsmlm.io._storage import ReadOnlyFile
from napari_deepsmlm.io.frames._planes import is_plausible_pixel_size
from napari_deepsmlm.io.tables import challenge, decode, hdf5_tables, parquet, smlm, thunderstorm
from napari_deepsmlm.io.tables._hdf5 import SIGNATURE
from napari_deepsmlm.io.tables.columns import ReadTable, TableUnits
from napari_deepsmlm.io.tables.meanings import UnitNeeded
from napari_deepsmlm.io.tables.thunderstorm import LocalizationWriter

if TYPE_CHECKING:
    from napari_deepsmlm.io.tables.columns import TableFormat
    from napari_deepsmlm.localizations import Localizations

logger = logging.getLogger(__name__)

__all__ = [
    "FORMATS",
    "LocalizationWriter",
    "ReadTable",
    "UnitNeeded",
    "read_localizations",
    "read_table",
    "table_pixel_size",
    "write_localizations",
]

# A new format is one file with a column map and one entry here, the more special first.
FORMATS: tuple[TableFormat, ...] = (
    decode.FORMAT,
    hdf5_tables.FORMAT,
    challenge.FORMAT,
    smlm.FORMAT,
    parquet.FORMAT,
    thunderstorm.FORMAT,
)

# Text tables have these endings too; which program wrote them, their first lines tell.
TEXT_ENDINGS = (".csv", ".txt", ".tsv", ".xls", ".dat", ".tab", ".asc")
UNITS = ("nm", "um", "px")
_HDF5_ENDINGS = hdf5_tables.FORMAT.suffixes
_MATLAB_BLOCK = 512  # MATLAB's own bytes before those of HDF5


def read_table(
    path: str | Path, *, pixel_size_nm: float | None = None, unit: str | None = None
) -> ReadTable:
    """Return the localizations of a file with remarks on what was done to read them.

    Parameters
    ----------
    path : a table of any of `FORMATS`, or a text table of any program.
    pixel_size_nm : camera pixel, nm, for a file that states pixels and no size of its own.
    unit : nm, um or px, for a file that states none.

    Raises
    ------
    UnitNeeded
        If the file leaves open in which unit positions are, or how large a pixel is.
    FileNotFoundError, PermissionError, ValueError
        One sentence: what is wrong, where, and what to do.
    """
    path = Path(path)
    _require_plausible(pixel_size_nm)
    if unit is not None and unit not in UNITS:
        raise ValueError(f"Unknown unit '{unit}'. Available: {', '.join(UNITS)}.")
    with reading(path):
        return _format_of(path).read(path, TableUnits(pixel_size_nm, unit))


def read_localizations(
    path: str | Path, *, pixel_size_nm: float | None = None, unit: str | None = None
) -> Localizations:
    """Return the localizations of a file, in nm and with frames from 0; see :func:`read_table`.

    What was done to read it is logged.

    Examples
    --------
    >>> import tempfile
    >>> from napari_deepsmlm.localizations import Localizations
    >>> path = Path(tempfile.mkdtemp()) / "table.csv"
    >>> write_localizations(Localizations(frame=[0], x_nm=[150], y_nm=[50]), path)
    >>> read_localizations(path).x_nm
    array([150.])
    """
    table = read_table(path, pixel_size_nm=pixel_size_nm, unit=unit)
    for remark in table.remarks:
        logger.warning("%s: %s", Path(path).name, remark)
    return table.localizations


def table_pixel_size(path: str | Path) -> float | None:
    """Return the camera pixel that a table states, nm, None if its format has no place for it."""
    path = Path(path)
    with reading(path):
        return _format_of(path).pixel_size(path)


def write_localizations(
    localizations: Localizations,
    path: str | Path,
    *,
    kind: str | None = None,
    pixel_size_nm: float | None = None,
) -> None:
    """Write a table in the format of the file's ending; the file appears whole or not at all.

    Parameters
    ----------
    kind : thunderstorm, picasso, challenge, smlm or parquet; by the ending if not given (.csv:
        thunderstorm).
    pixel_size_nm : camera pixel, nm, for a format that counts in it (Picasso: 100 if not given).

    Raises
    ------
    ValueError
        If the ending is unknown, or not one of the chosen format.
    """
    path = Path(path)
    _require_plausible(pixel_size_nm)
    matching = _formats_for(path)
    if kind is None:
        matching = matching[-1:]
    chosen = [f for f in FORMATS if f.key == kind] if kind else matching
    if not chosen:
        raise ValueError(
            f"Unknown format '{kind}'. Available: {', '.join(f.key for f in FORMATS)}."
        )
    if chosen[0] not in matching:
        endings = ", ".join(chosen[0].suffixes)
        raise ValueError(f"{path.name}: {chosen[0].name} files end in {endings}.")
    with chosen[0].writer(path, chosen[0].names_for(localizations), pixel_size_nm) as writer:
        writer.append(localizations)


def require_table_ending(path: str | Path) -> None:
    """Refuse a file whose ending is that of no table.

    Raises
    ------
    ValueError
        One sentence with the endings that there are.
    """
    _formats_for(Path(path))


def _format_of(path: Path) -> TableFormat:
    """Return what reads a file, by its ending and first bytes."""
    ending = path.suffix.lower()
    if ending not in (*TEXT_ENDINGS, ".mat"):
        _formats_for(path)
    file = ReadOnlyFile(path)
    head = file.read_at(0, _MATLAB_BLOCK + len(SIGNATURE))
    file.close()
    if not head:
        raise ValueError(f"{path.name}: the file is empty; export the table again.")
    for own in (parquet.FORMAT, smlm.FORMAT):
        if ending in own.suffixes:
            return own
    is_hdf5 = SIGNATURE in (head[: len(SIGNATURE)], head[_MATLAB_BLOCK:])
    if ending == ".mat" and not is_hdf5:
        raise ValueError(
            f"{path.name}: is no MATLAB 7.3 file; save the table of SMAP as CSV, or again with "
            "-v7.3."
        )
    return hdf5_tables.FORMAT if is_hdf5 or ending in _HDF5_ENDINGS else thunderstorm.FORMAT


def _require_plausible(pixel_size_nm: float | None) -> None:
    if pixel_size_nm is not None and not is_plausible_pixel_size(pixel_size_nm):
        raise ValueError(f"The pixel size must be between 1 and 10000 nm, got {pixel_size_nm:g}.")


def _formats_for(path: Path) -> list[TableFormat]:
    matching = [f for f in FORMATS if path.suffix.lower() in f.suffixes]
    if not matching:
        endings = dict.fromkeys(suffix for f in reversed(FORMATS) for suffix in f.suffixes)
        known = ", ".join(f"{suffix} ({_names_of(suffix)})" for suffix in endings)
        raise ValueError(f"{path.name}: unknown table format '{path.suffix}'. Available: {known}.")
    return matching


def _names_of(suffix: str) -> str:
    return ", ".join(f.name for f in reversed(FORMATS) if suffix in f.suffixes)
