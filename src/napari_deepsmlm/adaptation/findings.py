"""Findings: what a model for any microscope finds in some frames, and what a twin learns from it.

Frames tell the light of all molecules together, but if they are crowded or few not into how many it
is divided; and how molecules crowd depends on the structure they sit on. Both are read from what
is found.
"""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_deepsmlm._devices import choose_compute
from napari_deepsmlm.adaptation.store import own_folder
from napari_deepsmlm.inference.pipeline import Pipeline
from napari_deepsmlm.inference.tiles import Region
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.models import find_model
from napari_deepsmlm.simulation.structures import FromTable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_deepsmlm.camera import Camera
    from napari_deepsmlm.estimation import Estimate
    from napari_deepsmlm.io import FrameSource

# Knows every pixel size and width, and states photons.
FINDER = "dilated-loc:2d"
PERCENTILES = (10, 50, 90)
MAX_FRAMES = 40
MAX_SIDE_PX = 128
FEWEST = 100
MAX_SITES = 5000


class Findings(NamedTuple):
    """Molecules of some frames."""

    photons: np.ndarray[Any, Any]
    counts: np.ndarray[Any, Any]
    """Molecules in each frame."""
    sites_nm: np.ndarray[Any, Any]
    """(N, 2) x and y."""
    area_um2: float


def look(
    source: FrameSource,
    pixel_size_nm: float,
    camera: Camera,
    hot_pixels: Iterable[tuple[int, int, int]] = (),
) -> Findings | None:
    """Return what is found in the middle of up to 40 frames, None if it is next to nothing.

    It is done on the CPU, so that the same stack gives the same findings anywhere.

    Parameters
    ----------
    camera : makes ADU photons.
    hot_pixels : (plane, row, column) of pixels that are replaced, as in a reconstruction.
    """
    model = find_model(FINDER).load()
    model.pixel_size_nm = pixel_size_nm
    compute = choose_compute("cpu", "fp32")
    pipeline = Pipeline(model, compute, camera=camera, hot_pixels=hot_pixels)
    region = _middle(source)
    n = min(source.n_frames, MAX_FRAMES)
    frames = [k * source.n_frames // n for k in range(n)]
    parts = [
        part.localizations
        for frame in frames
        for part in pipeline.run(source, frames=range(frame, frame + 1), region=region)
    ]
    table = Localizations.concatenate(parts)
    if len(table) < FEWEST:
        return None
    return Findings(
        np.asarray(table["photons"], np.float64),
        np.array([len(part) for part in parts]),
        np.stack([table.x_nm, table.y_nm], 1),
        math.prod(region.shape) * (pixel_size_nm / 1000) ** 2,
    )


def told_by(findings: Findings, measured: Estimate) -> Estimate:
    """Return an estimate with photons and density of what was found, where it has none.

    The density is the light of all molecules over the mean of those found, as some are missed;
    frames are as unequal as the numbers of molecules found in them.
    """
    if measured.photons is not None:
        return measured
    counts, mean = findings.counts, float(findings.photons.mean())
    density = float(counts.mean()) / findings.area_um2
    if measured.light_per_um2 is not None:
        density = max(density, measured.light_per_um2 / mean)
    sentence = (
        f"The frames do not tell the light of a molecule, so it is that of {counts.sum():,} "
        f"molecules that {FINDER} finds in {len(counts)} of them: {mean:.0f} photons each, and "
        f"{density:.2g} molecules per um² and frame."
    )
    return measured.replace(
        photons=mean,
        photons_percentiles=_percentiles(findings.photons),
        density_per_um2=density,
        density_percentiles=_percentiles(counts / counts.mean() * density),
        sentences=[*measured.sentences, sentence],
    )


def structure_of(findings: Findings) -> FromTable:
    """Return the structure that the molecules sit on, as a table among the user's adapted models.

    Raises
    ------
    OSError
        One sentence: there is no place to write.
    """
    sites = np.round(findings.sites_nm).astype(np.float32)
    if len(sites) > MAX_SITES:
        sites = sites[np.random.default_rng(0).choice(len(sites), MAX_SITES, replace=False)]
    # The same name for the same sites: a training that was stopped is found by its experiment.
    name = hashlib.sha256(sites.tobytes()).hexdigest()[:16]
    return FromTable.from_points(own_folder("sites") / f"{name}.npy", sites, "random")


def _middle(source: FrameSource) -> Region:
    height, width = source.shape[2:]
    y, x = max(0, height - MAX_SIDE_PX) // 2, max(0, width - MAX_SIDE_PX) // 2
    return Region(y, x, min(height, y + MAX_SIDE_PX), min(width, x + MAX_SIDE_PX))


def _percentiles(values: np.ndarray[Any, Any]) -> dict[int, float]:
    return dict(zip(PERCENTILES, np.percentile(values, PERCENTILES).tolist(), strict=True))
