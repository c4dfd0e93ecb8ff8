"""DECODE's tables: pixels whose centres are whole numbers, x down the rows, frames from 0."""

from __future__ import annotations

import json
import logging
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import h5py
import numpy as np
import numpy.typing as npt

from napari_deepsmlm._files import atomic_write
from napari_deepsmlm._hdf5 import ShieldedFile
from napari_deepsmlm.io.tables._csv import format_rows
from napari_deepsmlm.io.tables.columns import TableFormat
from napari_deepsmlm.io.tables.hdf5_tables import read_hdf5
from napari_deepsmlm.io.tables.text_tables import read_text_table
from napari_deepsmlm.localizations import REQUIRED_COLUMNS, Localizations

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_deepsmlm.io.tables.columns import ReadTable, TableUnits

    Values = npt.NDArray[np.float64]

logger = logging.getLogger(__name__)

# Speiser et al. 2021, doi:10.1038/s41592-021-01236-x; the files are those of its version 0.10.
DECODE_VERSION = "v0.10.0"
_XYZ = ("y_nm", "x_nm", "z_nm")
_SIG = ("uncertainty_y_nm", "uncertainty_x_nm", "uncertainty_z_nm")
_OTHERS = {"phot": "photons", "bg": "background", "prob": "probability"}
_LABELS = (
    *("x", "y", "z", "phot", "frame_ix", "id", "prob", "bg"),
    *("x_cr", "y_cr", "z_cr", "phot_cr", "bg_cr"),
    *("x_sig", "y_sig", "z_sig", "phot_sig", "bg_sig"),
)
_KNOWN = {*_XYZ, *_SIG, *_OTHERS.values(), "frame", "id"}
_DEFAULT_PIXEL_NM = 100.0
_DECIMALS = 6


class DecodeWriter:
    """A table as DECODE's `EmitterSet.load` reads it: `.h5`, or `.csv` with three comment lines.

    It is written whole when the `with` block ends without an error; until then an older file of
    that name stays as it is. What DECODE does not know is left out, and said.

    Parameters
    ----------
    path : the file to write.
    names : our column names that every piece will have, as `Localizations.names`.
    pixel_size_nm : camera pixel; DECODE counts in it. 100 nm if not given.
    """

    def __init__(
        self, path: str | Path, names: Iterable[str], pixel_size_nm: float | None = None
    ) -> None:
        self.path = Path(path)
        self._names = set(names)
        self._pixel_nm = pixel_size_nm or _DEFAULT_PIXEL_NM
        self._pieces: list[Localizations] = []
        missing = [name for name in REQUIRED_COLUMNS if name not in self._names]
        if missing:
            raise ValueError(f"A table needs the columns {', '.join(missing)} too.")
        lost = sorted(self._names - _KNOWN)
        if lost:
            logger.warning("%s: DECODE has no column for %s.", self.path.name, lost)

    def __enter__(self) -> Self:
        return self

    def append(self, localizations: Localizations) -> None:
        """Add rows."""
        self._pieces.append(localizations.to_numpy())

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            return
        columns = {name: self._column(name) for name in ("frame", *_XYZ, *_SIG)}
        columns |= {label: self._column(name) for label, name in _OTHERS.items()}
        columns["id"] = self._column("id", nothing=-1.0)
        for name in ("y_nm", "x_nm"):
            columns[name] = columns[name] / self._pixel_nm - 0.5
        for name in ("uncertainty_y_nm", "uncertainty_x_nm"):
            columns[name] = columns[name] / self._pixel_nm
        if "z_nm" not in self._names:
            columns["z_nm"] = np.zeros(len(columns["frame"]))
        write = _write_hdf5 if self.path.suffix.lower() == ".h5" else _write_csv
        write(self.path, columns, self._pixel_nm)

    def _column(self, name: str, nothing: float = np.nan) -> Values:
        """Return (N,) values, `nothing` where the table has none."""
        pieces = [
            np.asarray(piece[name], float) if name in piece else np.full(len(piece), nothing)
            for piece in self._pieces
        ]
        return np.concatenate(pieces) if pieces else np.empty(0)


def _meta(pixel_nm: float) -> dict[str, Any]:
    return {"xy_unit": "px", "px_size": [pixel_nm, pixel_nm]}


def _write_csv(path: Path, columns: dict[str, Values], pixel_nm: float) -> None:
    n_rows = len(columns["frame"])
    empty = np.full(n_rows, np.nan)
    by_label = dict(zip(("x", "y", "z"), (columns[name] for name in _XYZ), strict=True))
    by_label |= dict(zip(("x_sig", "y_sig", "z_sig"), (columns[n] for n in _SIG), strict=True))
    by_label |= {label: columns[label] for label in _OTHERS}
    by_label["frame_ix"] = columns["frame"].astype(np.int64)
    by_label["id"] = columns["id"].astype(np.int64)
    known = {"version": DECODE_VERSION, "written_by": _writer()}
    with atomic_write(path) as file:
        head = f"# DECODE EmitterSet\n# {json.dumps(known)}\n# {json.dumps(_meta(pixel_nm))}\n"
        file.write(f"{head}{','.join(_LABELS)}\n".encode())
        file.write(format_rows([by_label.get(label, empty) for label in _LABELS], _DECIMALS))


def _write_hdf5(path: Path, columns: dict[str, Values], pixel_nm: float) -> None:
    with (
        atomic_write(path) as handle,
        ShieldedFile(handle) as shield,
        h5py.File(shield, "w") as file,
    ):
        file.create_group("meta").attrs.update(_meta(pixel_nm))
        file.create_group("decode").attrs.update(
            {"version": DECODE_VERSION, "written_by": _writer()}
        )
        data = file.create_group("data")
        data["xyz"] = np.stack([columns[name] for name in _XYZ], axis=1).astype(np.float32)
        data["frame_ix"] = columns["frame"].astype(np.int64)
        data["id"] = columns["id"].astype(np.int64)
        for label in _OTHERS:
            _write_known(data, label, columns[label])
        _write_known(data, "xyz_sig", np.stack([columns[name] for name in _SIG], axis=1))
        for label in ("xyz_cr", "phot_cr", "bg_cr", "phot_sig", "bg_sig"):
            data.create_dataset(label, data=h5py.Empty("f"))


def _write_known(data: h5py.Group, label: str, values: Values) -> None:
    """Write values, or the empty set by which DECODE says that it knows none."""
    is_known = np.isfinite(values).any()
    data.create_dataset(label, data=values.astype(np.float32) if is_known else h5py.Empty("f"))


def _writer() -> str:
    return f"napari-deepsmlm {version('napari-deepsmlm')}"


def _read(path: Path, units: TableUnits) -> ReadTable:
    reads = read_hdf5 if path.suffix.lower() == ".h5" else read_text_table
    return reads(path, units)


FORMAT = TableFormat(
    name="DECODE",
    key="decode",
    suffixes=(".csv", ".h5"),
    read=_read,
    writer=DecodeWriter,
)
