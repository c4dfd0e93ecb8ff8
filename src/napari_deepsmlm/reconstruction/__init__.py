"""The main job: frames in, super-resolved image, molecules and report out."""

from napari_deepsmlm.mismatch import PIXEL_TOLERANCE
from napari_deepsmlm.reconstruction.adapting import adapt_options, remarks_of, with_adapted
from napari_deepsmlm.reconstruction.brake import BrakeError
from napari_deepsmlm.reconstruction.events import (
    Event,
    Finished,
    Prepared,
    Progress,
    Reconstruction,
)
from napari_deepsmlm.reconstruction.finding import find_for
from napari_deepsmlm.reconstruction.job import ReconstructJob, reconstruct
from napari_deepsmlm.reconstruction.keeping import refuse_results
from napari_deepsmlm.reconstruction.options import ReconstructOptions
from napari_deepsmlm.reconstruction.preview import Preview, PreviewMaker
from napari_deepsmlm.reconstruction.report import QualityFigures, Report
from napari_deepsmlm.reconstruction.sharing import check_sharing

__all__ = [
    "PIXEL_TOLERANCE",
    "BrakeError",
    "Event",
    "Finished",
    "Prepared",
    "Preview",
    "PreviewMaker",
    "Progress",
    "QualityFigures",
    "ReconstructJob",
    "ReconstructOptions",
    "Reconstruction",
    "Report",
    "adapt_options",
    "check_sharing",
    "find_for",
    "reconstruct",
    "refuse_results",
    "remarks_of",
    "with_adapted",
]
