"""Measures of images and localizations against a truth."""

from napari_deepsmlm.metrics.crlb import Bounds, crlb, fisher_information
from napari_deepsmlm.metrics.image import (
    count_image,
    image_scores,
    least_squares_scale,
    nmse_percent,
)
from napari_deepsmlm.metrics.matching import Matching, match

__all__ = [
    "Bounds",
    "Matching",
    "count_image",
    "crlb",
    "fisher_information",
    "image_scores",
    "least_squares_scale",
    "match",
    "nmse_percent",
]
