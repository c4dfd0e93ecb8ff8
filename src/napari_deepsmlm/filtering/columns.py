"""Columns of filters: by ThunderSTORM's names and by ours, in the unit that is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_deepsmlm.io.tables.columns import merged_uncertainty, unit_factor
from napari_deepsmlm.io.tables.csv_tables import FIRST_FRAME
from napari_deepsmlm.io.tables.headers import UNCERTAINTY_XY
from napari_deepsmlm.io.tables.thunderstorm import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Collection

    from napari_deepsmlm.io.tables.columns import Column
    from napari_deepsmlm.localizations import Localizations

_BY_LABEL = {column.label: column for column in COLUMNS}
_BY_NAME = {column.name: column for column in reversed(COLUMNS)}
_LATERAL = {"uncertainty_x_nm", "uncertainty_y_nm"}


def column_names(names: Collection[str]) -> tuple[str, ...]:
    """Return a name for each column of a table in a filter: ThunderSTORM's, else ours.

    Parameters
    ----------
    names : of the table, as `Localizations.names`; they may be used in a filter too.

    Examples
    --------
    >>> column_names(("frame", "x_nm", "y_nm", "photons", "p_value"))
    ('frame', 'x', 'y', 'intensity', 'p_value')
    """
    written = [c for c in COLUMNS if c.is_written and _is_there(c.name, names)]
    if "sigma_y_nm" in names:
        written = [c for c in written if c.label != "sigma"]
    else:
        written = [c for c in written if c.label != "sigma1"]
    known = {column.name for column in written}
    return (*(c.label for c in written), *(name for name in names if name not in known))


def find_column(name: str, names: Collection[str]) -> str | None:
    """Return our name of a column by either name, in any case, None if it is not there."""
    known = _BY_LABEL.get(name.lower())
    if known is not None and _is_there(known.name, names):
        return known.name
    return {own.lower(): own for own in names}.get(name.lower())


def per_unit(name: str, unit: str) -> float:
    """Return what turns our values of a column into a unit such as [um].

    Raises
    ------
    ValueError
        If the column has no such unit.
    """
    column: Column | None = _BY_NAME.get(name)
    if column is None:
        raise ValueError(f"the unit '{unit}' of {name} is not known")
    try:
        return 1 / unit_factor(f"{column.label} {unit}", column, None)
    except ValueError:
        raise ValueError(f"{column.label} has the unit '[{column.unit}]', not '{unit}'") from None


def values_of(table: Localizations, name: str) -> np.ndarray[Any, Any]:
    """Return (N,) values as filters and files count them: frames from 1."""
    if name == UNCERTAINTY_XY:
        return np.asarray(merged_uncertainty(table), dtype=float)
    values = np.asarray(table[name], dtype=float)
    return values + FIRST_FRAME if name == "frame" else values


def _is_there(name: str, names: Collection[str]) -> bool:
    return name in names or (name == UNCERTAINTY_XY and not _LATERAL.isdisjoint(names))
