"""Sample: where molecules are, when they shine and how brightly, and the light around them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]
    Rng = np.random.Generator

MARGIN_NM = 1000.0
"""Molecules so far outside the frame still light its edge."""
_FILAMENTS_PER_10_UM = 7
_TUBE_SIGMA_NM = 9.0
_CLUSTER_SIGMA_NM, _CLUSTERS_PER_UM2 = 120.0, 0.6
_KEPT_SHARE = 0.02
"""Of a full frame's light: molecules that begin or end in a frame with less of it do not count."""


class Rows(NamedTuple):
    """Molecules frame by frame."""

    frame: Array
    x_nm: Array
    y_nm: Array
    photons: Array
    molecule: Array

    def __len__(self) -> int:
        return len(self.frame)


def place(structure: str, n: int, size_nm: tuple[float, float], rng: Rng) -> tuple[Array, Array]:
    """Return x and y of n molecules in and around a frame of (width, height) nm."""
    low, high = -MARGIN_NM, np.array(size_nm) + MARGIN_NM
    if structure == "uniform":
        x, y = rng.uniform(low, high, (n, 2)).T
    elif structure == "filaments":
        x, y = _on_filaments(n, low, high, rng)
    elif structure == "clusters":
        n_clusters = max(1, round(_CLUSTERS_PER_UM2 * np.prod(high - low) / 1e6))
        centres = rng.uniform(low, high, (n_clusters, 2))
        x, y = (
            centres[rng.integers(n_clusters, size=n)] + rng.normal(0, _CLUSTER_SIGMA_NM, (n, 2))
        ).T
    else:
        raise ValueError(
            f"Unknown structure '{structure}'. Available: uniform, filaments, clusters."
        )
    return x, y


def _on_filaments(n: int, low: float, high: Array, rng: Rng) -> tuple[Array, Array]:
    """Molecules along smooth curves, each a walk whose direction turns slowly."""
    step_nm, length = 20.0, float(np.hypot(*(high - low)))
    n_steps = int(1.3 * length / step_nm)
    n_lines = max(3, round(_FILAMENTS_PER_10_UM * float((high - low).max()) / 1e4))
    curves = []
    for _ in range(n_lines):
        turn = gaussian_filter(rng.normal(0, 1, n_steps), 40, mode="nearest") * 0.05
        angle = rng.uniform(0, 2 * np.pi) + np.cumsum(turn)
        path = np.cumsum(step_nm * np.stack([np.cos(angle), np.sin(angle)], 1), 0)
        middle = rng.uniform(0.15, 0.85, 2) * (high - low) + low
        curves.append(path - path[n_steps // 2] + middle)
    points = np.concatenate(curves)
    points = points[((points > low) & (points < high)).all(1)]
    chosen = points[rng.integers(len(points), size=n)]
    jitter = rng.uniform(-step_nm / 2, step_nm / 2, (n, 2)) + rng.normal(0, _TUBE_SIGMA_NM, (n, 2))
    return (chosen + jitter).T


def blink(
    xy_nm: tuple[Array, Array], brightness: Array, start: Array, on_frames: Array, n_frames: int
) -> Rows:
    """Return the light of molecules that shine from `start` on for `on_frames` frames.

    A frame gets the share of the brightness (photons of a whole frame) that falls into its time.
    """
    longest = int(np.ceil(on_frames.max(initial=0))) + 1
    frame = np.floor(start).astype(int)[:, None] + np.arange(longest)
    share = np.minimum(frame + 1, (start + on_frames)[:, None]) - np.maximum(frame, start[:, None])
    counted = (share > _KEPT_SHARE) & (frame >= 0) & (frame < n_frames)
    molecule, step = np.nonzero(counted)
    photons = (brightness[:, None] * share)[counted]
    order = np.argsort(frame[molecule, step], kind="stable")
    x_nm, y_nm = xy_nm
    molecule, photons = molecule[order], photons[order]
    when = frame[counted][order]
    return Rows(when, x_nm[molecule], y_nm[molecule], photons, molecule)


def molecules(
    structure: str,
    size_nm: tuple[float, float],
    n_frames: int,
    rng: Rng,
    *,
    density_per_um2: float,
    photons: float,
    spread: float,
    on_frames: float,
) -> Rows:
    """Return molecules of log-normal brightness that blink.

    Parameters
    ----------
    density_per_um2 : molecules that shine in a frame, those that begin or end in it as well.
    photons : median of a molecule in a frame that it fills.
    spread : standard deviation of the logarithm of the brightness.
    on_frames : mean of the exponential on-times; 0 for molecules of single whole frames.
    """
    area_um2 = float(np.prod(np.array(size_nm) + 2 * MARGIN_NM)) / 1e6
    before = 5 * on_frames
    spans = on_frames + 1 if on_frames else 1.0
    n = rng.poisson(density_per_um2 * area_um2 * (n_frames + before) / spans)
    xy_nm = place(structure, n, size_nm, rng)
    brightness = photons * np.exp(rng.normal(0, spread, n))
    if not on_frames:
        start = rng.integers(n_frames, size=n).astype(float)
        return blink(xy_nm, brightness, start, np.ones(n), n_frames)
    start = rng.uniform(-before, n_frames, n)
    return blink(xy_nm, brightness, start, rng.exponential(on_frames, n), n_frames)


def background(kind: str, level: float, shape: tuple[int, int], rng: Rng) -> Array:
    """Return (H, W) photons per pixel of the given mean: even, a slope, or blobs like cells."""
    height, width = shape
    if kind == "even":
        return np.full(shape, level)
    if kind == "slope":
        angle = rng.uniform(0, 2 * np.pi)
        y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
        tilt = np.cos(angle) * x + np.sin(angle) * y
        return level * (1 + 0.5 * tilt / np.abs(tilt).max())
    if kind == "cells":
        blobs = gaussian_filter(rng.normal(0, 1, shape), min(shape) / 9, mode="reflect")
        blobs -= blobs.mean()
        return level * (1 + 0.5 * blobs / np.abs(blobs).max())
    raise ValueError(f"Unknown background '{kind}'. Available: even, slope, cells.")
