"""Fitting: single molecules localized by maximum likelihood, without any network."""

from napari_deepsmlm.fitting.likelihood import SpotFits, fit_spots
from napari_deepsmlm.fitting.localize import fit_candidates, localize
from napari_deepsmlm.fitting.noise import Noise
from napari_deepsmlm.fitting.spots import Spots, find_spots

__all__ = ["Noise", "SpotFits", "Spots", "find_spots", "fit_candidates", "fit_spots", "localize"]
