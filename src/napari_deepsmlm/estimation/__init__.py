"""Estimate: experiment parameters and the camera from raw frames, without localizing a molecule."""

from napari_deepsmlm.estimation.known_camera import KnownCamera, know_camera
from napari_deepsmlm.estimation.measure import estimate
from napari_deepsmlm.estimation.result import Estimate
from napari_deepsmlm.estimation.sentences import pixel_doubt, plus_minus

__all__ = ["Estimate", "KnownCamera", "estimate", "know_camera", "pixel_doubt", "plus_minus"]
