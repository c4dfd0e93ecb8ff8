"""Depth: an image of molecules whose colour tells their z."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from napari_deepsmlm.localizations import Localizations


@dataclass(frozen=True, slots=True)
class DepthImage:
    """A coloured image.

    Attributes
    ----------
    image : (rows, columns, 3) uint8.
    pixel_nm : its pixel, nm.
    z_nm : depths of the first and the last colour.
    """

    image: np.ndarray[Any, Any]
    pixel_nm: float
    z_nm: tuple[float, float]


def depth_image(
    table: Localizations,
    shape: tuple[int, int],
    *,
    sr_pixel_nm: float,
    origin_nm: tuple[float, float] = (0.0, 0.0),
) -> DepthImage:
    """Draw molecules as the image of the run does, each in the colour of its depth.

    Parameters
    ----------
    table : molecules with `z_nm`, at least one.
    shape : rows and columns of the image.
    sr_pixel_nm : its pixel, nm.
    origin_nm : (y, x) nm where its outer corner is.
    """
    from napari_deepsmlm.render import RenderOptions, draw_colored, rendering_of

    y, x = origin_nm
    table = table.with_columns(x_nm=table.x_nm - x, y_nm=table.y_nm - y)
    kind = "gaussian" if rendering_of(table.names).has_own_sigma else "histogram"
    options = RenderOptions(kind=kind, sr_pixel_nm=sr_pixel_nm)
    made = draw_colored(table, "z_nm", shape, options=options)
    image = np.rint(255 * made.rgb).astype(np.uint8)
    return DepthImage(image, sr_pixel_nm, (made.low, made.high))


def depth_colors(table: Localizations) -> dict[str, Any]:
    """Return keywords of points that have the colours of :func:`depth_image`."""
    from napari.utils import Colormap

    from napari_deepsmlm.render.colors import N_COLORS, RANGE_PERCENT, hue_of

    low, high = np.percentile(table["z_nm"], RANGE_PERCENT).tolist()
    return {
        "border_color": "z_nm",
        "border_colormap": Colormap(hue_of(np.linspace(0, 1, N_COLORS)), name="depth"),
        "border_contrast_limits": (low, max(high, low + 1.0)),
    }
