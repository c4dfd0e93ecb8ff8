"""Localization tables on disk: the format follows the file's ending and its first bytes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_deepsmlm.io import thunderstorm
from napari_deepsmlm.io._planes import is_plausible_pixel_size
from napari_deepsmlm.io._storage import ReadOnlyFile
from napari_deepsmlm.io.thunderstorm import LocalizationWriter

if TYPE_CHECKING:
    from napari_deepsmlm.io.columns import TableFormat
    from napari_deepsmlm.localizations import Localizations

__all__ = ["FORMATS", "LocalizationWriter", "read_localizations", "write_localizations"]

# A new format is one file with a column map and one entry here, the more special first.
FORMATS: tuple[TableFormat, ...] = (thunderstorm.FORMAT,)

_HEAD_BYTES = 4096


def read_localizations(path: str | Path, *, pixel_size_nm: float | None = None) -> Localizations:
    """Return the localizations of a file, in nm and with frames from 0.

    Parameters
    ----------
    path : a table in one of `FORMATS`.
    pixel_size_nm : camera pixel, nm, for a file that states pixels and no size of its own.

    Raises
    ------
    FileNotFoundError, PermissionError, ValueError
        One sentence: what is wrong, where, and what to do.

    Examples
    --------
    >>> import tempfile
    >>> from napari_deepsmlm.localizations import Localizations
    >>> path = Path(tempfile.mkdtemp()) / "table.csv"
    >>> write_localizations(Localizations(frame=[0], x_nm=[150], y_nm=[50]), path)
    >>> read_localizations(path).x_nm
    array([150.])
    """
    path = Path(path)
    if pixel_size_nm is not None and not is_plausible_pixel_size(pixel_size_nm):
        raise ValueError(f"The pixel size must be between 1 and 10000 nm, got {pixel_size_nm:g}.")
    candidates = _formats_for(path)
    file = ReadOnlyFile(path)
    head = file.read_at(0, _HEAD_BYTES)
    file.close()
    if not head:
        raise ValueError(f"{path.name}: the file is empty; export the table again.")
    table_format = next((f for f in candidates if f.is_mine(head)), candidates[-1])
    return table_format.read(path, pixel_size_nm)


def write_localizations(localizations: Localizations, path: str | Path) -> None:
    """Write a table in the format of the file's ending; the file appears whole or not at all.

    Raises
    ------
    ValueError
        If the ending is unknown or its format can only be read.
    """
    path = Path(path)
    for table_format in _formats_for(path):
        if table_format.writer is not None:
            with table_format.writer(path, localizations.names) as writer:
                writer.append(localizations)
            return
    raise ValueError(f"{path.name}: this format can only be read; write a .csv file instead.")


def _formats_for(path: Path) -> list[TableFormat]:
    matching = [f for f in FORMATS if path.suffix.lower() in f.suffixes]
    if not matching:
        known = ", ".join(f"{suffix} ({f.name})" for f in FORMATS for suffix in f.suffixes)
        raise ValueError(f"{path.name}: unknown table format '{path.suffix}'. Available: {known}.")
    return matching
