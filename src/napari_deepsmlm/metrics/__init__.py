"""Measures of images and localizations against a truth."""

from napari_deepsmlm.metrics.breakdown import local_density, score_table, truth_bounds
from napari_deepsmlm.metrics.crlb import Bounds, crlb, fisher_information
from napari_deepsmlm.metrics.image import (
    count_image,
    image_scores,
    least_squares_scale,
    ms_ssim,
    nmse_percent,
)
from napari_deepsmlm.metrics.matching import Matching, field_of, match, without_border

__all__ = [
    "Bounds",
    "Matching",
    "count_image",
    "crlb",
    "field_of",
    "fisher_information",
    "image_scores",
    "least_squares_scale",
    "local_density",
    "match",
    "ms_ssim",
    "nmse_percent",
    "score_table",
    "truth_bounds",
    "without_border",
]
