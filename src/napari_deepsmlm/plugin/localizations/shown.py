"""What the viewer shows of a table: the points that are kept, and the image drawn of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Points

from napari_deepsmlm.plugin.layers.hues import PAUSE_MS
from napari_deepsmlm.plugin.layers.localizations import camera_pixel_nm
from napari_deepsmlm.plugin.localizations.followed_view import FollowedView
from napari_deepsmlm.plugin.localizations.rendered_layer import RenderedLayer
from napari_deepsmlm.plugin.localizations.table_box import RENDERING
from napari_deepsmlm.plugin.widgets.parts import in_turns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.layers import Layer
    from napari.viewer import Viewer
    from qtpy.QtWidgets import QWidget

    from napari_deepsmlm.plugin.localizations.work import Drawing, Kept


class ShownMolecules:
    """The layer that a table is of, and the image that follows its filter.

    Parameters
    ----------
    viewer : that shows them.
    panel : while it is there, images are shown step by step.

    Attributes
    ----------
    layer : that holds the table, None if there is none.
    origin : (y, x) nm in the world where its positions count from.
    """

    def __init__(self, viewer: Viewer, panel: QWidget) -> None:
        self._viewer, self._panel = viewer, panel
        self.layer: Layer | None = None
        self.origin = (0.0, 0.0)
        self.rendered: RenderedLayer | None = None
        self.view = FollowedView(viewer, panel)
        self.view.ended.connect(self._forget_image)

    def take(self, layer: Layer | None, origin: tuple[float, float]) -> None:
        """Show the table of another layer from now on; the image of the one before stays."""
        self.show_all_points()
        self.view.stop()
        self.layer, self.origin, self.rendered = layer, origin, None

    def follow(self, kept: Kept) -> None:
        """Draw the molecules kept as the screen shows them, if that is wanted, else no more."""
        if kept.wanted.in_view and kept.wanted.options is not None:
            self.view.follow(kept, self.origin)
        else:
            self.view.stop()

    def show_points(self, mask: np.ndarray[Any, Any]) -> None:
        """Show those points alone that are kept."""
        layer = self.layer
        if not isinstance(layer, Points) or len(layer.data) != len(mask):
            return
        if np.array_equal(layer.shown, mask):
            return
        layer.shown = mask
        if layer.ndim > 2:
            return
        # napari 0.9 draws points of a layer without a slider whether they are `shown` or not.
        for part in ("face_color", "border_color"):
            colors = np.array(getattr(layer, part))
            colors[:, 3] = mask
            setattr(layer, part, colors)

    def show_all_points(self) -> None:
        """Show the points again that a filter has hidden."""
        if isinstance(self.layer, Points):
            self.show_points(np.ones(len(self.layer.data), bool))

    def show_image(self, kept: Kept, drawing: Drawing) -> bool:
        """Show an image of the molecules kept; False if the user has removed it meanwhile."""
        name = "localizations" if self.layer is None else self.layer.name
        if self.rendered is None:
            self.rendered = RenderedLayer(self._viewer, f"{name} rendered", self.origin)
        elif self.rendered.layer is not None and not self.rendered.is_shown:
            self._forget_image()
            return False
        known = {
            "kind": "reconstruction",
            RENDERING: True,
            "of": "" if self.layer is None else name,
            "where": kept.wanted.where,
            "regions_nm": [list(polygon) for polygon in kept.wanted.polygons],
            "color_by": kept.wanted.color_by,
            "pixel_size_nm": camera_pixel_nm(self._viewer),
            "is_view": drawing.is_view,
            **drawing.options.model_dump(),
        }
        steps = self.rendered.show(drawing, known, kept.table)
        in_turns(self._shown(steps), self._panel, pause_ms=PAUSE_MS)
        return True

    def _forget_image(self) -> None:
        if self.rendered is not None:
            self.rendered.remove_hues()
        self.rendered = None

    def _shown(self, steps: Iterator[None]) -> Iterator[None]:
        """Do the steps, and draw the view only as long as its layer is there to be seen."""
        yield from steps
        if self.view.is_following and self.rendered is not None and self.rendered.is_shown:
            self.view.take_layer(self.rendered.layer)
