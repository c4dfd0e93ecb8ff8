"""Gaussian fits of bead images: where the bead is, and slopes that are those of the Gaussian."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from napari_deepsmlm.calibration import plane_curves
from napari_deepsmlm.calibration.beads import Bead
from napari_deepsmlm.calibration.plane_curves import register_planes
from napari_deepsmlm.calibration.spot_fit import _gaussian, fit_spot
from napari_deepsmlm.psf.registration import AffineTransform

PLACE = np.array([6.3, 5.1, 1.2, 2.4, 900.0, 7.0])


def test_the_slopes_are_those_of_the_gaussian() -> None:
    numeric = approx_fprime(PLACE, lambda p: _gaussian(p, 11, 13)[0].ravel(), 1e-6)
    assert _gaussian(PLACE, 11, 13)[1] == pytest.approx(numeric, abs=1e-3)


def test_a_gaussian_without_noise_is_found_exactly() -> None:
    assert np.array(fit_spot(_gaussian(PLACE, 11, 13)[0])) == pytest.approx(PLACE, rel=1e-5)


def test_one_plane_is_not_fitted_to_be_registered_with_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each fit of each depth of each bead took half the time of a calibration, for an identity."""
    monkeypatch.setattr(plane_curves, "fit_spot", None)
    bead = Bead(20, 20, np.ones((1, 5, 9, 9)))
    assert register_planes([(np.zeros((1, 2), int), bead)], 100.0, is_lobed=False) == (
        AffineTransform(),
    )
