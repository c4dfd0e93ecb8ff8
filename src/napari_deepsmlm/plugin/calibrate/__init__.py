"""Calibrate PSF: from beads to a PSF."""
