"""Rendered layer: an image of a table that is drawn anew whenever its molecules change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_deepsmlm.plugin.layers.hues import GREY, put_hues, show_legend
from napari_deepsmlm.plugin.layers.tables import keep_table
from napari_deepsmlm.plugin.layers.world import HUES, KEY, overlay_placement
from napari_deepsmlm.plugin.localizations.column_ranges import title_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.layers import Image
    from napari.viewer import Viewer

    from napari_deepsmlm.localizations import Localizations
    from napari_deepsmlm.plugin.layers.hues import Hues
    from napari_deepsmlm.plugin.localizations.work import Drawing

COLORMAP = "magma"


class RenderedLayer:
    """An image layer that follows a filter, as long as the user leaves it in the viewer.

    With a column for colours, a second layer of hues lies on it. No layer is ever removed or made
    anew: napari takes 0.1 s to add one, and 0.2 s to remove one (it collects garbage then).

    Parameters
    ----------
    viewer : where it is added, beside what is there already.
    name : of the layer.
    origin : (y, x) nm in the world where positions count from.
    """

    def __init__(self, viewer: Viewer, name: str, origin: tuple[float, float]) -> None:
        self.is_complete = True
        """Whether nothing of the latest image is still to be shown."""
        self.layer: Image | None = None
        self.hues: Image | None = None
        self._viewer = viewer
        self._name = name
        self._origin = origin
        self._limits: dict[str, tuple[float, ...]] = {}  # those last set here, by layer
        self._column: str | None = None
        self._latest: Drawing | None = None

    @property
    def is_shown(self) -> bool:
        """Whether the layer is in the viewer."""
        return self.layer is not None and self.layer in self._viewer.layers

    def show(self, drawing: Drawing, known: dict[str, Any], table: Localizations) -> Iterator[None]:
        """Return the steps, for `in_turns`, that show an image in place of the one before.

        Parameters
        ----------
        known : what is kept of it, with `sr_pixel_nm` and `color_by`.
        table : the molecules that are drawn.
        """
        self._latest, self.is_complete = drawing, False
        return self._steps(drawing, known, table)

    def _steps(
        self, drawing: Drawing, known: dict[str, Any], table: Localizations
    ) -> Iterator[None]:
        (y, x), (down, right) = self._origin, drawing.corner_nm
        placement = overlay_placement((y + down, x + right), known["sr_pixel_nm"])
        if self.layer is None:
            self._add(drawing, known, placement)
        else:
            _fill(self.layer, drawing.image, placement)
            if drawing.is_view:
                self._keep_share("image", self.layer, drawing.limits[1])
            self._limit("image", self.layer, drawing.limits, (0.0, 2 * drawing.limits[1]))
        if self.layer is not None:
            self.layer.metadata = {**self.layer.metadata, KEY: known}
            keep_table(self.layer, table, self._origin)
            if self.hues is None:  # else both change at once: colours do not lag behind
                yield
            if drawing is self._latest and self.is_shown:  # nothing else happened meanwhile
                yield from self._show_hues(self.layer, drawing.hues, known, placement)
        self.is_complete = drawing is self._latest

    def remove_hues(self) -> None:
        """Take the hues away: there is nothing below them any more."""
        if self.hues is not None and self.hues in self._viewer.layers:
            self._viewer.layers.remove(self.hues)

    def _add(self, drawing: Drawing, known: dict[str, Any], placement: dict[str, Any]) -> None:
        self.layer = self._viewer.add_image(
            drawing.image,
            name=self._name,
            rgb=False,
            colormap=COLORMAP,
            blending="translucent_no_depth",
            contrast_limits=drawing.limits,
            metadata={KEY: known},
            **placement,
        )
        self._limits["image"] = tuple(self.layer.contrast_limits)
        self._viewer.canvas.overlays.scale_bar.visible = True

    def _show_hues(
        self, layer: Image, hues: Hues | None, known: dict[str, Any], placement: dict[str, Any]
    ) -> Iterator[None]:
        if hues is None:
            self._leave_hues(layer)
            return
        column = known["color_by"]
        is_new, name = column != self._column, title_of(column)
        self._column = column
        if is_new:
            self._limits.pop("hues", None)
        if self.hues is not None and self.hues in self._viewer.layers:
            if is_new:
                self.hues.name, self.hues.visible, layer.colormap = name, True, GREY
            _fill(self.hues, hues.values, placement)
            self.hues.metadata = {KEY: {**known, "kind": HUES}}
            self._limit("hues", self.hues, hues.limits, hues.ends)
        elif is_new:  # else the user has removed them
            self.hues = put_hues(
                self._viewer, layer, hues, name=name, known=known, placement=placement
            )
            self._limits["hues"] = tuple(self.hues.contrast_limits)
            yield
            yield from show_legend(self.hues)

    def _leave_hues(self, layer: Image) -> None:
        """Show the density alone again, in its own colours."""
        if self._column is not None and self.hues is not None:
            self.hues.visible = False
            if layer.colormap.name == GREY:
                layer.colormap = COLORMAP
        self._column = None

    def _keep_share(self, name: str, layer: Image, high: float) -> None:
        """Scale the user's own contrast: with smaller pixels there is less in each."""
        before = self._limits[name]
        if tuple(layer.contrast_limits) != before and high != before[1]:
            low, own = (limit * high / before[1] for limit in layer.contrast_limits)
            layer.contrast_limits_range = (min(0.0, low), max(2 * high, own))
            layer.contrast_limits = (low, own)
            self._limits[name] = (0.0, high)

    def _limit(
        self, name: str, layer: Image, limits: tuple[float, float], ends: tuple[float, float]
    ) -> None:
        """Follow the contrast of the image, unless the user has set their own."""
        before = self._limits.get(name)
        if before is None or tuple(layer.contrast_limits) == before:
            layer.contrast_limits_range = ends
            layer.contrast_limits = limits
            self._limits[name] = tuple(layer.contrast_limits)


def _fill(layer: Image, image: Any, placement: dict[str, Any]) -> None:
    layer.data = image
    for name in ("scale", "translate"):
        if tuple(getattr(layer, name)) != tuple(placement[name]):  # another pixel
            setattr(layer, name, placement[name])
