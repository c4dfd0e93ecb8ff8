"""Point spread functions: photons of emitters to photons on camera pixels."""

from napari_deepsmlm.psf.base import PSF
from napari_deepsmlm.psf.gaussian import GaussianPSF

__all__ = ["PSF", "GaussianPSF"]
