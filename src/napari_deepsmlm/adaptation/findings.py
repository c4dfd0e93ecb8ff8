"""Findings: what a model for any microscope finds in some frames, and what a twin learns from it.

Frames tell the light of all molecules together, but if they are crowded or few not into how many it
is divided; near the noise not even how wide they are; and how molecules crowd depends on the
structure they sit on. All three are read from what is found.
"""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from napari_deepsmlm._devices import choose_compute
from napari_deepsmlm.adaptation.store import own_folder
from napari_deepsmlm.adaptation.widths import FoundWidth, width_of
from napari_deepsmlm.drift import without_beads
from napari_deepsmlm.estimation import plus_minus
from napari_deepsmlm.inference.pipeline import Pipeline
from napari_deepsmlm.inference.tiles import Region
from napari_deepsmlm.io import open_frames
from napari_deepsmlm.linking import LinkOptions, link
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.models import find_model
from napari_deepsmlm.simulation.structures import FromTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from napari_deepsmlm.camera import Camera
    from napari_deepsmlm.estimation import Estimate
    from napari_deepsmlm.io import FrameSource

# Knows every pixel size and width, and states photons.
FINDER = "dilated-loc:2d"
PERCENTILES = (10, 50, 90)
# Frames that are looked at, and up to how many more while there are too few molecules for a
# structure.
MAX_FRAMES, MAX_ROUNDS = 40, 5
MAX_SIDE_PX = 128
# Fewer molecules tell nothing, or no structure.
FEWEST, FEWEST_SITES = 20, 100
MAX_SITES = 5000
# The background is what a pixel shows in its darker frames, smoothed; what deviates less is even.
DARK_PERCENTILE, SMOOTH_PX = 30, 2.0
LEAST_UNEVENNESS, MAX_UNEVENNESS = 0.15, 0.6
# Relative error of a width above which that of molecules is taken if it is told better.
POOR_WIDTH = 0.1


class Findings(NamedTuple):
    """Molecules of some frames, those of beads left out."""

    photons: np.ndarray[Any, Any]
    counts: np.ndarray[Any, Any]
    """Molecules in each frame."""
    sites_nm: np.ndarray[Any, Any]
    """(N, 2) x and y, one for each molecule, in however many frames it shines."""
    corners_nm: np.ndarray[Any, Any]
    """(2, 2) x and y of the first and the last corner of what was looked at."""
    width: FoundWidth | None = None
    """Of the PSF, if enough molecules stand alone."""
    remarks: tuple[str, ...] = ()
    """What was left out."""
    unevenness: float = 0.0
    """Largest smooth deviation of the background, as a share of it; 0 if it is next to even."""

    @property
    def area_um2(self) -> float:
        """What was looked at."""
        return float(np.prod(self.corners_nm[1] - self.corners_nm[0])) / 1e6


def look(
    source: FrameSource,
    pixel_size_nm: float,
    camera: Camera,
    hot_pixels: Iterable[tuple[int, int, int]] = (),
) -> Findings | None:
    """Return what is found in the middle of up to 40 frames, None if it is next to nothing.

    Where molecules are few it is up to 200 frames. It is done on the CPU, so that the same stack
    gives the same findings anywhere.

    Parameters
    ----------
    camera : makes ADU photons.
    hot_pixels : (plane, row, column) of pixels that are replaced, as in a reconstruction.
    """
    model = find_model(FINDER).load()
    model.pixel_size_nm = pixel_size_nm
    compute = choose_compute("cpu", "fp32")
    pipeline = Pipeline(model, compute, camera=camera, hot_pixels=hot_pixels)
    region = middle_of(source)
    per_batch = pipeline.per_batch(source, region)
    images: dict[int, np.ndarray[Any, Any]] = {}
    tables: list[Localizations] = []
    for frames in _rounds(source.n_frames):
        for first in range(0, len(frames), per_batch):
            numbers = frames[first : first + per_batch]
            read = np.concatenate([source.read(number, number + 1) for number in numbers])
            images.update(zip(numbers, _part(read[:, 0], region), strict=True))
            for part in pipeline.run(open_frames(read), region=region):
                table = part.localizations
                tables.append(table.with_columns(frame=np.take(numbers, table.frame)))
        if sum(map(len, tables)) >= FEWEST_SITES:
            break
    looked_at = sorted(images)
    table = Localizations.concatenate(tables)
    # Frames by their order: beads are known by being in most of those that were looked at.
    table = table.with_columns(frame=np.searchsorted(looked_at, table.frame)).sort("frame")
    table, remarks = without_beads(table)
    if len(table) < FEWEST:
        return None
    adu = np.stack([images[number] for number in looked_at])
    return Findings(
        np.asarray(table["photons"], np.float64),
        np.bincount(table.frame, minlength=len(looked_at)),
        _places(table),
        pixel_size_nm * np.array([(region.x, region.y), (region.x_end, region.y_end)], float),
        width_of(adu, table, pixel_size_nm, (region.y, region.x)),
        tuple(remarks),
        _unevenness(adu, camera),
    )


def told_by(findings: Findings, measured: Estimate) -> Estimate:
    """Return an estimate with the width, photons and density of what was found, where it has none.

    A width that the frames tell worse than the molecules counts as none.
    """
    told = measured.replace(sentences=[*measured.sentences, *findings.remarks])
    return _with_light(findings, _with_width(findings, told))


def _with_width(findings: Findings, measured: Estimate) -> Estimate:
    sigma, found = measured.psf_sigma_px, findings.width
    if found is None or measured.pixel_size_nm is None:
        return measured
    if sigma is not None:
        error = measured.errors["psf_sigma_px"] / sigma
        if error <= max(POOR_WIDTH, found.error_px / found.sigma_px):
            return measured
    pixel_nm = measured.pixel_size_nm
    in_nm = plus_minus(found.sigma_px * pixel_nm, found.error_px * pixel_nm)
    sentence = (
        f"The frames do not tell the PSF's width, so it is that of the mean image of {found.n} "
        f"lone molecules that {FINDER} finds: σ {in_nm} nm, the error of their places taken off."
    )
    errors = {"psf_sigma_px": found.error_px, "psf_sigma_nm": found.error_px * pixel_nm}
    return measured.replace(
        psf_sigma_px=found.sigma_px,
        psf_sigma_nm=found.sigma_px * pixel_nm,
        psf_sigma_range_nm=None,
        errors={**measured.errors, **errors},
        sentences=[*measured.sentences, sentence],
    )


def _with_light(findings: Findings, measured: Estimate) -> Estimate:
    """Return it with the photons and density of what was found, where it has none.

    The density is the light of all molecules over the mean of those found, as some are missed; but
    where few are found the others are too dim to count. Frames are as unequal as the numbers of
    molecules found in them.
    """
    if measured.photons is not None:
        return measured
    counts, mean = findings.counts, float(findings.photons.mean())
    density = float(counts.mean()) / findings.area_um2
    if measured.light_per_um2 is not None and len(findings.sites_nm) >= FEWEST_SITES:
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


def structure_of(findings: Findings) -> FromTable | None:
    """Return the structure that the molecules sit on, as a table among the user's adapted models.

    None if they are too few to show one. Beyond what was looked at it goes on as in a mirror, as
    frames are lit by molecules around them too.

    Raises
    ------
    OSError
        One sentence: there is no place to write.
    """
    if len(findings.sites_nm) < FEWEST_SITES:
        return None
    sites = findings.sites_nm
    if len(sites) > MAX_SITES:
        sites = sites[np.random.default_rng(0).choice(len(sites), MAX_SITES, replace=False)]
    sites = np.round(_mirrored(sites, findings.corners_nm)).astype(np.float32)
    # The same name for the same sites: a training that was stopped is found by its experiment.
    name = hashlib.sha256(sites.tobytes()).hexdigest()[:16]
    return FromTable.from_points(own_folder("sites") / f"{name}.npy", sites, "random")


def _places(table: Localizations) -> np.ndarray[Any, Any]:
    """(N, 2) x and y of molecules, those that shine in several frames in a row once."""
    linked = link(table, LinkOptions(dark_frames=0)).table
    return np.stack([linked.x_nm, linked.y_nm], 1)


def _mirrored(
    sites_nm: np.ndarray[Any, Any], corners_nm: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any]:
    """(N, 2) places within corners -> (9 N, 2), mirrored on all sides."""
    low, high = corners_nm
    for axis in (0, 1):
        mirror = np.eye(2)[axis]
        flipped = sites_nm * (1 - 2 * mirror)
        sites_nm = np.concatenate(
            [sites_nm, flipped + 2 * low * mirror, flipped + 2 * high * mirror]
        )
    return sites_nm


def _unevenness(adu: np.ndarray[Any, Any], camera: Camera) -> float:
    """Return the largest smooth deviation of what (T, H, W) frames show most of the time."""
    if getattr(camera, "maps", None) is not None:  # they know nothing of a part
        camera = camera.replace(maps=None)
    dark = np.percentile(adu, DARK_PERCENTILE, axis=0)
    level = gaussian_filter(camera.to_photons(torch.from_numpy(dark)).numpy(), SMOOTH_PX)
    mean = float(level.mean())
    if mean <= 0:
        return 0.0
    deviation = float(np.percentile(np.abs(level / mean - 1), 98))
    return 0.0 if deviation < LEAST_UNEVENNESS else min(round(deviation, 2), MAX_UNEVENNESS)


def _rounds(n_frames: int) -> Iterator[list[int]]:
    """Yield the frames of each round, every round spread over the stack."""
    n = min(n_frames, MAX_FRAMES * MAX_ROUNDS)
    frames = [k * n_frames // n for k in range(n)]
    n_rounds = math.ceil(n / MAX_FRAMES)
    for k in range(n_rounds):
        yield frames[k::n_rounds]


def _part(frames: np.ndarray[Any, Any], region: Region) -> np.ndarray[Any, Any]:
    """(T, H, W) -> a copy of the region."""
    return frames[:, region.y : region.y_end, region.x : region.x_end].astype(np.float32)


def middle_of(source: FrameSource) -> Region:
    """Return the part of the frames that is looked at."""
    height, width = source.shape[2:]
    y, x = max(0, height - MAX_SIDE_PX) // 2, max(0, width - MAX_SIDE_PX) // 2
    return Region(y, x, min(height, y + MAX_SIDE_PX), min(width, x + MAX_SIDE_PX))


def _percentiles(values: np.ndarray[Any, Any]) -> dict[int, float]:
    return dict(zip(PERCENTILES, np.percentile(values, PERCENTILES).tolist(), strict=True))
