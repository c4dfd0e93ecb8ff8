"""Calibration: from a bead stack to a PSF."""
