"""SMLM 0.2: a ZIP of `manifest.json` and one binary table, as ShareLoc and ImJoy have it."""

from __future__ import annotations

import json
import math
import zipfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from napari_deepsmlm._files import atomic_write
from napari_deepsmlm.io.tables.columns import ReadTable, TableFormat, TableUnits, split_uncertainty
from napari_deepsmlm.io.tables.meanings import find_columns
from napari_deepsmlm.io.tables.programs import Program
from napari_deepsmlm.io.tables.rows import usable_rows
from napari_deepsmlm.localizations import REQUIRED_COLUMNS, Localizations

if TYPE_CHECKING:
    from collections.abc import Iterable

# Ouyang et al. 2022, doi:10.1038/s41592-022-01659-0 (ShareLoc).
VERSION = "0.2"
MANIFEST, TABLE = "manifest.json", "table.bin"
FORMAT_NAME = "smlm-table(binary)"
MAX_MANIFEST_BYTES = 1 << 22
MAX_BYTES = 1 << 36
MAX_RATIO = 1100
"""Deflate cannot shrink a file further; what claims to be more is no honest archive."""
FIRST_FRAME = 1
_DTYPES = {
    **{name: np.dtype(name).newbyteorder("<") for name in ("int8", "uint8", "int16", "uint16")},
    **{name: np.dtype(name).newbyteorder("<") for name in ("int32", "uint32", "int64", "uint64")},
    **{name: np.dtype(name).newbyteorder("<") for name in ("float32", "float64")},
}
_SMLM = Program("SMLM", "nm", None, counts_photons=True)
_LABELS = {
    "frame": ("frame", ""),
    "photons": ("intensity", "photon"),
    "background": ("background", "photon"),
}


def read_smlm(path: Path, units: TableUnits) -> ReadTable:
    """Return the localizations of the first binary table of an archive, with remarks.

    Raises
    ------
    ValueError
        One sentence: what is wrong and what to do.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            cells, rows, entry, n_tables = _read(path, archive)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, NotImplementedError) as error:
        raise ValueError(f"{path.name}: is no readable SMLM archive ({error}).") from None
    names = [header for header, _ in cells]
    labels = [f"{header} [{unit}]" if unit else header for header, unit in cells]
    found = find_columns(path.name, labels, units, _SMLM)
    offset = entry.get("offset")
    columns: dict[str, npt.NDArray[Any]] = {}
    for name, place in found.ours.items():
        values = rows[names[place.position]].astype(np.float64)
        if isinstance(offset, dict):
            values = values + _number(offset.get(names[place.position]))
        columns[name] = (values + place.offset) * place.factor
    columns |= {name: np.asarray(rows[names[at]]) for name, at in found.others.items()}
    headers = {name: names[at] for name, at in found.positions()}
    columns, remarks = usable_rows(path.name, columns, headers, _SMLM)
    if n_tables > 1:
        remarks.append(f"The archive has {n_tables} tables; the first was read.")
    table = Localizations.from_columns(split_uncertainty(columns))
    return ReadTable(table, None, (*found.remarks, *remarks), _SMLM.name)


def _read(
    path: Path, archive: zipfile.ZipFile
) -> tuple[list[tuple[str, str]], npt.NDArray[Any], dict[str, Any], int]:
    manifest = _manifest(path, archive)
    formats, files = manifest.get("formats"), manifest.get("files")
    if not isinstance(formats, dict) or not isinstance(files, list):
        raise ValueError(f"{path.name}: its manifest names no formats and files.")
    tables = [one for one in files if isinstance(one, dict) and one.get("type") == "table"]
    if not tables:
        raise ValueError(f"{path.name}: holds no table.")
    entry = tables[0]
    form = formats.get(entry.get("format"))
    if not isinstance(form, dict) or form.get("mode") != "binary":
        raise ValueError(f"{path.name}: its table is not binary; export it again as CSV.")
    headers, dtypes = form.get("headers"), form.get("dtype")
    if not isinstance(headers, list) or not isinstance(dtypes, list):
        raise ValueError(f"{path.name}: its table has no headers or types.")
    names = [str(header) for header in headers]
    if len(set(names)) != len(names) or len(dtypes) != len(names) or not names:
        raise ValueError(f"{path.name}: its headers and types do not go together.")
    wrong = [str(kind) for kind in dtypes if str(kind) not in _DTYPES]
    if wrong or any(shape not in (1, [1]) for shape in form.get("shape") or [1]):
        raise ValueError(f"{path.name}: a column is of a type that is not known.")
    units = form.get("units")
    units = units if isinstance(units, list) and len(units) == len(names) else [""] * len(names)
    kind = np.dtype([(name, _DTYPES[str(one)]) for name, one in zip(names, dtypes, strict=True)])
    data = _member(path, archive, str(entry.get("name")), MAX_BYTES)
    if len(data) % kind.itemsize:
        raise ValueError(f"{path.name}: its table is cut short; copy it again.")
    cells = [(name, str(unit or "")) for name, unit in zip(names, units, strict=True)]
    return cells, np.frombuffer(data, kind), entry, len(tables)


def _manifest(path: Path, archive: zipfile.ZipFile) -> dict[str, Any]:
    try:
        manifest = json.loads(_member(path, archive, MANIFEST, MAX_MANIFEST_BYTES))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path.name}: its {MANIFEST} cannot be read ({error}).") from None
    if not isinstance(manifest, dict):
        raise ValueError(f"{path.name}: its {MANIFEST} is no manifest.")
    return manifest


def _member(path: Path, archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    """Return a file of the archive by its name alone: nothing is written anywhere."""
    try:
        info = archive.getinfo(name)
    except KeyError:
        raise ValueError(f"{path.name}: has no {name} in it; is it an SMLM archive?") from None
    if info.file_size > min(most, MAX_RATIO * (info.compress_size + 1024)):
        raise ValueError(f"{path.name}: {name} promises more than it can hold; copy it again.")
    try:
        return archive.read(info)
    except (RuntimeError, OSError, zipfile.zlib.error) as error:  # type: ignore[attr-defined]
        raise ValueError(f"{path.name}: {name} is damaged ({error}); copy it again.") from None


def _number(value: Any) -> float:
    is_number = isinstance(value, int | float) and math.isfinite(value)
    return float(value) if is_number else 0.0


class SmlmWriter:
    """An SMLM archive that takes results as they arrive; float64, frames from 1.

    The file appears when the `with` block ends without an error.

    Parameters
    ----------
    path : the file to write.
    names : our column names that every piece will have.
    """

    def __init__(self, path: str | Path, names: Iterable[str], _: float | None = None) -> None:
        names = list(names)
        missing = [name for name in REQUIRED_COLUMNS if name not in names]
        if missing:
            raise ValueError(f"A table needs the columns {', '.join(missing)} too.")
        self.path = Path(path)
        self._names = [*REQUIRED_COLUMNS, *(n for n in names if n not in REQUIRED_COLUMNS)]
        self._pieces: list[bytes] = []
        self._n_rows = 0
        self._low = np.full(len(self._names), np.inf)
        self._high = np.full(len(self._names), -np.inf)
        self._kind = np.dtype(
            [(name, _DTYPES["uint32" if name == "frame" else "float64"]) for name in self._names]
        )
        self._stack = ExitStack()
        self._table: Any = None

    def __enter__(self) -> Self:
        file = self._stack.enter_context(atomic_write(self.path))
        self._archive = self._stack.enter_context(
            zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1)
        )
        self._table = self._archive.open(TABLE, "w", force_zip64=True)
        return self

    def __exit__(self, kind: Any, *rest: Any) -> None:
        table, self._table = self._table, None
        table.close()
        if kind is None:
            self._archive.writestr(MANIFEST, json.dumps(self._manifest(), indent=1))
        self._stack.__exit__(kind, *rest)

    def append(self, localizations: Localizations) -> None:
        """Add rows."""
        if self._table is None:
            raise ValueError(f"{self.path.name}: open the writer in a `with` block first.")
        table = localizations.to_numpy()
        absent = [name for name in self._names if name not in table]
        if absent:
            raise ValueError(
                f"{self.path.name}: this piece has no column for '{absent[0]}', unlike what the "
                f"file was opened for; found: {', '.join(table.names)}."
            )
        rows = np.zeros(len(table), self._kind)
        for k, name in enumerate(self._names):
            values = np.asarray(table[name])
            rows[name] = values + FIRST_FRAME if name == "frame" else values
            if len(table):
                self._low[k] = np.fmin(self._low[k], np.fmin.reduce(rows[name].astype(float)))
                self._high[k] = np.fmax(self._high[k], np.fmax.reduce(rows[name].astype(float)))
        self._table.write(rows.tobytes())
        self._n_rows += len(table)

    def _manifest(self) -> dict[str, Any]:
        headers, units = zip(*(_label(name) for name in self._names), strict=True)
        form = {
            **{"name": FORMAT_NAME, "type": "table", "mode": "binary", "extension": ".bin"},
            "columns": len(headers),
            "headers": list(headers),
            "dtype": [self._kind[name].name for name in self._names],
            "shape": [1] * len(headers),
            "units": list(units),
            "description": f"Frames count from {FIRST_FRAME}.",
        }
        entry = {
            **{"name": TABLE, "type": "table", "format": FORMAT_NAME, "channel": "default"},
            **{"rows": self._n_rows, "offset": {}, "exposure": 0},
            "min": _finite(headers, self._low),
            "max": _finite(headers, self._high),
        }
        about = dict.fromkeys(("description", "sample", "labeling", "date", "author"), "")
        return {
            **{"format_version": VERSION, "name": self.path.stem, **about, "tags": []},
            **{"formats": {FORMAT_NAME: form}, "files": [entry]},
        }


def _label(name: str) -> tuple[str, str]:
    if name in _LABELS:
        return _LABELS[name]
    return (name.removesuffix("_nm"), "nm") if name.endswith("_nm") else (name, "")


def _finite(headers: Iterable[str], values: npt.NDArray[np.float64]) -> dict[str, float]:
    pairs = zip(headers, values.tolist(), strict=True)
    return {name: value for name, value in pairs if math.isfinite(value)}


FORMAT = TableFormat(
    name="SMLM",
    key="smlm",
    suffixes=(".smlm",),
    read=read_smlm,
    writer=SmlmWriter,
)
