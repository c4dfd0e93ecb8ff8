"""Overlay: the layers of one reconstruction, on top of the stack that they were made from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_deepsmlm.plugin.layers import (
    KEY,
    corner_nm,
    is_in_nm,
    overlay_placement,
    points_of,
    set_pixel_size,
)

if TYPE_CHECKING:
    import numpy as np
    from napari.layers import Image, Layer
    from napari.viewer import Viewer

    from napari_deepsmlm.localizations import Localizations


class Overlay:
    """A super-resolved layer that appears with its first image and follows those after it.

    The stack gets nm scale and units too: beside a layer in pixels the scale bar has no unit.

    Parameters
    ----------
    viewer : where layers are added, beside what is there already.
    stack : the layer of camera frames.
    pixel_size_nm : its camera pixel.
    name : of the image layer.
    """

    def __init__(self, viewer: Viewer, stack: Layer, pixel_size_nm: float, name: str) -> None:
        self.stack = stack
        self.pixel_size_nm = pixel_size_nm
        self.layer: Image | None = None
        self._viewer = viewer
        self._name = name
        self._report: dict[str, Any] = {"kind": "reconstruction", "of": stack.name}
        self._limits: tuple[float, ...] = ()
        self._sr_pixel_nm = 0.0
        if not is_in_nm(stack, pixel_size_nm):
            set_pixel_size(stack, pixel_size_nm)
            viewer.reset_view()
        viewer.canvas.overlays.scale_bar.visible = True
        self._corner = corner_nm(stack)

    def show(
        self, image: np.ndarray[Any, Any], limits: tuple[float, float], sr_pixel_nm: float
    ) -> None:
        """Show the image so far; contrast follows `limits` until the user sets their own."""
        if sr_pixel_nm != self._sr_pixel_nm:  # another model was chosen for the preview
            self.remove()
            self._sr_pixel_nm = sr_pixel_nm
        if self.layer is None:
            self.layer = self._viewer.add_image(
                image,
                name=self._name,
                colormap="magma",
                contrast_limits=limits,
                rgb=False,
                metadata={KEY: dict(self._report)},
                **overlay_placement(self._corner, sr_pixel_nm),
            )
            self._limits = tuple(self.layer.contrast_limits)
        elif self.is_shown:
            is_untouched = tuple(self.layer.contrast_limits) == self._limits
            self.layer.data = image
            if is_untouched:
                self._set_limits(self.layer, limits)

    def show_points(self, localizations: Localizations) -> None:
        """Add the molecules, each in the frame it was found in."""
        data, keywords, _ = points_of(localizations, self._corner, self.stack.ndim)
        keywords |= {"name": f"{self.stack.name} molecules", "size": self.pixel_size_nm}
        self._viewer.add_points(data, metadata={KEY: dict(self._report)}, **keywords)

    def describe(self, report: dict[str, Any]) -> None:
        """Put the report into the layer's metadata."""
        self._report |= report
        if self.layer is not None:
            self.layer.metadata = {**self.layer.metadata, KEY: dict(self._report)}

    def is_of(self, stack: Layer, pixel_size_nm: float | None) -> bool:
        """Whether it lies on that stack with that pixel size."""
        return bool(stack == self.stack and pixel_size_nm == self.pixel_size_nm)

    @property
    def is_shown(self) -> bool:
        """Whether the layer is still in the viewer: the user may have removed it."""
        return self.layer is not None and self.layer in self._viewer.layers

    def remove(self) -> None:
        """Take the layer away, if it is still there."""
        if self.layer is not None and self.is_shown:
            self._viewer.layers.remove(self.layer)
        self.layer = None

    def _set_limits(self, layer: Image, limits: tuple[float, float]) -> None:
        # The range first: limits outside it would widen it by themselves, but never narrow it.
        layer.contrast_limits_range = (0.0, 2 * limits[1])
        layer.contrast_limits = limits
        self._limits = tuple(layer.contrast_limits)
