"""Fit: single molecules without a network, each spot fitted by maximum likelihood."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from pydantic import Field, field_validator

from napari_deepsmlm.fitting import Noise, find_spots, fit_candidates
from napari_deepsmlm.models.base import ModelConfig, SMLMModel
from napari_deepsmlm.psf import GaussianPSF

if TYPE_CHECKING:
    from torch import Tensor

    from napari_deepsmlm.localizations import Localizations

WIDTHS_PX = (0.7, 2.3)
"""Widths of molecules that are looked for unless the data's is known."""
AROUND_KNOWN = (0.6, 1.4)
"""The same where it is, times that width."""
USUAL_CONTRAST = 5.0
"""Standard deviations of the background that a spot of probability 0.5 stands out by."""
LEAST_CONTRAST = 3.0
"""Below, noise looks like spots everywhere, whatever the threshold."""


class SingleMolecules(SMLMModel):
    """Spots that stand out of the noise, each fitted with a Gaussian of free width.

    Nothing is learnt, so nothing can be unlike its training: it works for any pixel size, camera
    and background, as long as each spot is one molecule in focus. Those that overlap are merged or
    missed, and have a small `p_value`.

    Spots are found by a matched filter of the width that was measured in the data, or of 1.5 pixels
    where it was not (`fitting.find_spots`); place, width, light and background are those of
    greatest likelihood (`fitting.fit_spots`, after Smith et al. 2010, doi:10.1038/nmeth.1449), and
    the standard errors are the Cramér-Rao bounds at the fit.

    Input: (B, 1, H, W) photons of a perfect camera at equal noise, so that the variance of a
    pixel is its mean. Prediction: the same.

    `probability` is how often the spot would stand out by 5 standard deviations of the background
    if it were photographed again: Φ(contrast - 5), which is 0.5 at 5 and 0.98 at 7. In empty
    frames some 3 in 10 million places pass 0.5.
    """

    name = "fit"
    title = "Single molecules (no network)"
    needs_photons = True
    is_trained = False

    class Config(ModelConfig):
        """What is taken for a molecule."""

        threshold: float = Field(
            0.5, ge=0, le=1, description="Least probability: 0.5 is 5 standard deviations."
        )
        sigma_px: tuple[float, float] = Field(
            WIDTHS_PX, description="Smallest and largest width of a molecule, camera pixels."
        )

        @field_validator("sigma_px")
        @classmethod
        def _positive_and_ascending(cls, value: tuple[float, float]) -> tuple[float, float]:
            if not 0 < value[0] < value[1]:
                raise ValueError("must be two positive numbers, the smaller first")
            return value

    config: Config

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._sigma_px = config.sigma_px

    def expect_width(self, sigma_px: float) -> None:
        """Look for molecules of about this width, as far as it lies among those looked for."""
        low, high = self.config.sigma_px
        known = min(max(sigma_px, low), high)
        self._sigma_px = (known * AROUND_KNOWN[0], known * AROUND_KNOWN[1])

    @property
    def psf(self) -> GaussianPSF:
        """What is fitted, for the pixels of the data at hand."""
        low, high = (sigma * self.pixel_size_nm for sigma in self._sigma_px)
        return GaussianPSF(pixel_size_nm=self.pixel_size_nm, sigma_nm=(low, high))

    @property
    def reads_noise_units(self) -> bool:
        """Noise of any camera becomes that of a perfect one."""
        return True

    @property
    def columns(self) -> tuple[str, ...]:
        """Place, width, light and background, their errors, and how well the fit fits."""
        place = ("frame", "x_nm", "y_nm", "sigma_nm", "photons", "background")
        return (*place, "uncertainty_x_nm", "uncertainty_y_nm", "p_value", "probability")

    @property
    def halo_px(self) -> int:
        """What a fit looks at: its window, the mean around it, and brighter spots beside it."""
        return 5 * self.psf.reach_px

    @property
    def work_per_px(self) -> int:
        """A fit looks at its spots only, and is fastest with many at once."""
        return 1

    def prepare(self, frames: Tensor) -> Tensor:
        """Return the frames as they are: photons."""
        return frames.float()

    def predict(self, prepared: Tensor) -> Tensor:
        """Return the frames as they are: spots are found when molecules are asked for."""
        return prepared

    def loss(self, prediction: Tensor, truth: Localizations) -> Tensor:
        """Refuse: there is nothing to train.

        Raises
        ------
        ValueError
            Always.
        """
        raise ValueError(f"'{self.name}' is no network and has nothing to train.")

    def to_localizations(self, prediction: Tensor, threshold: float | None = None) -> Localizations:
        """Return the molecules of frames, fitted on the CPU."""
        threshold = self.config.threshold if threshold is None else threshold
        # Slopes are found by differentiation, which tensors of inference mode do not allow.
        with torch.inference_mode(False), torch.no_grad():
            frames = prediction.detach().float().cpu().clone()
            table: Localizations = self._fitted(frames, contrast_of(threshold)).to_torch()
            probability = torch.special.ndtr(table["contrast"].double() - USUAL_CONTRAST)
            table = table.without("contrast").with_columns(probability=probability.float())
            table = table[probability >= threshold].sort("frame")
        return table.to_torch(prediction.device)

    def _fitted(self, frames: Tensor, least_contrast: float) -> Localizations:
        psf, noise = self.psf, Noise()
        smallest = min(frames.shape[-2:])
        side = min(2 * psf.reach_px + 1, smallest - (smallest + 1) % 2)
        reach_px = max(2, psf.reach_px // 2)  # of closer spots the brighter one is taken
        spots = find_spots(
            frames,
            psf,
            threshold=least_contrast,
            noise=noise,
            window_px=side,
            min_distance_px=reach_px,
            border_px=0,  # half a molecule is fitted too, and its errors say so
        )
        return fit_candidates(frames, spots, psf, noise=noise, side=side, reach_px=reach_px)


def contrast_of(probability: float) -> float:
    """Return the contrast of a spot of a probability, 3 or more and finite.

    Examples
    --------
    >>> contrast_of(0.5), round(contrast_of(0.9), 2), contrast_of(0.0), round(contrast_of(1.0), 1)
    (5.0, 6.28, 3.0, 12.0)
    """
    most = torch.tensor(1 - 1e-12, dtype=torch.float64)
    above = torch.special.ndtri(torch.tensor(probability, dtype=torch.float64).minimum(most))
    return max(LEAST_CONTRAST, USUAL_CONTRAST + float(above))
