"""Limits: where a model works, over density, light, background and depth, beside the bound."""

from __future__ import annotations

from napari_deepsmlm.limits.files import limits_figure, write_limits
from napari_deepsmlm.limits.live import LiveLimits, LiveOptions, measure_live
from napari_deepsmlm.limits.live_files import live_figure, write_live
from napari_deepsmlm.limits.measure import (
    LimitOptions,
    Limits,
    Tried,
    find_tried,
    measure_limits,
)

__all__ = [
    "LimitOptions",
    "Limits",
    "LiveLimits",
    "LiveOptions",
    "Tried",
    "find_tried",
    "limits_figure",
    "live_figure",
    "measure_limits",
    "measure_live",
    "write_limits",
    "write_live",
]
