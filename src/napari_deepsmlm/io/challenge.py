"""SMLM Challenge CSV: number, frame, position in nm and photons, under a header without units."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_deepsmlm.io.columns import Column, TableFormat, split_header
from napari_deepsmlm.io.csv_tables import CsvWriter, header_cells, read_csv_table

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from napari_deepsmlm.localizations import Localizations

# Sage et al. 2019, doi:10.1038/s41592-019-0364-4; the true positions of the challenge have the
# spellings that are only read.
COLUMNS = (
    Column("id", "id"),
    Column("Ground-truth", "id", is_written=False),
    Column("frame", "frame"),
    Column("x", "x_nm"),
    Column("xnano", "x_nm", is_written=False),
    Column("y", "y_nm"),
    Column("ynano", "y_nm", is_written=False),
    Column("z", "z_nm"),
    Column("znano", "z_nm", is_written=False),
    Column("intensity", "photons"),
)
_NEEDED = {"frame", "x_nm", "y_nm", "photons"}


def read_challenge(path: Path, pixel_size_nm: float | None = None) -> Localizations:
    """Return the table of a challenge CSV, whose positions are in nm."""
    return read_csv_table(path, COLUMNS, pixel_size_nm)


def is_challenge(head: bytes) -> bool:
    """Whether the header has these columns and no others, all without a unit."""
    by_label = {column.label: column.name for column in COLUMNS}
    cells = [split_header(cell) for cell in header_cells(head)]
    names = {by_label.get(label, "") for label, unit in cells if not unit}
    return names >= _NEEDED and "" not in names and all(not unit for _, unit in cells)


def _write(path: Path, names: Iterable[str], _: float | None) -> CsvWriter:
    names = set(names)
    columns = [c for c in COLUMNS if c.is_written and (c.name in names or c.name == "id")]
    return CsvWriter(path, columns, names, format_name=FORMAT.name)


FORMAT = TableFormat(
    name="SMLM Challenge",
    key="challenge",
    suffixes=(".csv", ".txt"),
    is_mine=is_challenge,
    read=read_challenge,
    writer=_write,
)
