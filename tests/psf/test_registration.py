"""Planes are moved onto the first one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import shift

from napari_deepsmlm.psf import GaussianPSF
from napari_deepsmlm.psf.registration import AffineTransform, align_planes, shifted


def test_aligned_planes_show_a_molecule_at_one_place() -> None:
    turned = AffineTransform(matrix=((0.99, -0.03), (0.03, 1.01)), shift_nm=(180.0, -240.0))
    places = np.array([[1230.0, 1480.0], [2950.0, 2210.0]])
    psf = GaussianPSF(sigma_nm=(150, 150))

    def image(xy: np.ndarray) -> np.ndarray:
        xyz = torch.tensor(np.column_stack([xy, np.zeros(2)]), dtype=torch.float32)[None]
        return psf.render(xyz, torch.ones(1, 2), (40, 40))[0, 0].numpy()

    frames = np.stack([image(places), image(turned.apply(places))])[None]
    aligned = align_planes(frames, [AffineTransform(), turned], 100.0)
    np.testing.assert_array_equal(aligned[0, 0], frames[0, 0])
    before = np.abs(frames[0, 1] - frames[0, 0]).max() / frames.max()
    after = np.abs(aligned[0, 1] - aligned[0, 0]).max() / frames.max()
    assert before > 0.5
    assert after < 0.03
    assert aligned[0, 1].sum() == pytest.approx(frames[0, 1].sum(), rel=0.002)
    offset = align_planes(frames + 100, [AffineTransform(), turned], 100.0)
    np.testing.assert_allclose(offset - 100, aligned, atol=1e-4)  # no edge where nothing is seen
    with pytest.raises(ValueError, match="do not have 1 planes"):
        align_planes(frames, [turned], 100.0)


def test_a_volume_is_shifted_along_one_axis_after_the_other_as_all_at_once() -> None:
    volume, move = np.random.default_rng(0).normal(size=(9, 12, 11)), (1.3, -2.4, 0.6)
    at_once = shift(volume, move, order=3, mode="nearest")
    assert shifted(volume, move) == pytest.approx(at_once, abs=1e-12)
