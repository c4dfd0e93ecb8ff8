"""Seen: what a quick look tells of a stack, to find a model that was adapted to its like."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_deepsmlm.adaptation.store import Sample, camera_kind
from napari_deepsmlm.mismatch.measured import look, measure

if TYPE_CHECKING:
    from napari_deepsmlm.camera import Camera
    from napari_deepsmlm.io import FrameSource
    from napari_deepsmlm.mismatch.table import Measurement


def sample_of(
    source: FrameSource, pixel_size_nm: float, camera: Camera | None, *, sum_frames: int = 1
) -> Sample | None:
    """Return what frames are like, None if they are too few or show nothing.

    It takes a tenth of a second: the look is the one that warns of mismatches.
    """
    with np.errstate(all="ignore"):
        try:
            glance = look(source, camera)
        except ValueError:
            return None
        found = measure(glance, None, pixel_size_nm, 1)
    return Sample(
        camera_kind=camera_kind(source),
        adu_per_photon=glance.units.gain if glance.units.is_photons else None,
        pixel_size_nm=pixel_size_nm,
        sum_frames=sum_frames,
        psf_sigma_px=_sure(found["psf_sigma_px"]),
        background=_sure(found["background"]),
        photons=_sure(found["photons"]),
        density_per_um2=_sure(found["density_per_um2"]),
    )


def _sure(measured: Measurement) -> float | None:
    return None if measured.is_least else measured.value
