"""Parquet: our own columns, whole and quick, for large tables; needs the extra `parquet`."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from napari_deepsmlm._files import atomic_write
from napari_deepsmlm.io.frames._planes import is_plausible_pixel_size
from napari_deepsmlm.io.tables.columns import ReadTable, TableFormat, TableUnits
from napari_deepsmlm.io.tables.programs import Program
from napari_deepsmlm.io.tables.rows import usable_rows
from napari_deepsmlm.localizations import REQUIRED_COLUMNS, Localizations

if TYPE_CHECKING:
    from collections.abc import Iterable

PIXEL_KEY = b"napari-deepsmlm pixel_size_nm"
_OURS = Program("napari-deepsmlm", "nm", 0)


def read_parquet(path: Path, _: TableUnits) -> ReadTable:
    """Return a table whose columns carry our names: nm, photons, frames from 0.

    Raises
    ------
    ValueError
        One sentence: what is wrong and what to do.
    """
    parquet = _library()
    try:
        read = parquet.read_table(path)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:120]
        raise ValueError(f"{path.name}: is no readable Parquet file ({reason}).") from None
    missing = [name for name in REQUIRED_COLUMNS if name not in read.column_names]
    if missing:
        raise ValueError(
            f"{path.name}: missing columns: {', '.join(missing)}; found: "
            f"{', '.join(read.column_names)[:120]}; name them so."
        )
    columns = {name: read[name].to_numpy() for name in dict.fromkeys(read.column_names)}
    kept = {name: values for name, values in columns.items() if values.dtype.kind in "iufb"}
    text = [name for name in columns if name not in kept]
    remarks = [f"Not kept because they are no numbers: {', '.join(text)}."] if text else []
    for name in REQUIRED_COLUMNS:
        if name in text:
            raise ValueError(f"{path.name}: column '{name}' holds no numbers.")
        kept[name] = kept[name].astype(np.float64)
    kept, odd = usable_rows(path.name, kept, {name: name for name in kept}, _OURS)
    pixel_nm = _pixel_nm(read.schema.metadata)
    table = Localizations.from_columns(kept)
    return ReadTable(table, pixel_nm, (*remarks, *odd), _OURS.name)


def stated_pixel_size(path: Path) -> float | None:
    """Return the camera pixel that a file states, nm."""
    return _pixel_nm(_library().read_schema(path).metadata)


class ParquetWriter:
    """A Parquet file that takes results as they arrive, every column as it is.

    Parameters
    ----------
    path : the file to write; it appears when the `with` block ends without an error.
    names : our column names that every piece will have.
    pixel_size_nm : camera pixel, kept in the file if it is known.
    """

    def __init__(
        self, path: str | Path, names: Iterable[str], pixel_size_nm: float | None = None
    ) -> None:
        self._parquet = _library()
        self.path = Path(path)
        self._names = list(names)
        self._pixel_nm = pixel_size_nm
        self._stack = ExitStack()
        self._writer: Any = None

    def __enter__(self) -> Self:
        self._file = self._stack.enter_context(atomic_write(self.path))
        return self

    def __exit__(self, kind: Any, *rest: Any) -> None:
        if kind is None and self._writer is None:
            self.append(Localizations.empty(*self._names))
        if self._writer is not None:
            self._writer.close()
        self._stack.__exit__(kind, *rest)

    def append(self, localizations: Localizations) -> None:
        """Add rows."""
        import pyarrow

        table = localizations.to_numpy()
        absent = [name for name in self._names if name not in table]
        if absent:
            raise ValueError(
                f"{self.path.name}: this piece has no column for '{absent[0]}', unlike what the "
                f"file was opened for; found: {', '.join(table.names)}."
            )
        columns = {name: np.asarray(table[name]) for name in self._names}
        piece = pyarrow.table(columns)
        if self._writer is None:
            schema = piece.schema
            if self._pixel_nm is not None:
                schema = schema.with_metadata({PIXEL_KEY: f"{self._pixel_nm!r}".encode()})
            self._writer = self._parquet.ParquetWriter(self._file, schema, compression="zstd")
        self._writer.write_table(piece.cast(self._writer.schema))


def _pixel_nm(metadata: dict[bytes, bytes] | None) -> float | None:
    try:
        size = float((metadata or {})[PIXEL_KEY])
    except (KeyError, ValueError):
        return None
    return size if is_plausible_pixel_size(size) else None


def _library() -> Any:
    try:
        import pyarrow.parquet
    except ImportError:
        raise ValueError(
            "Parquet tables need pyarrow: pip install 'napari-deepsmlm[parquet]'."
        ) from None
    return pyarrow.parquet


FORMAT = TableFormat(
    name="Parquet",
    key="parquet",
    suffixes=(".parquet",),
    read=read_parquet,
    writer=ParquetWriter,
    pixel_size=stated_pixel_size,
)
