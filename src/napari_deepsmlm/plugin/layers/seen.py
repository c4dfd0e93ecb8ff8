"""Seen: which part of the world the viewer shows, and how large a pixel of the screen is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from napari_deepsmlm.plugin.layers.world import nm_per

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.viewer import Viewer
    from qtpy.QtWidgets import QWidget


class Seen(NamedTuple):
    """What the viewer shows of a table's place."""

    box_nm: tuple[float, float, float, float] | None
    """Top, left, bottom and right, nm from where positions count; None: seen from anywhere, as in
    the 3-D view, or with other axes on the screen."""
    screen_px_nm: float
    """A pixel of the screen."""


def seen_of(viewer: Viewer, origin_nm: tuple[float, float], beside: QWidget) -> Seen:
    """Return what the viewer shows.

    Parameters
    ----------
    origin_nm : (y, x) nm in the world where positions count from.
    beside : a widget on the same screen.
    """
    camera = viewer.scene.camera
    nm_per_point = _nm_per_unit(viewer) / camera.zoom
    # napari counts a canvas in points, which may be of several pixels
    pixel_nm = nm_per_point / beside.devicePixelRatioF()
    order = tuple(viewer.dims.displayed)
    if viewer.dims.ndisplay != 2 or order != (viewer.dims.ndim - 2, viewer.dims.ndim - 1):
        return Seen(None, pixel_nm)
    middle = [
        where * _nm_per_unit(viewer) - begin
        for where, begin in zip(camera.center[-2:], origin_nm, strict=True)
    ]
    half = [side * nm_per_point / 2 for side in viewer.canvas.viewbox_size(viewer.layers)]
    box = (middle[0] - half[0], middle[1] - half[1], middle[0] + half[0], middle[1] + half[1])
    return Seen(box, pixel_nm)


def watch(viewer: Viewer, on_change: Callable[..., object]) -> None:
    """Call a function whenever the viewer may show another part of the world."""
    for event in _events(viewer):
        event.connect(on_change)


def leave(viewer: Viewer, on_change: Callable[..., object]) -> None:
    """Call it no more."""
    for event in _events(viewer):
        event.disconnect(on_change)


def _events(viewer: Viewer) -> tuple:  # type: ignore[type-arg]
    camera, dims, canvas = viewer.scene.camera.events, viewer.dims.events, viewer.canvas
    return (
        camera.center,
        camera.zoom,
        canvas.events.size,
        canvas.grid.events.enabled,
        dims.ndisplay,
        dims.order,
        viewer.layers.events.units,
    )


def _nm_per_unit(viewer: Viewer) -> float:
    """Return how many nm the world counts as one: tables are in nm, and the user may choose."""
    units = viewer.layers.units
    return nm_per(units[-1]) if units and units[-1].is_compatible_with("nm") else 1.0
