"""Table writer: the localizations of a layer as ThunderSTORM CSV or Picasso HDF5."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_deepsmlm.io import write_localizations
from napari_deepsmlm.localizations import REQUIRED_COLUMNS, Localizations
from napari_deepsmlm.plugin.layers.tables import TABLE
from napari_deepsmlm.plugin.layers.world import KEY

if TYPE_CHECKING:
    from collections.abc import Mapping


def write_table(path: str, data: Any, attributes: Mapping[str, Any]) -> list[str]:
    """Write the table that a layer keeps; the ending says in which format.

    Parameters
    ----------
    path : .csv, .hdf5 or .h5.
    data : of the layer.
    attributes : its metadata, and the features of points.

    Raises
    ------
    RuntimeError
        One sentence: the layer has no table, or the file cannot be written; a file that was there
        before is as it was.
    """
    try:
        _write(path, attributes)
    except ValueError as error:  # napari would take it for "no such writer", and say that instead
        raise RuntimeError(str(error)) from None
    except OSError as error:
        why = error.strerror or error
        raise RuntimeError(f"{Path(path).name} was not written: {why}.") from None
    return [path]


def _write(path: str, attributes: Mapping[str, Any]) -> None:
    known = attributes.get("metadata", {}).get(KEY, {})
    table = known.get(TABLE)
    if not isinstance(table, Localizations):
        table = _of_features(attributes)
    write_localizations(table, path, pixel_size_nm=known.get("pixel_size_nm"))


def _of_features(attributes: Mapping[str, Any]) -> Localizations:
    features = attributes.get("features")
    if features is None or not set(REQUIRED_COLUMNS) <= set(features):
        raise ValueError(
            f"Layer '{attributes.get('name', '')}' has no table of localizations; choose another "
            "file type, or save the table from the Localizations panel."
        )
    columns = {str(name): np.asarray(values) for name, values in features.items()}
    return Localizations.from_columns(
        {name: values for name, values in columns.items() if values.dtype.kind in "fiub"}
    )
