"""Cameras: photons on pixels to ADU in a file, and back."""

from napari_deepsmlm.camera.cameras import EMCCD, SCMOS, AdditiveNoise, Camera, IdealCamera
from napari_deepsmlm.camera.maps import SensorMaps
from napari_deepsmlm.camera.presets import camera_preset, camera_presets, find_camera
from napari_deepsmlm.camera.vocabularies import (
    ConvertedCamera,
    camera_from_decode,
    camera_from_picasso,
    camera_from_thunderstorm,
)

__all__ = [
    "EMCCD",
    "SCMOS",
    "AdditiveNoise",
    "Camera",
    "ConvertedCamera",
    "IdealCamera",
    "SensorMaps",
    "camera_from_decode",
    "camera_from_picasso",
    "camera_from_thunderstorm",
    "camera_preset",
    "camera_presets",
    "find_camera",
]
