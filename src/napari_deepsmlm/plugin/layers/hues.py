"""Hues: a layer that colours the image below it by a column, such as depth, with a colour bar.

The image below is grey and says how many molecules there are; the hues are multiplied with it. So
the numbers of both stay in their layers: the colour bar is napari's own, the contrast limits of the
hues are the range of the colours, and those of the image their brightness.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image

from napari_deepsmlm.plugin.layers.world import HUES, KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.utils import Colormap
    from napari.viewer import Viewer

GREY = "gray"
PAUSE_MS = 120
"""Between the steps in which napari is shown new layers and overlays: each is painted by itself."""


@dataclass(frozen=True, slots=True)
class Hues:
    """The mean of a column in every pixel."""

    values: np.ndarray[Any, Any]
    """(rows, columns), NaN where there are no molecules."""
    limits: tuple[float, float]
    """Values of the first and last colour."""

    @property
    def ends(self) -> tuple[float, float]:
        """How far the sliders of the limits go."""
        low, high = self.limits
        return 1.5 * low - 0.5 * high, 1.5 * high - 0.5 * low


def put_hues(
    viewer: Viewer,
    below: Image | None,
    hues: Hues,
    *,
    name: str,
    known: dict[str, Any],
    placement: dict[str, Any],
) -> Image:
    """Put hues on an image, which becomes grey; :func:`show_legend` says what they mean.

    Parameters
    ----------
    below : the image that they colour; without one the hues are seen by themselves.
    name : what the values are, with their unit: the title of the colour bar.
    known : of their making.
    placement : as `overlay_placement` gives it.
    """
    layer = Image(
        hues.values,
        name=name,
        rgb=False,
        colormap=hue_colormap(),
        contrast_limits=hues.limits,
        blending="translucent_no_depth" if below is None else "multiplicative",
        interpolation3d="nearest",  # between a value and NaN there is none
        metadata={KEY: {**known, "kind": HUES}},
        **placement,
    )
    layer.contrast_limits_range = hues.ends
    above = len(viewer.layers) if below is None else viewer.layers.index(below) + 1
    viewer.layers.insert(above, layer)
    if below is not None:
        below.colormap = GREY
    return layer


def show_legend(layer: Image) -> Iterator[None]:
    """Show napari's colour bar and the name of the layer beside it, one at a time for `in_turns`.

    Without a graphics card napari takes 0.2 s to draw the first of each: it prepares its letters.
    """
    for overlay in (layer.colorbar, layer.name_overlay):
        overlay.position = "top_right"  # napari puts them side by side
        overlay.visible = True
        yield


def hue_colormap() -> Colormap:
    """Return the colours, blue over grey to orange, as napari knows them."""
    from napari.utils import Colormap

    from napari_deepsmlm.render.colors import N_COLORS, hue_of

    return Colormap(hue_of(np.linspace(0, 1, N_COLORS)), name="blue-orange")
