"""Evaluation: a result becomes numbers and figures, against a truth or out of itself."""

from napari_deepsmlm.evaluation.against_truth import EvaluateOptions, evaluate_files
from napari_deepsmlm.evaluation.conclusion import Conclusion, conclude
from napari_deepsmlm.evaluation.coverage import Coverage, coverage_of, coverage_of_file
from napari_deepsmlm.evaluation.quality import (
    Quality,
    QualityOptions,
    RingPair,
    frc_of_images,
    frc_of_table,
    image_of_table,
    squirrel_of_image,
    squirrel_of_table,
    summed,
)
from napari_deepsmlm.evaluation.quality_figure import quality_figure
from napari_deepsmlm.evaluation.quality_files import quality_files, write_quality

__all__ = [
    "Conclusion",
    "Coverage",
    "EvaluateOptions",
    "Quality",
    "QualityOptions",
    "RingPair",
    "conclude",
    "coverage_of",
    "coverage_of_file",
    "evaluate_files",
    "frc_of_images",
    "frc_of_table",
    "image_of_table",
    "quality_figure",
    "quality_files",
    "squirrel_of_image",
    "squirrel_of_table",
    "summed",
    "write_quality",
]
