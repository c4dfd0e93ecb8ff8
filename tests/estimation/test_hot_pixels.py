"""Hot pixels are found, and no image of a molecule is taken for one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr

from napari_deepsmlm.estimation.hot_pixels import find_hot_pixels

SIDE = 48


def spot(sigma_px: float, y: float, x: float, light: float) -> np.ndarray:
    """(H, W) expected photons of a pixel-integrated Gaussian."""
    edges = np.arange(SIDE + 1)
    down, across = (np.diff(ndtr((edges - c) / sigma_px)) for c in (y, x))
    return light * np.outer(down, across)


def exposed(light: np.ndarray, n_frames: int = 16, seed: int = 0) -> np.ndarray:
    """(T, 1, H, W) uint16 with an offset of 100 and read noise."""
    rng = np.random.default_rng(seed)
    counts = rng.poisson(np.broadcast_to(light, (n_frames, *light.shape[-2:])))
    adu = 100 + 2 * counts + rng.normal(0, 3, counts.shape)
    return np.clip(adu, 0, 65_535).astype(np.uint16)[:, None]


@pytest.mark.parametrize("sigma_px", [0.45, 0.7, 1.0, 1.5, 2.3])
@pytest.mark.parametrize("light", [300, 3_000, 30_000, 1_000_000])
def test_beads_and_lasting_molecules_are_none(sigma_px: float, light: float) -> None:
    rng = np.random.default_rng(1)
    image = np.full((SIDE, SIDE), 20.0)
    for place in [(12.5, 12.5), (12.5, 30.0), (30.0, 12.5), (0.5, 20.5), (47.0, 47.9)]:
        image += spot(sigma_px, *place, light)
    for y, x in rng.uniform(5, SIDE - 5, (4, 2)):
        image += spot(sigma_px, y, x, light)
    assert find_hot_pixels(exposed(image)) == []


@pytest.mark.parametrize("sigma_px", [0.7, 1.2, 2.3])
def test_blinking_molecules_are_none(sigma_px: float) -> None:
    rng = np.random.default_rng(2)
    movie = np.full((40, SIDE, SIDE), 5.0)
    for frame in movie:
        for y, x in rng.uniform(0, SIDE, (8, 2)):
            frame += spot(sigma_px, y, x, 2_000)
    assert find_hot_pixels(exposed(movie, 40)) == []


@pytest.mark.parametrize("value", [1_000, 5_000, 65_535])
@pytest.mark.parametrize("n_frames", [4, 8, 40])
def test_pixels_bright_in_all_frames_are_found(value: int, n_frames: int) -> None:
    image = np.full((SIDE, SIDE), 20.0) + spot(1.2, 30, 30, 5_000)
    frames = exposed(image, n_frames)
    places = [(0, 0, 0), (0, 10, 20), (0, 12, 20), (0, 47, 31)]
    for _, y, x in places:
        frames[:, 0, y, x] = value
    assert find_hot_pixels(frames) == places


def test_noise_and_pixels_that_flash_are_none() -> None:
    frames = exposed(np.full((SIDE, SIDE), 20.0), 40)
    assert find_hot_pixels(frames) == []
    frames[::2, 0, 20, 20] = 60_000  # not in every frame
    frames[3, 0, 30, 30] = 60_000  # a cosmic ray
    assert find_hot_pixels(frames) == []


def test_every_plane_has_its_own() -> None:
    frames = np.concatenate([exposed(np.full((SIDE, SIDE), 20.0), seed=s) for s in (0, 1)], axis=1)
    frames[:, 1, 5, 6] = 30_000
    assert find_hot_pixels(frames) == [(1, 5, 6)]


def test_too_few_or_too_small_frames_tell_nothing() -> None:
    frames = np.full((3, 1, 16, 16), 100)
    frames[:, 0, 8, 8] = 9_000
    assert find_hot_pixels(frames) == []
    assert find_hot_pixels(np.ones((9, 1, 4, 4))) == []
