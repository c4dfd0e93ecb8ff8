"""Drift: how far the sample moved during a movie, measured twice, taken off and put back."""

from __future__ import annotations

from napari_deepsmlm.drift.curve import DriftCurve
from napari_deepsmlm.drift.estimate import DriftOptions, DriftResult, measure_drift
from napari_deepsmlm.drift.fiducials import find_beads, without_beads
from napari_deepsmlm.drift.files import drift_figure, read_curve, save_drift_figure, write_curve
from napari_deepsmlm.drift.images import hold_still, measure_image_drift, sum_of

__all__ = [
    "DriftCurve",
    "DriftOptions",
    "DriftResult",
    "drift_figure",
    "find_beads",
    "hold_still",
    "measure_drift",
    "measure_image_drift",
    "read_curve",
    "save_drift_figure",
    "sum_of",
    "without_beads",
    "write_curve",
]
