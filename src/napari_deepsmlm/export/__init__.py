"""Models for other programs: ONNX and BioImage Model Zoo packages, and back from our own."""

from napari_deepsmlm.export.bioimage import export_bioimageio
from napari_deepsmlm.export.graph import ExportedGraph, frames_like_training
from napari_deepsmlm.export.onnx_file import export_onnx
from napari_deepsmlm.export.package import import_model

__all__ = [
    "ExportedGraph",
    "export_bioimageio",
    "export_onnx",
    "frames_like_training",
    "import_model",
]
