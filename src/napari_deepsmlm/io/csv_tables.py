"""CSV tables: text files of numbers under a header, for any column map."""

from __future__ import annotations

import csv
import io
import logging
import re
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_deepsmlm._files import atomic_write
from napari_deepsmlm.io._csv import format_rows
from napari_deepsmlm.io._storage import ReadOnlyFile
from napari_deepsmlm.io.columns import (
    UNCERTAINTY_XY,
    Column,
    find_columns,
    frames_from_zero,
    merged_uncertainty,
    require_finite,
    split_uncertainty,
)
from napari_deepsmlm.localizations import REQUIRED_COLUMNS, Localizations

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

logger = logging.getLogger(__name__)

FIRST_FRAME = 1  # in the file; 0 in memory
_WHOLE = ("id", "detections")
_DECIMALS = 5
_ROWS_PER_BLOCK = 1 << 16
_HEAD_BYTES = 1 << 16


class CsvWriter:
    """A table of numbers that takes results as they arrive.

    The file appears when the `with` block ends without an error; until then an older file of that
    name stays as it is. Rows are numbered on unless the table has an `id` of its own. Values
    are written with five decimals; uncertainties along x and y as their root mean square.

    Parameters
    ----------
    path : the file to write.
    columns : those of the file, in its order.
    names : our column names that every piece will have, as `Localizations.names`.
    format_name : as people call it.
    quoted : whether header cells stand in quotation marks.
    """

    def __init__(
        self,
        path: str | Path,
        columns: Sequence[Column],
        names: Iterable[str],
        *,
        format_name: str,
        quoted: bool = False,
    ) -> None:
        names = set(names)
        missing = [name for name in REQUIRED_COLUMNS if name not in names]
        if missing:
            raise ValueError(f"A table needs the columns {', '.join(missing)} too.")
        self.path = Path(path)
        self.n_written = 0
        self._columns = columns
        self._mark = '"' if quoted else ""
        self._has_id = "id" in names
        self._stack = ExitStack()
        self._file: BinaryIO | None = None
        lost = sorted(names - _kept_names(columns))
        if lost:
            logger.warning("%s: %s has no column for %s.", self.path.name, format_name, lost)

    def __enter__(self) -> Self:
        self._file = self._stack.enter_context(atomic_write(self.path))
        header = ",".join(f"{self._mark}{column.header}{self._mark}" for column in self._columns)
        self._file.write(f"{header}\n".encode())
        return self

    def __exit__(self, *error: Any) -> None:
        self._file = None
        self._stack.__exit__(*error)

    def append(self, localizations: Localizations) -> None:
        """Add rows; they go to the disk in blocks.

        Raises
        ------
        ValueError
            If a column is missing that the writer was opened for.
        """
        if self._file is None:
            raise ValueError(f"{self.path.name}: open the writer in a `with` block first.")
        table = localizations.to_numpy()
        for start in range(0, len(table), _ROWS_PER_BLOCK):
            block = table[start : start + _ROWS_PER_BLOCK]
            values = [self._values(block, column) for column in self._columns]
            self._file.write(format_rows(values, _DECIMALS))
            self.n_written += len(block)

    def _values(self, block: Localizations, column: Column) -> npt.NDArray[Any]:
        if column.name == "id" and not self._has_id:
            return np.arange(self.n_written + 1, self.n_written + 1 + len(block))
        if column.name == "frame":
            return np.asarray(block.frame) + FIRST_FRAME
        try:
            if column.name == UNCERTAINTY_XY:
                return np.asarray(merged_uncertainty(block))
            return np.asarray(block[column.name])
        except (KeyError, IndexError):
            raise ValueError(
                f"{self.path.name}: this piece has no column for '{column.header}', unlike what "
                f"the file was opened for; found: {', '.join(block.names)}."
            ) from None


def read_csv_table(
    path: Path, columns: Sequence[Column], pixel_size_nm: float | None = None
) -> Localizations:
    """Return the table of a CSV with these columns.

    Headers may differ in case and spaces; `;` and tabs as separators and decimal commas are
    understood. Positions in pixels need `pixel_size_nm`. Columns we do not know are left out and
    logged.

    Raises
    ------
    ValueError
        One sentence saying what is wrong, in which row, and what to do.
    """
    text_format = _look_at(path)
    found, remarks = find_columns(path.name, text_format.cells, columns, pixel_size_nm)
    for remark in remarks:
        logger.warning("%s: %s.", path.name, remark)
    table = _parse(path, text_format)
    ours: dict[str, npt.NDArray[Any]] = {}
    for name, (position, factor) in found.items():
        values = _numbers(path.name, table.pop(str(position)), text_format.cells[position])
        ours[name] = values if factor == 1 else values * factor
    for name in REQUIRED_COLUMNS:
        require_finite(path.name, ours[name], text_format.cells[found[name][0]])
    ours["frame"] = frames_from_zero(path.name, ours["frame"], FIRST_FRAME)
    for name in _WHOLE:
        if name in ours and np.isfinite(ours[name]).all():
            ours[name] = ours[name].astype(np.int64)
    return Localizations.from_columns(split_uncertainty(ours))


def header_cells(head: bytes) -> list[str]:
    """Return the header of a CSV by its first bytes, [] if it is no text."""
    try:
        return _TextFormat("", head.decode("utf-8-sig", errors="replace")).cells
    except ValueError:
        return []


def _kept_names(columns: Sequence[Column]) -> set[str]:
    kept = {column.name for column in columns}
    return kept | {"uncertainty_x_nm", "uncertainty_y_nm"} if UNCERTAINTY_XY in kept else kept


class _TextFormat:
    """How a CSV is written: header cells, separator, decimal mark, lines before the data."""

    def __init__(self, name: str, head: str) -> None:
        lines = re.split(r"\r\n|\r|\n", head)
        n_blank = next((i for i, line in enumerate(lines) if line.strip()), -1)
        if n_blank < 0:
            raise ValueError(f"{name}: the file is empty; export the table again.")
        header, rows = lines[n_blank], [line for line in lines[n_blank + 1 :] if line.strip()]
        self.n_skipped = n_blank + 1
        self.separator = max(",;\t", key=lambda mark: len(_split(header, mark)))
        self.cells = [cell.strip() for cell in _split(header, self.separator)]
        first_row = rows[0] if rows else ""
        has_comma = "," in first_row
        self.decimal = "," if has_comma and self.separator != "," else "."
        if rows and len(_split(first_row, self.separator)) > len(self.cells):
            raise ValueError(
                f"{name}: row 1 has {len(_split(first_row, self.separator))} cells but the header "
                f"has {len(self.cells)}; if the numbers have decimal commas, export them with "
                "decimal points."
            )


def _look_at(path: Path) -> _TextFormat:
    file = ReadOnlyFile(path)
    try:
        head = file.read_at(0, _HEAD_BYTES)
    finally:
        file.close()
    if b"\0" in head:
        raise ValueError(f"{path.name}: is not a text file; export the table as CSV.")
    text = head.decode("utf-8-sig", errors="replace")
    complete_lines = text if len(head) == file.size else text.rpartition("\n")[0]
    return _TextFormat(path.name, complete_lines)


def _split(line: str, separator: str) -> list[str]:
    return next(csv.reader(io.StringIO(line), delimiter=separator), [])


def _parse(path: Path, text_format: _TextFormat) -> pd.DataFrame:
    try:
        table = pd.read_csv(
            path,
            sep=text_format.separator,
            decimal=text_format.decimal,
            skiprows=text_format.n_skipped,
            header=None,
            names=[str(i) for i in range(len(text_format.cells))],
            low_memory=False,
            encoding="utf-8",
            encoding_errors="replace",
            skipinitialspace=True,
        )
    except (pd.errors.ParserError, ValueError, OverflowError) as error:
        reason = " ".join(str(error).split()).removeprefix("Error tokenizing data. C error: ")
        raise ValueError(
            f"{path.name}: its rows are damaged ({reason.rstrip('.')}); export the table again."
        ) from None
    if not isinstance(table.index, pd.RangeIndex):  # pandas makes surplus cells an index
        raise ValueError(
            f"{path.name}: its rows have more cells than the header; export the table again."
        )
    return table


def _numbers(name: str, column: pd.Series[Any], cell: str) -> npt.NDArray[np.float64]:
    if column.dtype.kind in "iuf":
        return column.to_numpy(np.float64)
    numbers = pd.to_numeric(column.astype(str).where(column.notna()), errors="coerce")
    is_text = (numbers.isna() & column.notna()).to_numpy()
    if not is_text.any():  # an empty column, or whole numbers beyond 64 bits
        return numbers.to_numpy(np.float64)
    row = int(np.argmax(is_text))
    text = " ".join(str(column.iloc[row]).split())[:40]
    hint = "export it with decimal points" if "," in text else "correct or remove the row"
    raise ValueError(f"{name}: row {row + 1} of '{cell}' is '{text}', not a number; {hint}.")
