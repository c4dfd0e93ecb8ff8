"""Trained: the ranges that a model was trained on, from the experiment in its header."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from napari_deepsmlm.estimation.correlation import covariance_width
from napari_deepsmlm.estimation.noise import CameraNoise, stated_noise
from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.mismatch.snr import excess_of, gaussian_peak, signal_to_noise
from napari_deepsmlm.models.fit import WIDTHS_PX
from napari_deepsmlm.psf import GaussianPSF
from napari_deepsmlm.simulation.variety import PIXEL_NM, USUAL_SIGMA_PX

if TYPE_CHECKING:
    from napari_deepsmlm.models import ModelCard
    from napari_deepsmlm.psf import PSF
    from napari_deepsmlm.simulation.variety import Variety

    Range = tuple[float, float]

N_DEPTHS = 5
MAX_SPOT_PX = 2.5
"""A little above the widest spot that models for any microscope are trained on."""
MAX_FITTED = 0.005
"""Molecules in an area of sigma x sigma, above which many overlap and fits of one are wrong."""


class Trained(NamedTuple):
    """What a model was trained on, lowest and highest; lengths in camera pixels, light in photons.

    Background, density and signal to noise are those of an input, frames summed.
    """

    pixel_size_nm: float
    sigma_px: Range
    is_gaussian: bool
    background: Range
    photons: Range
    density_px: Range
    snr: Range
    excess: Range = (1.0, 1.0)
    """Variance of the cameras' light over that of its photons."""
    is_any_pixel: bool = False
    """Whether it was trained on many microscopes: then densities are for a PSF of 1 pixel."""

    @property
    def is_engineered(self) -> bool:
        """Whether no depth has the image of a spot, as with a phase mask."""
        return not self.is_gaussian and self.sigma_px[0] > MAX_SPOT_PX

    def ranges(self, pixel_size_nm: float, sigma_px: float | None = None) -> dict[str, Range]:
        """Return the ranges by quantity, for data with this camera pixel and width of the PSF.

        The network counts in pixels: a density in data of smaller pixels is fewer per pixel.
        """
        per_um2 = 1e6 / pixel_size_nm**2
        own = self.pixel_size_nm
        if self.is_any_pixel:
            own = pixel_size_nm
            per_um2 /= (sigma_px or USUAL_SIGMA_PX) ** 2
        return {
            "psf_sigma_px": self.sigma_px,
            "psf_sigma_nm": (self.sigma_px[0] * own, self.sigma_px[1] * own),
            "background": self.background,
            "photons": self.photons,
            "density_per_um2": (self.density_px[0] * per_um2, self.density_px[1] * per_um2),
            "snr": self.snr,
            "em_noise": self.excess,
        }


def trained_on(card: ModelCard) -> Trained | None:
    """Return the ranges that the experiment in a model's header spans, None if it has none.

    Raises
    ------
    ValueError
        If there is one that cannot be read.
    """
    if card.experiment is None:
        return None
    experiment = Experiment.from_dict(card.experiment, source="card")
    if experiment.variety is not None:
        return _varied(experiment.variety)
    simulation, psf = experiment.simulation, experiment.psf
    low, high = simulation.photons
    dimmer, brighter = simulation.brightness
    photons = (low * dimmer, (high + 2 * simulation.photons_sd) * brighter)
    most_summed = simulation.sum_frames[1]
    px_um2 = psf.pixel_size_nm**2 / 1e6
    darkest, brightest = simulation.background
    sparsest, densest = simulation.density_per_um2
    sigma_px, peak = _shapes(psf)
    noise = stated_noise(experiment.camera)
    return Trained(
        pixel_size_nm=psf.pixel_size_nm,
        sigma_px=sigma_px,
        is_gaussian=isinstance(psf, GaussianPSF),
        background=(darkest, brightest * most_summed),
        photons=photons,
        density_px=(sparsest * px_um2, densest * most_summed * px_um2),
        snr=(
            signal_to_noise(photons[0], brightest, peak[0], noise, most_summed),
            signal_to_noise(photons[1], darkest, peak[1], noise),
        ),
        excess=(excess_of(experiment.camera),) * 2,
    )


def ranges_of_fit(pixel_size_nm: float, sigma_px: float | None = None) -> dict[str, Range]:
    """Return what single molecules can be fitted in, for data with this pixel and PSF."""
    low, high = WIDTHS_PX
    per_um2 = 1e6 / (pixel_size_nm * (sigma_px or USUAL_SIGMA_PX)) ** 2
    return {
        "psf_sigma_px": WIDTHS_PX,
        "psf_sigma_nm": (low * pixel_size_nm, high * pixel_size_nm),
        "density_per_um2": (0.0, MAX_FITTED * per_um2),
    }


def _varied(variety: Variety) -> Trained:
    """Return the ranges of many microscopes."""
    narrow, bright = variety.sigma_px[0], variety.photons[1]
    noise = CameraNoise("shot", 1.0, 0.0)
    return Trained(
        pixel_size_nm=PIXEL_NM,
        sigma_px=variety.sigma_px,
        is_gaussian=True,
        background=variety.background,
        photons=variety.photons,
        density_px=(0.0, variety.crowding[1]),
        snr=(
            variety.least_snr,
            signal_to_noise(bright, variety.background[0], gaussian_peak(narrow), noise),
        ),
        excess=(2.0 if variety.em_gain == 1 else 1.0, 2.0 if variety.em_gain > 0 else 1.0),
        is_any_pixel=True,
    )


@lru_cache
def _shapes(psf: PSF) -> tuple[Range, Range]:
    """Return smallest and largest width, px, and share of light in the brightest pixel.

    The width of a PSF with depth is that of its covariances.
    """
    if isinstance(psf, GaussianPSF):
        low, high = (sigma / psf.pixel_size_nm for sigma in psf.sigma_nm)
        return (low, high), (gaussian_peak(high), gaussian_peak(low))
    import torch

    exact = getattr(psf, "psf", psf) if psf.n_planes == 1 else psf  # tables take long to make
    low, high = exact.depth_range_nm or (0.0, 0.0)
    z = torch.linspace(low, high, N_DEPTHS)
    side = 2 * exact.reach_px + 1
    centre = side / 2 * exact.pixel_size_nm
    xyz = torch.stack([torch.full_like(z, centre), torch.full_like(z, centre), z], dim=1)
    images = exact.render(xyz[:, None], torch.ones(len(z), 1), (side, side))[:, 0].numpy()
    widths = [covariance_width(image) for image in images]
    peaks = [float(image.max()) for image in images]
    return (min(widths), max(widths)), (min(peaks), max(peaks))
