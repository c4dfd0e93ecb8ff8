"""Tables of layers: the localizations that a layer shows, kept with it for the other panels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Points

from napari_deepsmlm.localizations import REQUIRED_COLUMNS, Localizations
from napari_deepsmlm.plugin.layers.world import KEY, corner_nm, provenance

if TYPE_CHECKING:
    from napari.layers import Layer

TABLE = "table"
ORIGIN = "table_origin_nm"


def keep_table(layer: Layer, table: Localizations, origin_nm: tuple[float, float]) -> None:
    """Keep a table with the image that was made from it, or that it was found in.

    Parameters
    ----------
    layer : gets a reference to the table in its metadata, not a copy.
    table : positions in nm from `origin_nm`.
    origin_nm : (y, x) nm in the world, where x_nm = y_nm = 0 is.
    """
    known = {TABLE: table, ORIGIN: tuple(map(float, origin_nm))}
    layer.metadata = {**layer.metadata, KEY: {**provenance(layer), **known}}


def table_of(layer: Layer) -> Localizations | None:
    """Return the localizations of a layer, None if it has none.

    Of points these are the features, as far as points were not deleted since; of an image the
    table it was kept with.
    """
    kept = provenance(layer).get(TABLE)
    if isinstance(kept, Localizations):
        return kept
    if not isinstance(layer, Points) or not set(REQUIRED_COLUMNS) <= set(layer.features.columns):
        return None
    return Localizations.from_dataframe(layer.features)


def origin_of(layer: Layer) -> tuple[float, float]:
    """Return (y, x) nm in the world of the place that the positions of a layer's table count from.

    Of a stack this is the outer corner of its first pixel.
    """
    kept = provenance(layer).get(ORIGIN)
    if kept is not None:
        return float(kept[0]), float(kept[1])
    if isinstance(layer, Points):
        y, x = np.asarray(layer.translate[-2:])
        return float(y), float(x)
    return corner_nm(layer)
