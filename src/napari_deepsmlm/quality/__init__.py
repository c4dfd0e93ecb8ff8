"""Quality of a result: its resolution, and whether it explains what the camera saw."""

from napari_deepsmlm.quality.figure import quality_figure
from napari_deepsmlm.quality.files import is_image, quality_files, write_quality
from napari_deepsmlm.quality.measure import (
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

__all__ = [
    "Quality",
    "QualityOptions",
    "RingPair",
    "frc_of_images",
    "frc_of_table",
    "image_of_table",
    "is_image",
    "quality_figure",
    "quality_files",
    "squirrel_of_image",
    "squirrel_of_table",
    "summed",
    "write_quality",
]
