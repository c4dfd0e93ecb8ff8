"""Text tables as people have them: of any program, opened with a word on what was done."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_deepsmlm.io._storage import ReadOnlyFile
from napari_deepsmlm.io.tables import headers
from napari_deepsmlm.io.tables._text_layout import TextLayout, layout_of, layout_of_head, whole_text
from napari_deepsmlm.io.tables.columns import (
    ReadTable,
    TableUnits,
    split_header,
    split_uncertainty,
)
from napari_deepsmlm.io.tables.meanings import find_columns
from napari_deepsmlm.io.tables.programs import program_of, remarks_on, stated_pixel_nm
from napari_deepsmlm.io.tables.rows import usable_rows
from napari_deepsmlm.localizations import REQUIRED_COLUMNS, Localizations

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from napari_deepsmlm.io.tables.meanings import Found
    from napari_deepsmlm.io.tables.programs import Program

_WHOLE = ("id", "detections")
_OF_CURVES = {"frame", "x", "y", "z", "error", "error z"}


def read_text_table(path: Path, units: TableUnits) -> ReadTable:
    """Return the localizations of a text table, with remarks on what was done to open it.

    Encoding, separator, decimal mark, comment lines and footer are found out; columns are known by
    many names and units. Numbers that we have no name for are kept under the name of the file.

    Raises
    ------
    UnitNeeded
        If the header leaves open in which unit positions are, or how large a pixel is.
    ValueError
        One sentence saying what is wrong, in which row, and what to do.
    """
    file = ReadOnlyFile(path)
    try:
        layout = layout_of(file)
    finally:
        file.close()
    head = _head_of(layout)
    units = TableUnits(units.pixel_size_nm or head.pixel_nm, units.unit)
    _refuse_drift_curve(path, head.cells)
    found = find_columns(path.name, head.cells, units, head.program)
    values, remarks = _read_columns(path, layout, found)
    columns, row_remarks = usable_rows(
        path.name, values, {name: head.cells[at] for name, at in found.positions()}, head.program
    )
    for name in _WHOLE:
        if name in columns and np.isfinite(columns[name]).all():
            columns[name] = columns[name].astype(np.int64)
    remarks = [*_layout_remarks(layout, head.program), *found.remarks, *remarks, *row_remarks]
    table = Localizations.from_columns(split_uncertainty(columns))
    return ReadTable(table, head.pixel_nm, tuple(remarks), head.program.name)


def text_pixel_size(path: Path) -> float | None:
    """Return the camera pixel that a text table states, nm."""
    file = ReadOnlyFile(path)
    try:
        return _head_of(layout_of(file)).pixel_nm
    finally:
        file.close()


def looks_like_text_table(head: bytes) -> bool:
    """Whether a text table has frames and lateral positions, judged by its first bytes."""
    try:
        layout = layout_of_head("", head, is_whole=False)
    except (ValueError, StopIteration):
        return False
    return headers.has_positions(headers.read_header(cell) for cell in layout.cells)


def _refuse_drift_curve(path: Path, cells: list[str]) -> None:
    labels = {split_header(cell)[0] for cell in cells}
    if "error" in labels and labels <= _OF_CURVES:
        raise ValueError(
            f"{path.name}: is a drift curve, no table of molecules; it is taken off one by "
            f"deepsmlm drift TABLE --apply {path.name} --out F."
        )


@dataclass(frozen=True, slots=True)
class _Head:
    """What stands before the rows."""

    cells: list[str]
    program: Program
    pixel_nm: float | None


def _head_of(layout: TextLayout) -> _Head:
    comments = layout.comments
    cells = [headers.read_header(cell) for cell in layout.cells]
    program = program_of(cells, comments)
    pixel_nm = stated_pixel_nm(comments) if program.name == "DECODE" else None
    return _Head([cell.text for cell in cells], program, pixel_nm)


# -- reading ----------------------------------------------------------------------------------


def _read_columns(
    path: Path, layout: TextLayout, found: Found
) -> tuple[dict[str, npt.NDArray[np.float64]], list[str]]:
    """Return the columns under our names and in our units."""
    table = _parse(path, layout, layout.decimal)
    if layout.decimal == "." and layout.separator != "," and _has_commas(table, found):
        table = _parse(path, layout, ",")
    remarks: list[str] = []
    values: dict[str, npt.NDArray[np.float64]] = {}
    for name, column in found.ours.items():
        cell = layout.cells[column.position]
        numbers, remark = _numbers(path.name, table.pop(str(column.position)), cell, name)
        remarks += remark
        if column.offset or column.factor != 1:
            numbers = (numbers + column.offset) * column.factor
        if name in REQUIRED_COLUMNS or not _is_all_nan(numbers):  # DECODE: what it does not know
            values[name] = numbers
    text = []
    for name, position in found.others.items():
        others = table.pop(str(position))
        if others.notna().any() or not len(others):
            if others.dtype.kind in "iufb":
                values[name] = others.to_numpy()
            else:
                text.append(name)
    if text:
        they = "it has" if len(text) == 1 else "they have"
        remarks.append(f"{_named(text)} not kept because {they} text.")
    return values, remarks


def _parse(path: Path, layout: TextLayout, decimal: str) -> pd.DataFrame:
    import pandas as pd

    is_whole = layout.is_plain or not layout.is_parsed_bytewise
    source: Any = path if layout.is_plain else None
    if source is None:
        source = (
            whole_text(path, layout) if is_whole else io.BufferedReader(_Part(path, layout.end))
        )
    skipped = layout.n_skipped if layout.is_parsed_bytewise else 0
    try:
        table = pd.read_csv(
            source,
            sep=layout.separator,
            decimal=decimal,
            skiprows=skipped,
            header=None,
            names=[str(i) for i in range(layout.n_cells)],
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
    finally:
        if source is not path:
            source.close()
    if not isinstance(table.index, pd.RangeIndex):  # pandas makes surplus cells an index
        raise ValueError(
            f"{path.name}: its rows have more cells than the header; export the table again."
        )
    return table


class _Part(io.RawIOBase):
    """The first bytes of a file, as a stream."""

    def __init__(self, path: Path, end: int | None) -> None:
        self._file = ReadOnlyFile(path)
        self._at, self._end = 0, self._file.size if end is None else end

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read_at(self._at, min(len(buffer), self._end - self._at))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


def _has_commas(table: pd.DataFrame, found: Found) -> bool:
    """Whether numbers that are ours have decimal commas further down than was looked at."""
    texts = [table[str(column.position)] for column in found.ours.values()]
    return any(
        column.dtype.kind not in "iufb"
        and column.astype(str).str.fullmatch(r"\s*[+-]?\d*,\d+\s*").any()
        for column in texts
    )


def _is_all_nan(numbers: npt.NDArray[np.float64]) -> bool:
    return bool(np.isnan(numbers[:1]).any() and np.isnan(numbers).all())


def _numbers(
    name: str, column: pd.Series[Any], cell: str, own: str
) -> tuple[npt.NDArray[np.float64], list[str]]:
    """Return a column as numbers; text in one that is not needed becomes NaN, with a remark."""
    import pandas as pd

    if column.dtype.kind in "iuf":
        return column.to_numpy(np.float64), []
    numbers = pd.to_numeric(column.astype(str).where(column.notna()), errors="coerce")
    is_text = (numbers.isna() & column.notna()).to_numpy()
    if not is_text.any():  # an empty column, or whole numbers beyond 64 bits
        return numbers.to_numpy(np.float64), []
    row = int(np.argmax(is_text))
    text = " ".join(str(column.iloc[row]).split())[:40]
    where = f"row {row + 1} of '{cell}' is '{text}', not a number"
    if own in REQUIRED_COLUMNS or "," in text:
        hint = "export it with decimal points" if "," in text else "correct or remove the row"
        raise ValueError(f"{name}: {where}; {hint}.")
    is_one = is_text.sum() == 1
    others = "" if is_one else f" ({is_text.sum():,} such rows)"
    return numbers.to_numpy(np.float64), [
        f"{where[0].upper()}{where[1:]}{others}; taken as unknown."
    ]


# -- remarks ----------------------------------------------------------------------------------


def _layout_remarks(layout: TextLayout, program: Program) -> list[str]:
    remarks: list[str] = []
    if layout.is_broken:
        remarks.append("The last row is incomplete and was left out.")
    elif layout.n_footer:
        lines = "line" if layout.n_footer == 1 else "lines"
        was = "was" if layout.n_footer == 1 else "were"
        remarks.append(f"{layout.n_footer} {lines} behind the rows {was} left out.")
    remarks += remarks_on(program)
    return remarks


def _named(names: list[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:5]) + (", ..." if len(names) > 5 else "")
    return f"Column {shown} was" if len(names) == 1 else f"Columns {shown} were"
