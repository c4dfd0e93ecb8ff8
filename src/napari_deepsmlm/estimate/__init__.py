"""Estimate: experiment parameters from raw frames, without localizing a molecule."""

from napari_deepsmlm.estimate.measure import estimate
from napari_deepsmlm.estimate.result import Estimate

__all__ = ["Estimate", "estimate"]
