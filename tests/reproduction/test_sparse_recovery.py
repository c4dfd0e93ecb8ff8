"""Sparse recovery against closed forms: hard thresholds, and molecules in their place."""

from __future__ import annotations

import math

import pytest
import torch

from napari_deepsmlm.reproduction.sparse_recovery import SparseRecovery, spread


def test_light_is_spread_as_the_error_function_says() -> None:
    matrix = spread(9, 1, sigma_px=1.1)
    half = 0.5 / (1.1 * math.sqrt(2))
    assert matrix[4, 4].item() == pytest.approx(math.erf(half), rel=1e-6)
    assert matrix[:, 4].sum().item() == pytest.approx(math.erf(9 * half), rel=1e-6)


def test_without_overlap_it_is_the_hard_threshold() -> None:
    """With A a unit matrix, the l0 minimum keeps d where d^2 / 2 > lambda, unshrunk, else 0."""
    recovery = SparseRecovery(
        sigma_px=0.02, upsampling=1, least_photons=100, n_reweightings=60, n_steps=40
    )
    frame = torch.tensor([[0.0, 40.0, 99.0], [110.0, 150.0, 3000.0], [-500.0, 103.0, 10.0]])
    found = recovery.recover(frame[None])[0]
    expected = torch.where(frame > 100, frame, 0.0)
    assert found.numpy() == pytest.approx(expected.numpy(), rel=1e-3, abs=1e-3)


def test_a_penalty_that_is_too_high_leaves_nothing() -> None:
    frame = 50 * torch.rand(1, 8, 8, generator=torch.Generator().manual_seed(0))
    recovery = SparseRecovery(sigma_px=1.1, upsampling=4, least_photons=1e5)
    assert recovery.recover(frame).max() == 0


def test_two_molecules_come_back_where_they_are_with_their_light() -> None:
    recovery = SparseRecovery(
        sigma_px=1.1, upsampling=2, least_photons=200, n_reweightings=6, n_steps=300
    )
    matrix = spread(16, 2, 1.1)
    true = torch.zeros(32, 32)
    true[10, 12], true[20, 15] = 2000.0, 1000.0
    found = recovery.recover((matrix @ true @ matrix.T)[None])[0]
    for (y, x), photons in {(10, 12): 2000.0, (20, 15): 1000.0}.items():
        assert found[y - 1 : y + 2, x - 1 : x + 2].sum().item() == pytest.approx(photons, rel=0.02)
    assert found.sum().item() == pytest.approx(3000.0, rel=0.02)
