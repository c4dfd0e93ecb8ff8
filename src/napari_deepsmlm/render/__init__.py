"""Render: a table of molecules becomes an image whose sums are numbers of molecules."""

from __future__ import annotations

from napari_deepsmlm.render.colors import ColoredImage, MeanImage, draw_colored, draw_mean
from napari_deepsmlm.render.gaussians import gaussian
from napari_deepsmlm.render.lapse import draw_lapse, frames_of_lapse
from napari_deepsmlm.render.options import (
    Rendering,
    RenderOptions,
    draw,
    field_shape,
    frames_shape,
    rendering_of,
)
from napari_deepsmlm.render.points import average_shifted_histogram, histogram
from napari_deepsmlm.render.view import Box, DrawnView, PlacedMolecules, View, view_of
from napari_deepsmlm.render.volume import Volume, VolumeOptions, draw_volume

__all__ = [
    "Box",
    "ColoredImage",
    "DrawnView",
    "MeanImage",
    "PlacedMolecules",
    "RenderOptions",
    "Rendering",
    "View",
    "Volume",
    "VolumeOptions",
    "average_shifted_histogram",
    "draw",
    "draw_colored",
    "draw_lapse",
    "draw_mean",
    "draw_volume",
    "field_shape",
    "frames_of_lapse",
    "frames_shape",
    "gaussian",
    "histogram",
    "rendering_of",
    "view_of",
]
