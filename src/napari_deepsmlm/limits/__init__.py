"""Limits: where a model works, over density, light, background and depth, beside the bound."""

from __future__ import annotations

from napari_deepsmlm.limits.files import limits_figure, write_limits
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
    "Tried",
    "find_tried",
    "limits_figure",
    "measure_limits",
    "write_limits",
]
