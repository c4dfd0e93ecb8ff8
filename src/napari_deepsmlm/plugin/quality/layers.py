"""Layers of Quality: which may serve for what, and how they lie on each other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image

from napari_deepsmlm.plugin.layers.tables import origin_of, table_of
from napari_deepsmlm.plugin.layers.world import HUES, corner_nm, pixel_size_of, provenance

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Layer

    from napari_deepsmlm.evaluation import Coverage
    from napari_deepsmlm.plugin.layers.chooser import LayerBox

NO_IMAGES = ("error map", HUES)
"""Kinds of layers whose values are no numbers of molecules."""
WHOLE_PX = 0.02
"""Edges this near to those of camera pixels lie on them."""


def shared_region(image: Layer, frames: Layer) -> tuple[slice, slice] | None:
    """Return the rows and columns of the frames that an image shows.

    None if they do not lie in nm on each other, or the image's edges cut through camera pixels.
    """
    if not all(layer.units[-1].is_compatible_with("nm") for layer in (image, frames)):
        return None
    start = (np.asarray(corner_nm(image)) - corner_nm(frames)) / frames.scale[-2:]
    size = np.asarray(image.data.shape[-2:]) * image.scale[-2:] / frames.scale[-2:]
    edges = np.stack([start, start + size])
    whole = np.rint(edges).astype(int)
    is_inside = (whole[0] >= 0).all() and (whole[1] <= frames.data.shape[-2:]).all()
    if not is_inside or np.abs(edges - whole).max() > WHOLE_PX:
        return None
    rows, columns = (slice(*ends) for ends in whole.T.tolist())
    return rows, columns


def can_be_image(layer: Layer) -> bool:
    """Whether a layer may be a super-resolved image, a pair, or a time-lapse."""
    is_plain = isinstance(layer, Image) and not layer.rgb and not layer.multiscale
    return is_plain and 2 <= layer.ndim <= 4 and provenance(layer).get("kind") not in NO_IMAGES


def is_reconstruction(layer: Layer) -> bool:
    """Whether the plugin made the layer by reconstructing."""
    return provenance(layer).get("kind") == "reconstruction"


def pixel_of_image(layer: Layer) -> float | None:
    """Return the layer's own pixel, nm: that of a reconstruction is not the camera's."""
    unit = layer.units[-1]
    if unit.is_compatible_with("nm"):
        return float((layer.scale[-1] * unit).to("nm").magnitude)
    return None if is_reconstruction(layer) else pixel_size_of(layer).nm


def has_table(layer: Layer) -> bool:
    """Whether a layer carries localizations."""
    return table_of(layer) is not None


def common_origin(
    layers: Sequence[Layer | None], tables: Sequence[Layer | None]
) -> tuple[float, float] | None:
    """Return (y, x) nm in the world that all tables shall count from; None: as they are.

    Parameters
    ----------
    layers : images and frames; the corner of the first that lies in nm is taken.
    tables : whose own origin is taken if there is none.
    """
    for layer in layers:
        if layer is not None and layer.units[-1].is_compatible_with("nm"):
            return corner_nm(layer)
    return next((origin_of(layer) for layer in tables if layer is not None), None)


def coverage_of_layer(layer: Layer | None) -> Coverage | None:
    """Return the frames and the region that the result of a layer is of, by its making or its file.

    Positions count from where those of its table do.
    """
    from napari_deepsmlm.evaluation import coverage_of, coverage_of_file

    if layer is None:
        return None
    known = provenance(layer)
    path = known.get("path") or next(iter(known.get("paths") or ()), None)
    return coverage_of(known) or (None if path is None else coverage_of_file(Path(path)))


def placed_coverage(box: LayerBox, origin: tuple[float, float] | None) -> Coverage | None:
    """Return the coverage of the chosen table, counting from `origin` as :func:`placed_table`."""
    from napari_deepsmlm.evaluation import coverage_of_file

    layer = box.layer
    if layer is None:
        return None if box.value is None else coverage_of_file(box.value)
    covered = coverage_of_layer(layer)
    if covered is None or origin is None:
        return covered
    y, x = (own - common for own, common in zip(origin_of(layer), origin, strict=True))
    return covered.moved(x, y)


def placed_table(box: LayerBox, origin: tuple[float, float] | None) -> Any:
    """Return the table of the chosen layer, counting from `origin`, or the path of a file."""
    layer = box.layer
    table = None if layer is None else table_of(layer)
    if layer is None or table is None or origin is None:
        return box.value if layer is None else table
    y, x = (own - common for own, common in zip(origin_of(layer), origin, strict=True))
    is_same = abs(x) + abs(y) < 1e-6
    return table if is_same else table.with_columns(x_nm=table.x_nm + x, y_nm=table.y_nm + y)
