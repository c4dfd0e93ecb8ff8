"""Overlay: the layers of one reconstruction, on top of the stack that they were made from."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from napari_deepsmlm.plugin.layers.hues import put_hues
from napari_deepsmlm.plugin.layers.localizations import place_waiting
from napari_deepsmlm.plugin.layers.tables import keep_table
from napari_deepsmlm.plugin.layers.world import (
    KEY,
    PlaneSpan,
    corner_nm,
    is_in_nm,
    lapse_placement,
    overlay_placement,
    points_of,
    provenance,
    set_pixel_size,
)
from napari_deepsmlm.plugin.reconstruct.depth import depth_colors

if TYPE_CHECKING:
    import numpy as np
    from napari.layers import Image, Layer
    from napari.viewer import Viewer

    from napari_deepsmlm.localizations import Localizations
    from napari_deepsmlm.plugin.reconstruct.depth import DepthImage
    from napari_deepsmlm.plugin.reconstruct.work import ImageSoFar

IS_RUN = "is_run"
"""Marks the layers that a run made, in their provenance."""
# A step of the slider looks at all points: it takes 17 ms without any, 28 with 50,000 and 75 with
# 200,000 (two cores, no graphics card). With more the slider is not smooth any more.
MAX_POINTS = 50_000
# Showing a large image takes the window long: it may take this share of its time.
SHOWING_SHARE = 0.1


class Overlay:
    """A super-resolved layer that appears with its first image and follows those after it.

    The stack gets nm scale and units too: beside a layer in pixels the scale bar has no unit.

    Parameters
    ----------
    viewer : where layers are added, beside what is there already.
    stack : the layer of camera frames.
    pixel_size_nm : its camera pixel.
    name : of the image layer.
    first_frame, window, step : of a time-lapse: its first frame, the frames of each image, and
        those from one image to the next.
    channel : which of the frames' planes it was made from, from 1; None: all of them.
    is_see_through : whether the frames under it are to be seen as well.
    """

    def __init__(
        self,
        viewer: Viewer,
        stack: Layer,
        pixel_size_nm: float,
        name: str,
        *,
        first_frame: int = 0,
        window: int | None = None,
        step: int | None = None,
        channel: int | None = None,
        is_see_through: bool = False,
    ) -> None:
        self.stack = stack
        self.pixel_size_nm = pixel_size_nm
        self.layer: Image | None = None
        self._viewer = viewer
        self.name = name
        self._first_frame, self._window, self._step = first_frame, window, step
        self._planes = PlaneSpan.of(stack.data, channel)
        self._blending = "additive" if is_see_through else "translucent_no_depth"
        self._report: dict[str, Any] = {"kind": "reconstruction", "of": stack.name}
        self._report["is_preview" if is_see_through else IS_RUN] = True
        self._limits: tuple[float, ...] = ()
        self._hidden: list[Layer] = []
        self._placed: tuple[float, tuple[int, int]] | None = None
        self._due_at = 0.0
        if not is_in_nm(stack, pixel_size_nm):
            set_pixel_size(stack, pixel_size_nm)
            place_waiting(viewer.layers)
            viewer.reset_view()
        viewer.canvas.overlays.scale_bar.visible = True
        self._corner = corner_nm(stack)

    def show(self, event: ImageSoFar) -> None:
        """Show the image so far; contrast follows `limits` until the user sets their own."""
        started = time.monotonic()
        if started < self._due_at and not event.is_last:
            return
        placed = event.sr_pixel_nm, event.origin_px
        if placed != self._placed:  # another model or region was chosen for the preview
            self.remove()
            self._placed = placed
        image = self._with_axes(event.image)
        if self.layer is None:
            self._add(image, event)
        elif self.is_shown:
            is_untouched = tuple(self.layer.contrast_limits) == self._limits
            self.layer.data = image
            if is_untouched:
                self._set_limits(self.layer, event.limits)
        now = time.monotonic()
        self._due_at = now + (now - started) / SHOWING_SHARE

    def show_points(self, localizations: Localizations) -> None:
        """Add the molecules, each in the frame it was found in; depth is colour."""
        data, keywords, _ = points_of(
            localizations, self._corner, self.stack.ndim, planes=self._planes
        )
        keywords |= {"name": f"{self.name} molecules", "size": self.pixel_size_nm}
        if localizations.is_3d:
            keywords |= depth_colors(localizations)
        # rings as wide as a camera pixel would hide the image
        keywords["visible"] = not self.is_shown
        self._viewer.add_points(data, metadata={KEY: dict(self._report)}, **keywords)
        if self.is_shown:
            self._viewer.layers.selection.active = self.layer  # what is seen is what is changed

    def show_depth(self, depth: DepthImage) -> Image:
        """Colour the image by depth; return the layer that does."""
        return put_hues(
            self._viewer,
            self.layer if self.is_shown else None,
            depth.hues,
            name="Depth (nm)",
            known={**self._report, "z_nm": depth.hues.limits},
            placement=overlay_placement(self._image_corner, depth.pixel_nm),
        )

    def describe(self, report: dict[str, Any]) -> None:
        """Put the report into the layer's metadata."""
        self._report |= report
        if self.layer is not None:
            known = {**provenance(self.layer), **self._report}
            self.layer.metadata = {**self.layer.metadata, KEY: known}

    def keep_table(self, localizations: Localizations) -> None:
        """Let other panels find the molecules from the image."""
        if self.layer is not None:
            keep_table(self.layer, localizations, self._corner)

    def is_of(self, stack: Layer, pixel_size_nm: float | None) -> bool:
        """Whether it lies on that stack with that pixel size."""
        return bool(stack == self.stack and pixel_size_nm == self.pixel_size_nm)

    @property
    def is_shown(self) -> bool:
        """Whether the layer is still in the viewer: the user may have removed it."""
        return self.layer is not None and self.layer in self._viewer.layers

    @property
    def is_over_frames(self) -> bool:
        """Whether the frames are still there."""
        return self.stack in self._viewer.layers

    def remove(self) -> None:
        """Take the layer away, if it is still there, and show those that it took the place of."""
        if self.layer is not None and self.is_shown:
            self._viewer.layers.remove(self.layer)
        self.layer = None
        for older in self._hidden:
            older.visible = True
        self._hidden.clear()

    @property
    def _image_corner(self) -> tuple[float, float]:
        """(y, x) nm in the world of the outer corner of the image, which may be of a region."""
        assert self._placed is not None  # noqa: S101 - the image is placed before it is added
        row, column = self._placed[1]
        y, x = self._corner
        return y + row * self.pixel_size_nm, x + column * self.pixel_size_nm

    def _with_axes(self, image: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """(T, Y, X) -> (T, 1, Y, X) above frames of several planes; an image stays as it is."""
        is_between = image.ndim == 3 and self.stack.ndim == 4
        return image[:, None] if is_between else image

    def _hide_older(self) -> None:
        """Hide the results of earlier runs on the same stack: one image covers the other."""
        for layer in self._viewer.layers:
            known = provenance(layer)
            if layer.visible and known.get(IS_RUN) and known.get("of") == self.stack.name:
                layer.visible = False
                self._hidden.append(layer)

    def _add(self, image: np.ndarray[Any, Any], event: ImageSoFar) -> None:
        if self._report.get(IS_RUN):
            self._hide_older()
        placement = overlay_placement(self._image_corner, event.sr_pixel_nm)
        if self._window is not None:
            placement = lapse_placement(
                self._image_corner,
                event.sr_pixel_nm,
                first_frame=self._first_frame,
                window=self._window,
                step=self._step,
                ndim=self.stack.ndim,
                planes=self._planes,
            )
        self.layer = self._viewer.add_image(
            image,
            name=self.name,
            colormap="magma",
            blending=self._blending,
            contrast_limits=event.limits,
            rgb=False,
            metadata={KEY: dict(self._report)},
            **placement,
        )
        self._limits = tuple(self.layer.contrast_limits)
        if self._window is not None:
            self._show_an_image(self.layer)

    def _show_an_image(self, lapse: Image) -> None:
        """Move the slider to the first image of a time-lapse if it is on none."""
        (first, last), half = lapse.extent.world[:, 0], lapse.scale[0] / 2
        if not first - half <= self._viewer.dims.point[0] <= last + half:
            self._viewer.dims.set_point(0, first)

    def _set_limits(self, layer: Image, limits: tuple[float, float]) -> None:
        # The range first: limits outside it would widen it by themselves, but never narrow it.
        layer.contrast_limits_range = (0.0, 2 * limits[1])
        layer.contrast_limits = limits
        self._limits = tuple(layer.contrast_limits)
