"""CSV tables: numbers under a header, written piece by piece, for any column map."""

from __future__ import annotations

import logging
import re
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Self

import numpy as np
import numpy.typing as npt

from napari_deepsmlm._files import atomic_write
from napari_deepsmlm.io.tables._csv import format_rows
from napari_deepsmlm.io.tables.columns import Column, merged_uncertainty
from napari_deepsmlm.io.tables.headers import UNCERTAINTY_XY
from napari_deepsmlm.localizations import REQUIRED_COLUMNS, Localizations

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

logger = logging.getLogger(__name__)

FIRST_FRAME = 1  # in the file; 0 in memory
_DECIMALS = 5
_ROWS_PER_BLOCK = 1 << 16


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
        header = ",".join(
            f"{self._mark}{_safe(column.header)}{self._mark}" for column in self._columns
        )
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


def _kept_names(columns: Sequence[Column]) -> set[str]:
    kept = {column.name for column in columns}
    return kept | {"uncertainty_x_nm", "uncertainty_y_nm"} if UNCERTAINTY_XY in kept else kept


def _safe(header: str) -> str:
    """Return a header that no spreadsheet takes for a formula, and that is one cell.

    Examples
    --------
    >>> _safe('=cmd("x"),1')
    "'=cmd('x') 1"
    """
    plain = re.sub(r"[\x00-\x1f,;]+", " ", header.replace('"', "'"))
    return f"'{plain}" if plain[:1] in "=+-@" and plain else plain
