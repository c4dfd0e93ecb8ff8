"""Measures of images and localizations against a truth."""

from napari_deepsmlm.metrics.image import count_image, image_scores, least_squares_scale, nmse_percent

__all__ = ["count_image", "image_scores", "least_squares_scale", "nmse_percent"]
