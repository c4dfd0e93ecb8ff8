"""Rendered layer: an image of a table that is drawn anew whenever its molecules change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_deepsmlm.plugin.layer_tables import keep_table
from napari_deepsmlm.plugin.layers import KEY, overlay_placement

if TYPE_CHECKING:
    import numpy as np
    from napari.layers import Image
    from napari.viewer import Viewer

    from napari_deepsmlm.localizations import Localizations


class RenderedLayer:
    """An image layer that follows a filter, as long as the user leaves it in the viewer.

    Parameters
    ----------
    viewer : where it is added, beside what is there already.
    name : of the layer.
    origin : (y, x) nm in the world where positions count from.
    """

    def __init__(self, viewer: Viewer, name: str, origin: tuple[float, float]) -> None:
        self.layer: Image | None = None
        self._viewer = viewer
        self._name = name
        self._origin = origin
        self._form: tuple[Any, ...] = ()
        self._limits: tuple[float, ...] = ()

    @property
    def is_shown(self) -> bool:
        """Whether the layer is in the viewer."""
        return self.layer is not None and self.layer in self._viewer.layers

    def show(
        self,
        image: np.ndarray[Any, Any],
        limits: tuple[float, float],
        known: dict[str, Any],
        table: Localizations,
    ) -> None:
        """Show an image, in place of the one before if there is one.

        Parameters
        ----------
        image : (rows, columns), or (rows, columns, 3) colours.
        limits : contrast of grey levels, until the user sets their own.
        known : what is kept of it, with `sr_pixel_nm`.
        table : the molecules that are drawn.
        """
        form = (image.ndim, known["sr_pixel_nm"])
        if not self.is_shown or form != self._form:
            self._add(image, limits, known)
            self._form = form
        elif self.layer is not None:
            is_untouched = image.ndim == 2 and tuple(self.layer.contrast_limits) == self._limits
            self.layer.data = image
            if is_untouched:
                self._set_limits(limits)
        if self.layer is not None:
            self.layer.metadata = {**self.layer.metadata, KEY: known}
            keep_table(self.layer, table, self._origin)

    def _add(
        self, image: np.ndarray[Any, Any], limits: tuple[float, float], known: dict[str, Any]
    ) -> None:
        is_rgb = image.ndim == 3
        looks = {} if is_rgb else {"colormap": "magma", "contrast_limits": limits}
        before = self.layer if self.is_shown else None
        self.layer = self._viewer.add_image(
            image,
            name=self._name,
            rgb=is_rgb,
            **looks,
            **overlay_placement(self._origin, known["sr_pixel_nm"]),
        )
        if before is not None:  # grey levels cannot become colours
            self._viewer.layers.remove(before)
            self.layer.name = self._name
        self._limits = () if is_rgb else tuple(self.layer.contrast_limits)

    def _set_limits(self, limits: tuple[float, float]) -> None:
        if self.layer is not None:
            self.layer.contrast_limits_range = (0.0, 2 * limits[1])
            self.layer.contrast_limits = limits
            self._limits = tuple(self.layer.contrast_limits)
