"""Calibration: from a bead stack to a PSF."""

from napari_deepsmlm.calibration.calibrate import (
    Calibration,
    calibrate,
    calibration_steps,
    search_beads,
)
from napari_deepsmlm.calibration.files import (
    calibrate_files,
    calibration_report,
    save_calibration,
)

__all__ = [
    "Calibration",
    "calibrate",
    "calibrate_files",
    "calibration_report",
    "calibration_steps",
    "save_calibration",
    "search_beads",
]
