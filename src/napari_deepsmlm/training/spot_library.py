"""Spot library: lone molecules of recorded frames, cut out, each with what is known about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from napari_deepsmlm.fitting import Noise, fit_spots
from napari_deepsmlm.fitting.localize import cut_windows, noise_under
from napari_deepsmlm.fitting.spots import Spots, default_window_px, find_spots

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor

    from napari_deepsmlm.camera import Camera
    from napari_deepsmlm.psf import PSF

NEIGHBOUR = 4.0
"""Contrast from which on something nearby makes a spot not alone."""
APART_PX = 3
"""Room between a crop and the nearest other spot, so that its light stays outside."""
MAX_SPOTS = 20_000
"""More bring little, and memory is finite."""
LEAST_SPOTS = 10
MAX_MOVED_PX = 2.0
"""A fit that ends farther from the pixel where the spot was seen has found something else."""


class SpotLibrary(NamedTuple):
    """Crops of N lone molecules: P x P pixels, the molecule in the middle one or beside it."""

    model: Tensor
    """(N, C, P, P) light that the fitted molecule explains, photons, without background."""
    residual: Tensor
    """(N, C, P, P) what was measured besides: noise, and how the true PSF differs."""
    variance: Tensor
    """(N, C, P, P) of the noise in the residual, by the camera."""
    xyz_nm: Tensor
    """(N, 3) from the crop's corner."""
    photons: Tensor
    """(N,)"""

    @property
    def n_spots(self) -> int:
        """N."""
        return len(self.photons)

    @classmethod
    def from_frames(
        cls,
        chunks: Iterable[Tensor],
        psf: PSF,
        camera: Camera,
        *,
        threshold: float = 5.0,
        least_photons: float = 0.0,
        least_p_value: float = 1e-3,
    ) -> SpotLibrary:
        """Cut out the spots that stand alone, are bright enough, and look like one molecule.

        Parameters
        ----------
        chunks : (T, C, H, W) photons, frames in order; the first 20,000 good spots are taken.
        threshold : least contrast; see :func:`napari_deepsmlm.fitting.find_spots`.
        least_photons : of a molecule.
        least_p_value : of the fit.

        Raises
        ------
        ValueError
            If fewer than 10 are found; the sentence says what was found and what would help.
        """
        side = default_window_px(psf)
        seen = _Seen()
        parts: list[SpotLibrary] = []
        for frames in chunks:
            _check_size(frames, side)
            noise = Noise.of(camera, (frames.shape[-2], frames.shape[-1]))
            spots = find_spots(
                frames, psf, threshold=min(threshold, NEIGHBOUR), noise=noise, min_distance_px=2
            )
            bright = spots.contrast > threshold
            alone = bright & _is_alone(spots, side // 2, frames)
            library = _cut(frames, Spots(*(v[alone] for v in spots)), psf, noise, side)
            is_good = library.p_value >= least_p_value
            is_good &= library.is_fitted & (library.crops.photons >= least_photons)
            parts.append(library.crops.of(is_good))
            seen = seen.and_more(int(bright.sum()), int(alone.sum()), int(is_good.sum()))
            if seen.n_good >= MAX_SPOTS:
                break
        seen.check()
        joined = cls(*(torch.cat(values) for values in zip(*parts, strict=True)))
        return joined.of(slice(0, MAX_SPOTS))

    def of(self, rows: Tensor | slice) -> SpotLibrary:
        """Return some of them."""
        return SpotLibrary(*(values[rows] for values in self))

    def to(self, device: torch.device) -> SpotLibrary:
        """Return them on a device, as float32."""
        return SpotLibrary(*(values.to(device, torch.float32) for values in self))

    def with_mirrored(self, pixel_size_nm: float) -> SpotLibrary:
        """Return four times as many: mirrored along x, along y, and along both."""
        side_nm = self.model.shape[-1] * pixel_size_nm
        twice = self._joined(self._mirrored(axis=0, side_nm=side_nm))
        return twice._joined(twice._mirrored(axis=1, side_nm=side_nm))

    def _mirrored(self, axis: int, side_nm: float) -> SpotLibrary:
        xyz_nm = self.xyz_nm.clone()
        xyz_nm[:, axis] = side_nm - xyz_nm[:, axis]
        return SpotLibrary(
            self.model.flip(-1 - axis),
            self.residual.flip(-1 - axis),
            self.variance.flip(-1 - axis),
            xyz_nm,
            self.photons,
        )

    def _joined(self, other: SpotLibrary) -> SpotLibrary:
        return SpotLibrary(*(torch.cat(pair) for pair in zip(self, other, strict=True)))


class _Cut(NamedTuple):
    crops: SpotLibrary
    p_value: Tensor
    is_fitted: Tensor


class _Seen(NamedTuple):
    """How many spots passed each test."""

    n_bright: int = 0
    n_alone: int = 0
    n_good: int = 0

    def and_more(self, n_bright: int, n_alone: int, n_good: int) -> _Seen:
        return _Seen(self.n_bright + n_bright, self.n_alone + n_alone, self.n_good + n_good)

    def check(self) -> None:
        if self.n_good >= LEAST_SPOTS:
            return
        if self.n_bright < LEAST_SPOTS:
            raise ValueError(
                f"Only {self.n_bright} spots were seen in the recorded frames and {LEAST_SPOTS} "
                "are needed: record more frames, or lower the threshold."
            )
        if self.n_alone < LEAST_SPOTS:
            raise ValueError(
                f"Only {self.n_alone} of {self.n_bright} spots stand alone and {LEAST_SPOTS} are "
                "needed: the frames are too dense; record sparser or more of them."
            )
        raise ValueError(
            f"Only {self.n_good} of {self.n_alone} lone spots are bright enough and look like one "
            f"molecule of this PSF and camera, and {LEAST_SPOTS} are needed: check the width of "
            "the PSF and the camera's gain, or lower least_photons or least_p_value."
        )


def _check_size(frames: Tensor, side: int) -> None:
    H, W = frames.shape[-2:]
    if min(H, W) < side:
        raise ValueError(
            f"Recorded frames of {H} x {W} pixels are smaller than a molecule's image of "
            f"{side} x {side}: record larger frames, or use a PSF that reaches less far."
        )


def _is_alone(spots: Spots, half: int, frames: Tensor) -> Tensor:
    """(M,) whether the crop lies in the frame and no other spot is within or beside it."""
    H, W = frames.shape[-2:]
    inside = (spots.row >= half) & (spots.row < H - half)
    inside &= (spots.column >= half) & (spots.column < W - half)
    reach = half + APART_PX
    shape = (len(frames), 1, H, W)
    here = torch.zeros(shape)
    here[spots.frame, 0, spots.row, spots.column] = 1
    side = 2 * reach + 1
    count = torch.nn.functional.avg_pool2d(here, side, 1, reach) * side**2
    return inside & (count[spots.frame, 0, spots.row, spots.column] < 1.5)


def _cut(frames: Tensor, spots: Spots, psf: PSF, noise: Noise, side: int) -> _Cut:
    windows, top, left = cut_windows(frames, spots, side)
    windows = windows.double()
    under = noise_under(noise, top, left, side)
    fit = fit_spots(windows, psf, noise=under)
    found = fit.values
    none = torch.zeros_like(found["x_nm"])
    xyz_nm = torch.stack([found["x_nm"], found["y_nm"], found.get("z_nm", none)], 1)
    sigma_nm = found.get("sigma_nm")
    model = psf.render(
        xyz_nm[:, None],
        found["photons"][:, None],
        (side, side),
        sigma_nm=None if sigma_nm is None else sigma_nm[:, None],
    )
    expected = model + found["background"][:, None, None, None]
    middle = side / 2 * psf.pixel_size_nm
    moved_px = (xyz_nm[:, :2] - middle).abs().amax(1) / psf.pixel_size_nm
    crops = SpotLibrary(
        model, windows - expected, under.variance(expected), xyz_nm, found["photons"]
    )
    return _Cut(crops, fit.p_value, fit.is_converged & (moved_px <= MAX_MOVED_PX))
