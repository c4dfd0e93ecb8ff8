"""Variety: many microscopes in one batch, so that what learns from it depends on none of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from pydantic import Field, field_validator

from napari_deepsmlm._base import FrozenModel
from napari_deepsmlm.camera import EMCCD, SCMOS
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.psf.gaussian import gaussian_frames
from napari_deepsmlm.simulation.background import smooth_pattern
from napari_deepsmlm.simulation.pixels import as_mapped
from napari_deepsmlm.simulation.scene import between, log_between
from napari_deepsmlm.simulation.settings import MAX_SUMMED

if TYPE_CHECKING:
    from torch import Tensor

    from napari_deepsmlm.camera import Camera
    from napari_deepsmlm.simulation.structures import Structure

PIXEL_NM = 100.0
"""Camera pixel in which structures are drawn; a network that learns from them counts in pixels."""

USUAL_SIGMA_PX = 1.1
"""Width of the PSF for which structures state how many molecules they hold."""

# An Airy pattern as a sum of concentric Gaussians: the width of each, in units of 0.21 wavelengths
# / NA (the width of the Gaussian nearest to it), and its share of the light. Least squares over
# the plane out to the third dark ring: within 0.7 % of the peak, the first ring 1.4 % of it (1.75).
AIRY_WIDTHS = (1.2827, 1.1095, 1.3693, 1.1768)
AIRY_SHARES = (-78.492, -26.8256, 33.6504, 72.588)
SATURATED_AT = (0.15, 1.0)
"""Where a saturated sample is cut off: a share of the peak of its median molecule."""

# Read noise of three kinds of camera, electrons; after the gain for those that multiply.
SCMOS_READ_E, CCD_READ_E, EMCCD_READ_E = (0.8, 3.0), (3.0, 10.0), (20.0, 90.0)


class Variety(FrozenModel):
    """What is drawn anew for each sample of a batch, in place of one microscope and sample.

    Lengths are in camera pixels, since that is what a network sees of them. Ranges are
    log-uniform unless said.
    """

    sigma_px: tuple[float, float] = Field((0.7, 2.3), description="Width of the PSF, pixels.")
    sigma_spread: float = Field(
        0.05, ge=0, le=0.5, description="Spread of the molecules' widths, a share of it, RMS."
    )
    rings: float = Field(0.33, ge=0, le=1, description="Share of samples with an Airy pattern.")
    haze: float = Field(
        0.15, ge=0, le=1, description="Share of samples with molecules out of focus, no targets."
    )
    haze_widths: tuple[float, float] = Field(
        (1.5, 2.2), description="Their width over that in focus, uniform."
    )
    photons: tuple[float, float] = Field((150.0, 15_000.0), description="Median photons.")
    photon_spread: tuple[float, float] = Field(
        (0.0, 1.0), description="Spread of photons around it, log-normal, a share of it; uniform."
    )
    exponential: float = Field(
        0.25, ge=0, le=1, description="Share of samples with exponentially distributed photons."
    )
    background: tuple[float, float] = Field((0.3, 2000.0), description="Photons per pixel.")
    unevenness: tuple[float, float] = Field(
        (0.0, 0.5), description="Largest smooth deviation of the background, a share; uniform."
    )
    crowding: tuple[float, float] = Field(
        (0.002, 0.11), description="Molecules per square of the PSF's width."
    )
    empty: float = Field(0.04, ge=0, le=1, description="Share of samples without a molecule.")
    em_gain: float = Field(0.3, ge=0, le=1, description="Share of samples from an EMCCD.")
    ccd: float = Field(0.1, ge=0, le=1, description="Share of samples with a CCD's read noise.")
    mapped: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of samples of an sCMOS whose pixels differ in gain, offset and read "
        "noise, which the stated camera does not know.",
    )
    saturated: float = Field(
        0.08, ge=0, le=1, description="Share of samples whose brightest pixels are cut off."
    )
    gain_error: float = Field(
        0.15, ge=0, lt=1, description="Most by which the stated gain is wrong, a share; uniform."
    )
    offset_error_adu: float = Field(
        10.0, ge=0, description="Most by which the stated offset is wrong, ADU; uniform."
    )
    sum_frames: tuple[int, int] = Field(
        (1, 1), description="Frames of one sample that are summed; density is that of one frame."
    )
    least_snr: float = Field(
        3.0,
        ge=0,
        description="Signal to noise of the dimmest target: photons over the noise of a matched "
        "filter. A sample's median is 1.5 times this or more.",
    )

    @field_validator("sigma_px", "photons", "background", "crowding", "haze_widths")
    @classmethod
    def _positive_and_ascending(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0 < value[0] <= value[1]:
            raise ValueError("must be two positive numbers, the smaller first")
        return value

    @field_validator("sum_frames")
    @classmethod
    def _some_frames(cls, value: tuple[int, int]) -> tuple[int, int]:
        if not 1 <= value[0] <= value[1] <= MAX_SUMMED:
            raise ValueError(f"must be two numbers from 1 to {MAX_SUMMED}, the smaller first")
        return value

    @field_validator("photon_spread", "unevenness")
    @classmethod
    def _shares(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0 <= value[0] <= value[1] <= 1:
            raise ValueError("must be two numbers from 0 to 1, the smaller first")
        return value


@dataclass(frozen=True)
class VariedFrames:
    """Frames of many microscopes, and what is known of their cameras."""

    photons: Tensor
    """(B, 1, H, W) as the stated cameras tell them."""
    cameras: tuple[Camera, ...]
    """(B,) the cameras as stated: slightly different from those that made the frames."""
    n_summed: Tensor
    """(B,) frames in each."""
    truth: Localizations
    """Molecules in focus that could be seen, sorted by frame, with `sigma_nm`; photons as the
    stated cameras tell them; lengths are those of pixels of `PIXEL_NM`."""


class VariedSimulator:
    """Draws frames, each of a microscope, a sample and a camera of its own.

    Parameters
    ----------
    variety : the ranges.
    structure : where molecules sit, drawn on pixels of `PIXEL_NM`.

    Examples
    --------
    >>> from napari_deepsmlm.simulation.structures import Uniform
    >>> drawn = VariedSimulator(Variety(), Uniform()).batch(
    ...     3, (32, 40), torch.Generator().manual_seed(0)
    ... )
    >>> drawn.photons.shape, len(drawn.cameras)
    (torch.Size([3, 1, 32, 40]), 3)
    """

    def __init__(self, variety: Variety, structure: Structure) -> None:
        self.variety = variety
        self.structure = structure

    def batch(self, n: int, shape: tuple[int, int], generator: torch.Generator) -> VariedFrames:
        """Return n independent frames of (H, W) pixels."""
        variety, device = self.variety, generator.device
        sigma_px = log_between(variety.sigma_px, (n,), generator)
        cameras = [self._camera(generator) for _ in range(n)]
        background = log_between(variety.background, (n,), generator)
        n_summed = self._sums(n, generator)
        variance = [c.variance(b.cpu()) for c, b in zip(cameras, background, strict=True)]
        noise = (torch.stack(variance).to(device) * n_summed).sqrt()  # photons, of background
        # A matched filter on even noise: Σ p² of a Gaussian is 1 / (4 π σ²).
        filtered = math.sqrt(4 * math.pi) * sigma_px * noise
        margin_px = math.ceil(3 * variety.sigma_px[1])
        density_px = self._density_px(sigma_px, generator) * n_summed
        # A filament holds as many molecules per width of the PSF, whatever the pixel.
        room = n_summed * USUAL_SIGMA_PX / sigma_px
        xyz_nm, is_there = self._places(density_px, room, shape, margin_px, generator)
        median = log_between(variety.photons, (n,), generator)
        median = median.maximum(1.5 * variety.least_snr * filtered)
        photons = self._photons(median, tuple(is_there.shape), generator) * is_there
        widths = sigma_px[:, None] * self._widths(tuple(is_there.shape), generator)
        is_ringed = self._chance(variety.rings, n, generator)
        light = _rendered(xyz_nm, photons, widths, is_ringed, shape)
        light = light + self._haze(density_px, median, sigma_px, shape, margin_px, generator)
        level = (background * n_summed)[:, None, None, None]
        light = light + level * self._pattern(n, shape, generator)
        brightest = self._brightest(median / (2 * math.pi * sigma_px.square()), noise, generator)
        most = brightest + level.flatten()
        seen, stated, scale = self._exposed(light, most, cameras, n_summed, generator)
        is_target = is_there & (photons >= variety.least_snr * filtered[:, None])
        truth = _truth(xyz_nm, photons * scale[:, None], widths, is_target, shape)
        return VariedFrames(seen, stated, n_summed, truth)

    # -- molecules -----------------------------------------------------------------------------

    def _chance(self, share: float, n: int, generator: torch.Generator) -> Tensor:
        return torch.rand(n, generator=generator, device=generator.device) < share

    def _sums(self, n: int, generator: torch.Generator) -> Tensor:
        low, high = self.variety.sum_frames
        if high == 1:
            return torch.ones(n, device=generator.device)
        return log_between((low - 0.5, high + 0.5), (n,), generator).round().clamp(low, high)

    def _density_px(self, sigma_px: Tensor, generator: torch.Generator) -> Tensor:
        """(B,) molecules per pixel: half of the samples log-uniform, half uniform, some empty."""
        n, (low, high) = len(sigma_px), self.variety.crowding
        crowding = torch.where(
            self._chance(0.5, n, generator),
            log_between((low, high), (n,), generator),
            between((low, high), (n,), generator),
        )
        crowding = crowding * ~self._chance(self.variety.empty, n, generator)
        return crowding / sigma_px.square()

    def _places(
        self,
        density_px: Tensor,
        room: Tensor,
        shape: tuple[int, int],
        margin_px: int,
        generator: torch.Generator,
    ) -> tuple[Tensor, Tensor]:
        """Draw (B, E, 3) places, nm from the corner of the frame, and (B, E) who is there."""
        height, width = (side + 2 * margin_px for side in shape)
        counts = torch.poisson(density_px * (height * width), generator=generator).long()
        extent_nm = (height * PIXEL_NM, width * PIXEL_NM)
        geometry = self.structure.realise(len(density_px), extent_nm, generator)
        xyz_nm, is_there = self.structure.place(geometry, counts, generator, n_frames=room)
        return xyz_nm - xyz_nm.new_tensor([1, 1, 0]) * (margin_px * PIXEL_NM), is_there

    def _photons(self, median: Tensor, size: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """(B, E) photons around each sample's median: log-normal or exponential."""
        device = generator.device
        spread = between(self.variety.photon_spread, (len(median), 1), generator)
        normal = torch.randn(size, generator=generator, device=device)
        factor = (normal * spread.square().log1p().sqrt()).exp()
        uniform = torch.rand(size, generator=generator, device=device)
        is_exponential = self._chance(self.variety.exponential, len(median), generator)
        # The median of exponential numbers is ln 2 of their mean.
        exponential = -torch.log1p(-uniform) / math.log(2)
        return median[:, None] * torch.where(is_exponential[:, None], exponential, factor)

    def _widths(self, size: tuple[int, ...], generator: torch.Generator) -> Tensor:
        normal = torch.randn(size, generator=generator, device=generator.device)
        return (1 + self.variety.sigma_spread * normal).clamp(0.7, 1.5)

    def _haze(
        self,
        density_px: Tensor,
        median: Tensor,
        sigma_px: Tensor,
        shape: tuple[int, int],
        margin_px: int,
        generator: torch.Generator,
    ) -> Tensor:
        """(B, 1, H, W) photons of molecules out of focus."""
        is_hazy = self._chance(self.variety.haze, len(median), generator)
        share = torch.rand(len(median), generator=generator, device=generator.device)
        height, width = (side + 2 * margin_px for side in shape)
        mean = density_px * share * is_hazy * (height * width)
        counts = torch.poisson(mean, generator=generator).long()
        size = (len(median), int(counts.max()))
        is_there = torch.arange(size[1], device=counts.device) < counts[:, None]
        extent = torch.tensor([width, height, 0.0], device=counts.device)
        place_px = torch.rand((*size, 3), generator=generator, device=counts.device) * extent
        xyz_nm = PIXEL_NM * (place_px - extent.new_tensor([1, 1, 0]) * margin_px)
        widths = sigma_px[:, None] * between(self.variety.haze_widths, size, generator)
        photons = self._photons(median, size, generator) * is_there
        return _gaussians(xyz_nm, photons, widths, shape)

    def _pattern(self, n: int, shape: tuple[int, int], generator: torch.Generator) -> Tensor:
        """(n, 1, H, W) factor on the background: blobs of one size a batch, or even."""
        feature_px = float(log_between((12.0, 80.0), (), generator))
        amount = between(self.variety.unevenness, (n, 1, 1, 1), generator)
        is_even = self._chance(0.4, n, generator)[:, None, None, None]
        return 1 + amount * ~is_even * smooth_pattern(n, shape, feature_px, generator)

    # -- cameras -------------------------------------------------------------------------------

    def _camera(self, generator: torch.Generator) -> SCMOS | EMCCD:
        """Draw the true camera of a sample."""
        variety = self.variety

        def draw(low: float, high: float) -> float:
            return float(between((low, high), (), generator))

        which = draw(0, 1)
        baseline = draw(100, 400)
        if which < variety.em_gain:
            em_gain = float(log_between((50.0, 1000.0), (), generator))
            return EMCCD(
                quantum_efficiency=0.9,
                em_gain=em_gain,
                read_noise_e=draw(*EMCCD_READ_E),
                # An ADU is a tenth to half of an electron's light.
                e_per_adu=em_gain * draw(0.1, 0.5),
                baseline=baseline,
            )
        is_ccd = which < variety.em_gain + variety.ccd
        return SCMOS(
            quantum_efficiency=draw(0.6, 0.95),
            read_noise_e=draw(*(CCD_READ_E if is_ccd else SCMOS_READ_E)),
            e_per_adu=draw(0.2, 1.0),
            baseline=baseline,
        )

    def _brightest(self, peak: Tensor, noise: Tensor, generator: torch.Generator) -> Tensor:
        """(B,) photons above the background at which a pixel is full; infinite for most samples.

        It is far above the noise: what is cut off are molecules.
        """
        is_cut = self._chance(self.variety.saturated, len(peak), generator)
        full = (peak * log_between(SATURATED_AT, (len(peak),), generator)).maximum(10 * noise)
        return full.where(is_cut, math.inf)

    def _exposed(
        self,
        light: Tensor,
        most: Tensor,
        cameras: list[SCMOS | EMCCD],
        n_summed: Tensor,
        generator: torch.Generator,
    ) -> tuple[Tensor, tuple[Camera, ...], Tensor]:
        """Photons as stated cameras tell them, these cameras, and (B,) stated over true photons."""
        variety, frames, stated, scales = self.variety, [], [], []
        for expected, full, camera, frames_in_it in zip(
            light, most, cameras, n_summed, strict=True
        ):
            summed = None if self.variety.sum_frames[1] == 1 else frames_in_it[None]
            adu = camera.expose(expected[None], generator, n_frames=summed)
            if variety.mapped and camera.kind == "scmos":
                adu = as_mapped(adu, camera, frames_in_it, generator, share=variety.mapped)
            full_adu = full * camera.adu_per_photon + camera.baseline * frames_in_it
            adu = adu.minimum(full_adu)
            gain = float(between((-1.0, 1.0), (), generator)) * variety.gain_error
            offset = float(between((-1.0, 1.0), (), generator)) * variety.offset_error_adu
            known = camera.replace(
                e_per_adu=camera.e_per_adu * (1 + gain), baseline=camera.baseline + offset
            )
            frames.append(known.to_photons(adu, n_frames=summed))
            stated.append(known)
            scales.append(1 + gain)
        return torch.cat(frames), tuple(stated), light.new_tensor(scales)


def _rendered(
    xyz_nm: Tensor, photons: Tensor, widths: Tensor, is_ringed: Tensor, shape: tuple[int, int]
) -> Tensor:
    """(B, 1, H, W) light, with an Airy pattern in some of the samples."""
    light = _gaussians(xyz_nm, photons * ~is_ringed[:, None], widths, shape)
    rows = is_ringed.nonzero()[:, 0]
    if len(rows) == 0:
        return light
    rings = sum(
        _gaussians(xyz_nm[rows], share * photons[rows], factor * widths[rows], shape)
        for factor, share in zip(AIRY_WIDTHS, AIRY_SHARES, strict=True)
    )
    return light.index_add(0, rows, rings.clamp(min=0))  # type: ignore[union-attr]


def _gaussians(
    xyz_nm: Tensor, photons: Tensor, widths_px: Tensor, shape: tuple[int, int]
) -> Tensor:
    if photons.shape[1] == 0:
        return photons.new_zeros(len(photons), 1, *shape)
    sigma_nm = widths_px * PIXEL_NM
    return gaussian_frames(xyz_nm, photons, shape, PIXEL_NM, sigma_nm, sigma_nm)


def _truth(
    xyz_nm: Tensor, photons: Tensor, widths: Tensor, is_target: Tensor, shape: tuple[int, int]
) -> Localizations:
    x, y, _ = xyz_nm.unbind(-1)
    is_inside = (x >= 0) & (x < shape[1] * PIXEL_NM) & (y >= 0) & (y < shape[0] * PIXEL_NM)
    frame, slot = torch.nonzero(is_target & is_inside, as_tuple=True)
    at = (frame, slot)
    return Localizations.from_columns(
        {
            "frame": frame,
            "x_nm": x[at],
            "y_nm": y[at],
            "photons": photons[at],
            "sigma_nm": widths[at] * PIXEL_NM,
        }
    )
