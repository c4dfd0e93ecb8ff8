"""Measures of images and localizations against a truth."""

from napari_deepsmlm.metrics.breakdown import local_density, score_table, truth_bounds
from napari_deepsmlm.metrics.crlb import Bounds, crlb, fisher_information
from napari_deepsmlm.metrics.decorrelation import Decorrelation, decorrelation
from napari_deepsmlm.metrics.frc import RingCorrelation, ring_correlation
from napari_deepsmlm.metrics.image import (
    count_image,
    image_scores,
    least_squares_scale,
    ms_ssim,
    nmse_percent,
)
from napari_deepsmlm.metrics.matching import Matching, field_of, match, without_border
from napari_deepsmlm.metrics.squirrel import ErrorMap, error_map

__all__ = [
    "Bounds",
    "Decorrelation",
    "ErrorMap",
    "Matching",
    "RingCorrelation",
    "count_image",
    "crlb",
    "decorrelation",
    "error_map",
    "field_of",
    "fisher_information",
    "image_scores",
    "least_squares_scale",
    "local_density",
    "match",
    "ms_ssim",
    "nmse_percent",
    "ring_correlation",
    "score_table",
    "truth_bounds",
    "without_border",
]
