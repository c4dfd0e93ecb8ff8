"""Findings: the light of a molecule from what a model finds, where frames alone do not tell it.

The fluctuations of crowded frames, or of few ones, tell the light of all molecules together but not
into how many it is divided. A model that localizes on any microscope finds most of them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_deepsmlm.inference.pipeline import Pipeline
from napari_deepsmlm.inference.tiles import Region
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.models import find_model

if TYPE_CHECKING:
    from napari_deepsmlm._devices import Compute
    from napari_deepsmlm.camera import Camera
    from napari_deepsmlm.estimation import Estimate
    from napari_deepsmlm.io import FrameSource

# Knows every pixel size and width, and states photons.
FINDER = "dilated-loc:2d"
PERCENTILES = (10, 50, 90)
MAX_FRAMES = 40
MAX_SIDE_PX = 128
FEWEST = 100


def with_findings(
    measured: Estimate, source: FrameSource, camera: Camera, compute: Compute
) -> Estimate:
    """Return an estimate with photons and density of what is found, where it has none.

    The density is the light of all molecules over the mean of those found, as some are missed;
    frames are as unequal as the numbers of molecules found in them. What else is not known, and an
    estimate with photons, stay as they are; so does one of frames with fewer than 100 molecules.

    Parameters
    ----------
    measured : of the source's frames, with the pixel size and the PSF's width.
    camera : makes ADU photons.
    """
    pixel_nm = measured.pixel_size_nm
    if measured.photons is not None or measured.psf_sigma_nm is None or pixel_nm is None:
        return measured
    region = _middle(source)
    frames = _spread(source.n_frames)
    table = _found(source, frames, region, pixel_nm, camera, compute)
    if len(table) < FEWEST:
        return measured
    photons = np.asarray(table["photons"], np.float64)
    counts = np.array([np.count_nonzero(table.frame == frame) for frame in frames])
    area_um2 = math.prod(region.shape) * (pixel_nm / 1000) ** 2
    mean, density = float(photons.mean()), float(counts.mean()) / area_um2
    if measured.light_per_um2 is not None:
        density = max(density, measured.light_per_um2 / mean)
    sentence = (
        f"The frames do not tell the light of a molecule, so it is that of {len(table):,} "
        f"molecules that {FINDER} finds in {len(frames)} of them: {mean:.0f} photons each, and "
        f"{density:.2g} molecules per um² and frame."
    )
    return measured.replace(
        photons=mean,
        photons_percentiles=_percentiles(photons),
        density_per_um2=density,
        density_percentiles=_percentiles(counts / counts.mean() * density),
        sentences=[*measured.sentences, sentence],
    )


def _middle(source: FrameSource) -> Region:
    height, width = source.shape[2:]
    y, x = max(0, height - MAX_SIDE_PX) // 2, max(0, width - MAX_SIDE_PX) // 2
    return Region(y, x, min(height, y + MAX_SIDE_PX), min(width, x + MAX_SIDE_PX))


def _spread(n_frames: int) -> list[int]:
    """Return frames evenly spread over the stack."""
    n = min(n_frames, MAX_FRAMES)
    return [k * n_frames // n for k in range(n)]


def _found(
    source: FrameSource,
    frames: list[int],
    region: Region,
    pixel_nm: float,
    camera: Camera,
    compute: Compute,
) -> Localizations:
    model = find_model(FINDER).load()
    model.pixel_size_nm = pixel_nm
    pipeline = Pipeline(model, compute, camera=camera)
    return Localizations.concatenate(
        [
            part.localizations
            for frame in frames
            for part in pipeline.run(source, frames=range(frame, frame + 1), region=region)
        ]
    )


def _percentiles(values: np.ndarray[Any, Any]) -> dict[int, float]:
    return dict(zip(PERCENTILES, np.percentile(values, PERCENTILES).tolist(), strict=True))
