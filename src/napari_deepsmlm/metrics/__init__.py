"""Measures of images and localizations against a truth."""

from napari_deepsmlm.metrics.image import (
    count_image,
    image_scores,
    least_squares_scale,
    nmse_percent,
)
from napari_deepsmlm.metrics.matching import Matching, match

__all__ = [
    "Matching",
    "count_image",
    "image_scores",
    "least_squares_scale",
    "match",
    "nmse_percent",
]
