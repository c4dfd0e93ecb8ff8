"""HDF5 tables: those of Picasso, DECODE and SMAP (MATLAB 7.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_deepsmlm.io.tables import picasso, programs
from napari_deepsmlm.io.tables._hdf5 import Hdf5Table, read_hdf5_metadata, read_hdf5_table
from napari_deepsmlm.io.tables.columns import ReadTable, TableFormat, TableUnits, split_uncertainty
from napari_deepsmlm.io.tables.meanings import find_columns
from napari_deepsmlm.io.tables.picasso import TABLE, PicassoWriter
from napari_deepsmlm.io.tables.rows import usable_rows
from napari_deepsmlm.localizations import REQUIRED_COLUMNS, Localizations

if TYPE_CHECKING:
    from pathlib import Path

_SMAP = programs.Program("SMAP", "", 1)


def read_hdf5(path: Path, units: TableUnits) -> ReadTable:
    """Return the localizations of an HDF5 file, with remarks.

    Raises
    ------
    UnitNeeded
        If its positions are in pixels of unknown size.
    ValueError
        One sentence: what is wrong and what to do.
    """
    read = read_hdf5_table(path, TABLE)
    if read.program == "Picasso":
        return picasso.table_of(path, read, units)
    comments = (read.metadata,)
    pixel_nm = programs.stated_pixel_nm(comments)
    program = programs.decode_program(comments) if read.program == "DECODE" else _SMAP
    units = TableUnits(units.pixel_size_nm or pixel_nm, units.unit)
    cells = list(read.columns)
    found = find_columns(path.name, cells, units, program)
    columns = {}
    for name, place in found.ours.items():
        values = read.columns.pop(cells[place.position]).astype(np.float64)
        if name in REQUIRED_COLUMNS or not (len(values) and np.isnan(values).all()):
            columns[name] = (values + place.offset) * place.factor
    columns |= {name: read.columns.pop(cells[at]) for name, at in found.others.items()}
    headers = {name: cells[at] for name, at in found.positions()}
    columns, remarks = usable_rows(path.name, columns, headers, program)
    table = Localizations.from_columns(split_uncertainty(columns))
    remarks = [*programs.remarks_on(program), *found.remarks, *remarks]
    return ReadTable(table, pixel_nm, tuple(remarks), program.name)


def stated_pixel_size(path: Path) -> float | None:
    """Return the camera pixel that an HDF5 file states, nm."""
    read: Hdf5Table = read_hdf5_metadata(path, TABLE)
    if read.program == "Picasso":
        return picasso.stated_pixel_nm(path, read.metadata)
    return programs.stated_pixel_nm((read.metadata,))


FORMAT = TableFormat(
    name="Picasso",
    key="picasso",
    suffixes=(".hdf5", ".h5"),
    read=read_hdf5,
    writer=PicassoWriter,
    pixel_size=stated_pixel_size,
)
