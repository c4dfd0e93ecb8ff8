"""Depth: an image of molecules whose colour tells their z."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from napari_deepsmlm.localizations import Localizations

COLORMAP = "turbo"
# Slices in z that are drawn one after the other, each in its colour.
N_SLICES = 24
# Deeper and higher than all but so many percent is drawn in the last colours.
OUTER_PERCENT = 1.0
BRIGHT_PERCENTILE = 99.8


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
    from matplotlib import colormaps

    from napari_deepsmlm.render import rendering_of

    y, x = origin_nm
    table = table.with_columns(x_nm=table.x_nm - x, y_nm=table.y_nm - y)
    rendering = rendering_of(table.names)
    low, high = np.percentile(table["z_nm"], [OUTER_PERCENT, 100 - OUTER_PERCENT])
    edges = np.linspace(low, max(high, low + 1.0), N_SLICES + 1)
    number = np.searchsorted(edges[1:-1], table["z_nm"], side="right")
    image = np.zeros((*shape, 3), np.float32)
    total = np.zeros(shape, np.float32)
    for i in np.unique(number).tolist():
        drawn = rendering.draw(table[number == i], shape, sr_pixel_nm).numpy()
        color = colormaps[COLORMAP]((i + 0.5) / N_SLICES)[:3]
        for channel, strength in enumerate(color):
            image[..., channel] += np.float32(strength) * drawn
        total += drawn
    bright = np.percentile(total[total > 0], BRIGHT_PERCENTILE) if total.any() else 1.0
    image *= 255 / bright
    z_nm = float(edges[0]), float(edges[-1])
    return DepthImage(image.clip(0, 255).astype(np.uint8), sr_pixel_nm, z_nm)
