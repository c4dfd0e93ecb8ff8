"""Table layers: localizations as points if they are few, as a rendered image if they are many."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_deepsmlm.plugin.layers.contrast import contrast_limits
from napari_deepsmlm.plugin.layers.tables import ORIGIN, TABLE, origin_of
from napari_deepsmlm.plugin.layers.world import (
    KEY,
    can_hold_frames,
    corner_nm,
    is_in_nm,
    overlay_placement,
    pixel_size_of,
    points_of,
    provenance,
)

if TYPE_CHECKING:
    from napari.components import LayerList
    from napari.layers import Layer
    from napari.viewer import Viewer

    from napari_deepsmlm.localizations import Localizations

    LayerData = tuple[Any, dict[str, Any], str]

WAITING = "waits_for_stack"
"""Of a layer's metadata: it lies half a camera pixel off, and nobody knows yet how much that is."""
MAX_POINTS = 50_000
"""More are drawn as an image: napari's points become slow."""
IMAGE_SIDE_PX = 2000
POINT_NM = 20.0


def layer_of(
    table: Localizations, name: str, origin: tuple[float, float], known: dict[str, Any]
) -> LayerData:
    """Return a table as a layer that keeps it, in nm.

    Parameters
    ----------
    origin : (y, x) nm in the world where positions count from, see :func:`origin_nm`.
    known : what else is kept of its making.
    """
    # An origin of zero is that of a table whose camera pixel nobody knows.
    known = {**known, ORIGIN: origin, WAITING: origin == (0.0, 0.0)}
    if len(table) > MAX_POINTS:
        return _image_of(table, name, origin, {**known, TABLE: table, "kind": "reconstruction"})
    data, keywords, kind = points_of(table, origin, ndim=2)
    keywords |= {"name": name, "size": _point_size_nm(table), "metadata": {KEY: known}}
    keywords |= {"face_color": "cyan", "border_width": 0.0}
    return data, keywords, kind


def origin_nm(viewer: Viewer | None, pixel_size_nm: float | None) -> tuple[float, float]:
    """Return (y, x) nm in the world where the positions of a table count from.

    napari's origin is the centre of the first camera pixel, the table's its outer corner.

    Parameters
    ----------
    viewer : if it holds camera frames, the table belongs on top of them.
    pixel_size_nm : camera pixel, nm, if the table states it.
    """
    stack = None if viewer is None else _top_stack(viewer.layers)
    if stack is not None:
        return corner_nm(stack)
    half = (pixel_size_nm or 0.0) / 2
    return -half, -half


def camera_pixel_nm(viewer: Viewer) -> float | None:
    """Return the camera pixel of the top stack in the viewer, None if there is none."""
    stack = _top_stack(viewer.layers)
    return None if stack is None else pixel_size_of(stack).nm


def field_of_frames(viewer: Viewer, origin: tuple[float, float]) -> tuple[float, float] | None:
    """Return height and width, nm, from a place in the world to the far corner of the top stack.

    None if there is no stack in nm, or if it lies before that place.
    """
    stack = _top_stack(viewer.layers)
    if stack is None:
        return None
    sides = np.asarray(stack.data.shape[-2:]) * np.asarray(stack.scale[-2:])
    height, width = (np.asarray(corner_nm(stack)) + sides - np.asarray(origin)).tolist()
    return (height, width) if min(height, width) > 0 else None


def wait_for_stack(viewer: Viewer) -> None:
    """Move tables of an unknown camera pixel as soon as a stack in nm is opened, or gets its nm."""
    viewer.layers.events.inserted.connect(_on_inserted)


def place_waiting(layers: LayerList) -> None:
    """Move tables that wait for a stack onto the top one, if there is one now."""
    stack = _top_stack(layers)
    waiting = [layer for layer in layers if provenance(layer).get(WAITING)]
    for layer in waiting if stack is not None else ():
        corner, known = corner_nm(stack), provenance(layer)
        shift = np.subtract(corner, origin_of(layer))
        layer.translate = (*layer.translate[:-2], *(layer.translate[-2:] + shift))
        layer.metadata = {**layer.metadata, KEY: {**known, ORIGIN: corner, WAITING: False}}


def _on_inserted(event: Any) -> None:
    place_waiting(event.source)


def _top_stack(layers: LayerList) -> Layer | None:
    return next((layer for layer in reversed(layers) if is_stack_in_nm(layer)), None)


def is_stack_in_nm(layer: Layer) -> bool:
    """Whether a layer holds camera frames that lie in nm."""
    if not can_hold_frames(layer) or layer.ndim < 3:
        return False
    size = pixel_size_of(layer).nm
    return size is not None and is_in_nm(layer, size)


def sr_pixel_for(table: Localizations, side_px: int = IMAGE_SIDE_PX) -> float:
    """Return a round pixel, nm, with which a table fills about so many pixels.

    Examples
    --------
    >>> from napari_deepsmlm.localizations import Localizations
    >>> sr_pixel_for(Localizations(frame=[0], x_nm=[38000.0], y_nm=[100.0]))
    20.0
    """
    ends = [np.nanmax(table[name], initial=0.0) for name in ("x_nm", "y_nm")]
    wanted = max(float(max(ends)) / side_px, 1.0)
    if not math.isfinite(wanted):
        return 10.0
    decade = 10.0 ** math.floor(math.log10(wanted))
    return min(decade * step for step in (1, 2, 5, 10) if decade * step >= wanted * 0.999)


def _image_of(
    table: Localizations, name: str, origin: tuple[float, float], known: dict[str, Any]
) -> LayerData:
    from napari_deepsmlm.render import RenderOptions, draw

    sr_pixel_nm = sr_pixel_for(table)
    image = draw(table, options=RenderOptions(sr_pixel_nm=sr_pixel_nm)).numpy()
    keywords = {
        "name": name,
        "colormap": "magma",
        "contrast_limits": contrast_limits(image),
        "rgb": False,
        "metadata": {KEY: {**known, "sr_pixel_nm": sr_pixel_nm}},
        **overlay_placement(origin, sr_pixel_nm),
    }
    return image, keywords, "image"


def _point_size_nm(table: Localizations) -> float:
    if "uncertainty_x_nm" not in table or not len(table):
        return POINT_NM
    size = 2 * float(np.nanmedian(table["uncertainty_x_nm"]))
    return size if math.isfinite(size) and size > 0 else POINT_NM
