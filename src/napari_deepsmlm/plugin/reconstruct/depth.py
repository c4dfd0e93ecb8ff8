"""Depth: colours that tell the z of molecules, of an image and of points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_deepsmlm.plugin.layers.hues import Hues, hue_colormap

if TYPE_CHECKING:
    from napari_deepsmlm.localizations import Localizations


@dataclass(frozen=True, slots=True)
class DepthImage:
    """Mean depths, nm.

    Attributes
    ----------
    hues : (rows, columns) nm.
    pixel_nm : a pixel of them, nm.
    """

    hues: Hues
    pixel_nm: float


def depth_image(
    table: Localizations,
    shape: tuple[int, int],
    *,
    sr_pixel_nm: float,
    origin_nm: tuple[float, float] = (0.0, 0.0),
) -> DepthImage:
    """Return the mean depth of the molecules in each pixel, drawn as the image of the run is.

    Parameters
    ----------
    table : molecules with `z_nm`, at least one.
    shape : rows and columns of the image.
    sr_pixel_nm : its pixel, nm.
    origin_nm : (y, x) nm where its outer corner is.
    """
    from napari_deepsmlm.render import RenderOptions, draw_mean, rendering_of

    y, x = origin_nm
    table = table.with_columns(x_nm=table.x_nm - x, y_nm=table.y_nm - y)
    kind = "gaussian" if rendering_of(table.names).has_own_sigma else "histogram"
    options = RenderOptions(kind=kind, sr_pixel_nm=sr_pixel_nm)
    made = draw_mean(table, "z_nm", shape, options=options)
    return DepthImage(Hues(made.mean, (made.low, made.high)), sr_pixel_nm)


def depth_colors(table: Localizations) -> dict[str, Any]:
    """Return keywords of points that have the colours of :func:`depth_image`."""
    from napari_deepsmlm.render.colors import RANGE_PERCENT

    low, high = np.percentile(table["z_nm"], RANGE_PERCENT).tolist()
    return {
        "border_color": "z_nm",
        "border_colormap": hue_colormap(),
        "border_contrast_limits": (low, max(high, low + 1.0)),
    }
