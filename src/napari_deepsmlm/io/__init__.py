"""Files in and out: camera frames, localization tables, images."""

from __future__ import annotations

from napari_deepsmlm.io._storage import DamagedFrameError, FrameReadError
from napari_deepsmlm.io.frames._description import PixelSize
from napari_deepsmlm.io.frames._planes import MAX_PLANES, PlaneLayout
from napari_deepsmlm.io.frames.opening import open_frames
from napari_deepsmlm.io.frames.source import FrameSource
from napari_deepsmlm.io.history import (
    History,
    history_of_run,
    history_report,
    read_history,
    write_history,
)
from napari_deepsmlm.io.images.lapse import LapseImages, is_image, require_image_ending
from napari_deepsmlm.io.images.movie import movie_format, write_movie
from napari_deepsmlm.io.images.ome_tiff import (
    ImageWriter,
    StackWriter,
    read_report,
    write_image,
    write_stack,
    write_volume,
)
from napari_deepsmlm.io.images.rgb import write_rgb
from napari_deepsmlm.io.recognition import (
    TIFF_ENDINGS,
    are_damaged_frames,
    are_planes,
    looks_like_frames,
    looks_like_localizations,
    looks_like_series,
    movies_in_folder,
    other_files_of,
)
from napari_deepsmlm.io.tables.files import (
    LocalizationWriter,
    ReadTable,
    UnitNeeded,
    read_localizations,
    read_table,
    require_table_ending,
    table_pixel_size,
    write_localizations,
)

__all__ = [
    "MAX_PLANES",
    "TIFF_ENDINGS",
    "DamagedFrameError",
    "FrameReadError",
    "FrameSource",
    "History",
    "ImageWriter",
    "LapseImages",
    "LocalizationWriter",
    "PixelSize",
    "PlaneLayout",
    "ReadTable",
    "StackWriter",
    "UnitNeeded",
    "are_damaged_frames",
    "are_planes",
    "history_of_run",
    "history_report",
    "is_image",
    "looks_like_frames",
    "looks_like_localizations",
    "looks_like_series",
    "movie_format",
    "movies_in_folder",
    "open_frames",
    "other_files_of",
    "read_history",
    "read_localizations",
    "read_report",
    "read_table",
    "require_image_ending",
    "require_table_ending",
    "table_pixel_size",
    "write_history",
    "write_image",
    "write_localizations",
    "write_movie",
    "write_rgb",
    "write_stack",
    "write_volume",
]
