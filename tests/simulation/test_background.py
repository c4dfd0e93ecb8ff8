"""Smooth background stays within its bound, has no preferred side, and is smooth."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_deepsmlm.camera import IdealCamera
from napari_deepsmlm.psf import GaussianPSF
from napari_deepsmlm.simulation import Simulation, Simulator
from napari_deepsmlm.simulation.background import smooth_pattern


@given(
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    feature_px=st.floats(2, 100),
    seed=st.integers(0, 10_000),
)
@settings(deadline=None, max_examples=40)
def test_the_pattern_is_bounded(height: int, width: int, feature_px: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    pattern = smooth_pattern(2, (height, width), feature_px, generator)
    assert pattern.shape == (2, 1, height, width)
    assert pattern.abs().max() <= 1 + 1e-5


def test_the_pattern_has_no_preferred_side_and_is_smooth() -> None:
    pattern = smooth_pattern(400, (48, 48), 16, torch.Generator().manual_seed(0))
    means = pattern.mean((2, 3))[:, 0]
    assert abs(means.mean().item()) < 4 * means.std().item() / 20
    assert pattern.abs().amax() > 0.8
    # A pixel's step over a feature of 16 pixels: slopes of gradient noise stay below about 3.
    assert pattern.diff(dim=-1).abs().max() < 3 / 16 * 1.5
    assert pattern.diff(dim=-2).abs().max() < 3 / 16 * 1.5


def test_the_background_varies_by_the_asked_share_and_the_truth_knows_it() -> None:
    simulation = Simulation(
        background=(200, 200), unevenness=0.2, photons=(1, 1), density_per_um2=(3, 3)
    )
    simulator = Simulator(GaussianPSF(), IdealCamera(baseline=0), simulation)
    frames, truth = simulator.batch(300, (24, 24), torch.Generator().manual_seed(0))
    assert 160 <= truth["background"].min() < 172
    assert 228 < truth["background"].max() <= 240.01
    row, column = ((truth[name] / 100).long() for name in ("y_nm", "x_nm"))
    seen = frames[truth.frame, 0, row, column]
    residual = (seen - truth["background"]) / truth["background"].sqrt()
    assert residual.std().item() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("unevenness", [-0.1, 1.5])
def test_a_background_below_zero_is_refused(unevenness: float) -> None:
    with pytest.raises(ValueError, match=f"'unevenness': .*found {unevenness}"):
        Simulation.from_dict({"unevenness": unevenness})
