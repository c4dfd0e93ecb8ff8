"""Bead marks: circles around the beads of a stack, of which a person deletes what is no good."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_deepsmlm._palette import YELLOW
from napari_deepsmlm.plugin.layers.world import KEY

if TYPE_CHECKING:
    from napari.layers import Layer, Points
    from napari.viewer import Viewer

    Array = np.ndarray[Any, Any]


class BeadMarks:
    """The marked beads of each stack, in a Points layer of their own.

    Parameters
    ----------
    viewer : which shows them.
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._layers: dict[Layer, Points] = {}

    def show(self, stack: Layer, places: Array, window_px: int) -> int:
        """Mark beads instead of those of an earlier search, and return how many are marked.

        Parameters
        ----------
        places : (N, 2) y, x in pixels of the stack.
        window_px : the width of a circle.
        """
        earlier = self._layers.pop(stack, None)
        if earlier is not None and earlier in self._viewer.layers:
            self._viewer.layers.remove(earlier)
        if not len(places) or stack not in self._viewer.layers:
            return 0
        self._layers[stack] = _circles(self._viewer, stack, places, window_px)
        return len(places)

    def kept(self, stack: Layer) -> Array | None:
        """Return the beads (N, 2) that are still marked; None, for all, if nothing is."""
        layer = self._layers.get(stack)
        if layer is None or layer not in self._viewer.layers:
            return None
        return np.asarray(layer.data)


def _circles(viewer: Viewer, stack: Layer, places: Array, window_px: int) -> Points:
    return viewer.add_points(
        places,
        name=f"{stack.name} · marked",
        size=window_px,
        face_color="transparent",
        border_color=YELLOW,
        border_width=0.06,
        scale=stack.scale[-2:],
        translate=stack.translate[-2:],
        units=stack.units[-2:],
        axis_labels=("y", "x"),
        metadata={KEY: {"kind": "beads", "of": stack.name}},
    )
