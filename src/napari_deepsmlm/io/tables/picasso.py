"""Picasso: a table `/locs` in camera pixels, with what is known of the camera beside it."""

from __future__ import annotations

import json
import logging
import math
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import h5py
import numpy as np
import numpy.typing as npt
import yaml

from napari_deepsmlm._files import atomic_write, refuse_to_replace
from napari_deepsmlm._hdf5 import ShieldedFile
from napari_deepsmlm._words import counted
from napari_deepsmlm.io._headers_yaml import read_documents
from napari_deepsmlm.io.frames._planes import is_plausible_pixel_size
from napari_deepsmlm.io.tables.columns import ReadTable
from napari_deepsmlm.io.tables.meanings import UnitNeeded
from napari_deepsmlm.io.tables.programs import Program
from napari_deepsmlm.io.tables.rows import usable_rows
from napari_deepsmlm.localizations import REQUIRED_COLUMNS, Localizations

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_deepsmlm.io.tables._hdf5 import Hdf5Table
    from napari_deepsmlm.io.tables.columns import TableUnits

logger = logging.getLogger(__name__)

TABLE = "locs"
PIXEL_KEYS = ("Pixelsize", "Camera.Pixelsize")
DEFAULT_PIXEL_NM = 100.0
_ROWS_PER_BLOCK = 1 << 16
_PROGRAM = Program("Picasso", "px", 0)


class Field(NamedTuple):
    """A column of `/locs` and ours: ours = (value + offset) × camera pixel, if in pixels."""

    label: str
    name: str
    is_px: bool = False
    offset_px: float = 0.0


# Schnitzbauer et al. 2017, doi:10.1038/nprot.2017.024. Centres of pixels are whole numbers there.
FIELDS = (
    Field("frame", "frame"),
    Field("x", "x_nm", True, 0.5),
    Field("y", "y_nm", True, 0.5),
    Field("z", "z_nm"),
    Field("photons", "photons"),
    Field("sx", "sigma_nm", True),
    Field("sy", "sigma_y_nm", True),
    Field("bg", "background"),
    Field("lpx", "uncertainty_x_nm", True),
    Field("lpy", "uncertainty_y_nm", True),
    Field("lpz", "uncertainty_z_nm"),
)
# Picasso does not open a table without these; 0 in all rows stands for unknown.
_ALWAYS = ("uncertainty_x_nm", "uncertainty_y_nm")
_BY_LABEL = {field.label: field for field in FIELDS}
_BY_NAME = {field.name: field for field in FIELDS}


class PicassoWriter:
    """A Picasso table that takes results as they arrive.

    The file appears when the `with` block ends without an error, and its YAML file after it. Values
    are stored as float32, columns that Picasso does not know under our names.

    Parameters
    ----------
    path : the file to write.
    names : our column names that every piece will have, as `Localizations.names`.
    pixel_size_nm : camera pixel; Picasso counts in it. 100 nm if not given.
    """

    def __init__(
        self, path: str | Path, names: Iterable[str], pixel_size_nm: float | None = None
    ) -> None:
        self.path = Path(path)
        self.n_written = 0
        self.pixel_size_nm = pixel_size_nm or DEFAULT_PIXEL_NM
        self._names = [*names]
        missing = [name for name in REQUIRED_COLUMNS if name not in self._names]
        if missing:
            raise ValueError(f"A table needs the columns {', '.join(missing)} too.")
        unknown = [name for name in _ALWAYS if name not in self._names]
        if unknown:
            logger.warning("%s: %s are unknown and stand as 0.", self.path.name, unknown)
        self._type = np.dtype([_stored(name) for name in (*self._names, *unknown)])
        self._ends = np.zeros(3)  # beyond the last frame, x and y
        self._stack = ExitStack()
        self._rows: Any = None
        self._n_too_large = 0

    def __enter__(self) -> Self:
        movie = self.path.with_suffix(".raw")
        refuse_to_replace(self.path, [self.path.with_suffix(".yaml")], inputs=[movie])
        handle = self._stack.enter_context(atomic_write(self.path))
        self._shield = self._stack.enter_context(ShieldedFile(handle))
        self._file = self._stack.enter_context(h5py.File(self._shield, "w"))
        self._rows = self._file.create_dataset(
            TABLE, shape=(0,), maxshape=(None,), chunks=(_ROWS_PER_BLOCK,), dtype=self._type
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: Any) -> None:
        info = [self._info()]
        try:
            if kind is None:
                self._file.create_dataset("metadata", data=json.dumps(info))
        except BaseException as error:
            self._rows = None
            self._stack.__exit__(type(error), error, error.__traceback__)
            raise
        self._rows = None
        self._stack.__exit__(kind, *rest)
        if self._n_too_large:
            logger.warning(
                "%s: %s beyond what Picasso stores, and infinite there.",
                self.path.name,
                counted(self._n_too_large, "value is", "values are"),
            )
        if kind is None:
            with atomic_write(self.path.with_suffix(".yaml")) as file:
                file.write(yaml.safe_dump_all(info, sort_keys=False).encode())

    def append(self, localizations: Localizations) -> None:
        """Add rows; they go to the disk in blocks.

        Raises
        ------
        ValueError
            If a column is missing that the writer was opened for, or a frame is no frame number.
        """
        if self._rows is None:
            raise ValueError(f"{self.path.name}: open the writer in a `with` block first.")
        table = localizations.to_numpy()
        absent = [name for name in self._names if name not in table]
        if absent:
            raise ValueError(
                f"{self.path.name}: this piece has no column for '{absent[0]}', unlike what the "
                f"file was opened for; found: {', '.join(table.names)}."
            )
        for start in range(0, len(table), _ROWS_PER_BLOCK):
            self._append_block(table[start : start + _ROWS_PER_BLOCK])

    def _append_block(self, block: Localizations) -> None:
        if block.frame.min() < 0 or block.frame.max() >= 2**32:
            raise ValueError(f"{self.path.name}: frames must be whole numbers from 0 to 2³² - 1.")
        rows = np.zeros(len(block), self._type)
        for name in self._names:
            label = _label(name)
            values = _to_file(name, block[name], self.pixel_size_nm)
            with np.errstate(over="ignore"):
                rows[label] = values
            if rows[label].dtype.kind == "f":
                is_lost = np.isinf(rows[label]) & np.isfinite(values)
                self._n_too_large += int(is_lost.sum())
        ends = [block.frame.max() + 1, rows["x"].max() + 0.5, rows["y"].max() + 0.5]
        self._ends = np.fmax(self._ends, ends)
        n_all = self.n_written + len(block)
        self._rows.resize((n_all,))
        self._rows[self.n_written : n_all] = rows
        self._shield.check()
        self.n_written = n_all

    def _info(self) -> dict[str, Any]:
        frames, x, y = self._ends.tolist()
        return {
            "Generated by": f"napari-deepsmlm {version('napari-deepsmlm')}",
            "Width": max(1, math.ceil(x)) if math.isfinite(x) else 1,
            "Height": max(1, math.ceil(y)) if math.isfinite(y) else 1,
            "Frames": int(frames),
            "Pixelsize": self.pixel_size_nm,
        }


def table_of(path: Path, read: Hdf5Table, units: TableUnits) -> ReadTable:
    """Return a table that was read from a Picasso file, in nm.

    The camera pixel is the file's own: embedded, or in the YAML file of the same name.

    Raises
    ------
    UnitNeeded
        If the size of its pixels is stated nowhere.
    ValueError
        One sentence: what is wrong, in which row, and what to do.
    """
    columns = read.columns
    missing = [f.label for f in FIELDS if f.name in REQUIRED_COLUMNS and f.label not in columns]
    if missing:
        raise ValueError(
            f"{path.name}: missing columns: {', '.join(missing)}; found: {', '.join(columns)}; "
            "export the table with them."
        )
    stated_nm = stated_pixel_nm(path, read.metadata)
    pixel_nm = stated_nm or units.pixel_size_nm
    if pixel_nm is None:
        raise UnitNeeded(
            f"{path.name}: its positions are in camera pixels, and neither it nor "
            f"{path.with_suffix('.yaml').name} states their size; give the pixel size in nm "
            "(--pixel-size).",
            is_pixel=True,
        )
    labels = {own.name: own.label for own in FIELDS}
    ours, remarks = usable_rows(path.name, _as_ours(columns, pixel_nm), labels, _PROGRAM)
    return ReadTable(Localizations.from_columns(ours), stated_nm, tuple(remarks), _PROGRAM.name)


# -- writing --------------------------------------------------------------------------------


def _label(name: str) -> str:
    return _BY_NAME[name].label if name in _BY_NAME else name


def _stored(name: str) -> tuple[str, str]:
    return _label(name), "<u4" if name == "frame" else "<f4"


def _to_file(name: str, values: Any, pixel_nm: float) -> Any:
    field = _BY_NAME.get(name)
    if field is None or not field.is_px:
        return values
    return values / pixel_nm - field.offset_px


# -- reading --------------------------------------------------------------------------------


def _as_ours(columns: dict[str, npt.NDArray[Any]], pixel_nm: float) -> dict[str, npt.NDArray[Any]]:
    """Return the columns under our names and in our units."""
    ours: dict[str, npt.NDArray[Any]] = {}
    for label in list(columns):
        values = columns.pop(label)  # so that one column at a time is there twice
        field = _BY_LABEL.get(label, Field(label, label))
        if field.name in REQUIRED_COLUMNS:
            values = values.astype(np.float64, copy=False)
        ours[field.name] = (values + field.offset_px) * pixel_nm if field.is_px else values
    if not any(np.any(ours[always]) for always in _ALWAYS if always in ours):
        ours = {own: values for own, values in ours.items() if own not in _ALWAYS}
    return ours


def stated_pixel_nm(path: Path, metadata: str) -> float | None:
    """Return the last plausible `Pixelsize`, as later steps of Picasso may correct it."""
    for info in (_embedded(metadata), _sidecar(path.with_suffix(".yaml"))):
        for part in reversed(info):
            for key in PIXEL_KEYS if isinstance(part, dict) else ():
                size = part.get(key)
                if isinstance(size, int | float) and is_plausible_pixel_size(size):
                    return float(size)
    return None


def _embedded(metadata: str) -> list[Any]:
    try:
        info = json.loads(metadata)
    except (ValueError, RecursionError):
        return []
    return info if isinstance(info, list) else [info]


def _sidecar(path: Path) -> list[Any]:
    try:
        return read_documents(path) if path.is_file() else []
    except ValueError:
        return []
