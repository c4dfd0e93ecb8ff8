"""Line profiles: values along a line, the curve that fits them, and how wide the object is."""

from napari_deepsmlm.profiles.curves import MODELS, Model
from napari_deepsmlm.profiles.fitting import fit_profile
from napari_deepsmlm.profiles.grid import PixelGrid
from napari_deepsmlm.profiles.result import ProfileFit
from napari_deepsmlm.profiles.sampling import LineProfile, line_profile

__all__ = [
    "MODELS",
    "LineProfile",
    "Model",
    "PixelGrid",
    "ProfileFit",
    "fit_profile",
    "line_profile",
]
