"""Estimate: experiment parameters from raw frames, without localizing a molecule."""

from napari_deepsmlm.estimation.measure import estimate
from napari_deepsmlm.estimation.result import Estimate

__all__ = ["Estimate", "estimate"]
