"""SMLM Challenge CSV: number, frame, position in nm and photons, under a header without units."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_deepsmlm.io.tables.columns import Column, TableFormat
from napari_deepsmlm.io.tables.csv_tables import CsvWriter
from napari_deepsmlm.io.tables.text_tables import read_text_table, text_pixel_size

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# Sage et al. 2019, doi:10.1038/s41592-019-0364-4.
COLUMNS = (
    Column("id", "id"),
    Column("frame", "frame"),
    Column("x", "x_nm"),
    Column("y", "y_nm"),
    Column("z", "z_nm"),
    Column("intensity", "photons"),
)


def _write(path: Path, names: Iterable[str], _: float | None) -> CsvWriter:
    names = set(names)
    columns = [c for c in COLUMNS if c.name in names or c.name == "id"]
    return CsvWriter(path, columns, names, format_name=FORMAT.name)


FORMAT = TableFormat(
    name="SMLM Challenge",
    key="challenge",
    suffixes=(".csv", ".txt"),
    read=read_text_table,
    writer=_write,
    pixel_size=text_pixel_size,
)
