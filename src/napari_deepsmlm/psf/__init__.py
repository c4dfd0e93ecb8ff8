"""Point spread functions: photons of emitters to photons on camera pixels."""

from typing import Annotated

from pydantic import Field

from napari_deepsmlm.psf.astigmatic import AstigmaticPSF
from napari_deepsmlm.psf.base import PSF
from napari_deepsmlm.psf.calibrated import CalibratedPSF
from napari_deepsmlm.psf.defocus import DefocusCurve
from napari_deepsmlm.psf.gaussian import GaussianPSF
from napari_deepsmlm.psf.multiplane import MultiplanePSF
from napari_deepsmlm.psf.pupil import PupilPSF
from napari_deepsmlm.psf.tabulated import TabulatedPSF
from napari_deepsmlm.psf.zernike import Aberration

AnyPSF = Annotated[
    GaussianPSF | AstigmaticPSF | MultiplanePSF | PupilPSF | TabulatedPSF | CalibratedPSF,
    Field(discriminator="kind"),
]

__all__ = [
    "PSF",
    "Aberration",
    "AnyPSF",
    "AstigmaticPSF",
    "CalibratedPSF",
    "DefocusCurve",
    "GaussianPSF",
    "MultiplanePSF",
    "PupilPSF",
    "TabulatedPSF",
]
