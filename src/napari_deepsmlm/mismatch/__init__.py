"""Mismatch: whether data look like what a model was trained on, and in words what does not."""

from napari_deepsmlm.mismatch.advice import pixel_sentence
from napari_deepsmlm.mismatch.check import (
    InputSettings,
    Look,
    compare_with_training,
    glance_at,
    mismatch_table,
    mismatches,
    settings_of,
)
from napari_deepsmlm.mismatch.table import PIXEL_TOLERANCE, MismatchRow, MismatchTable
from napari_deepsmlm.mismatch.trained import trained_on

__all__ = [
    "PIXEL_TOLERANCE",
    "InputSettings",
    "Look",
    "MismatchRow",
    "MismatchTable",
    "compare_with_training",
    "glance_at",
    "mismatch_table",
    "mismatches",
    "pixel_sentence",
    "settings_of",
    "trained_on",
]
