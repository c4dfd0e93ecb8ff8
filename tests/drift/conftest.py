"""Molecules on filaments that drift as the simulator's stage does."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.simulation.motion import Drift

Array = np.ndarray[Any, Any]


def drifting(
    n_rows: int = 40_000,
    n_frames: int = 20_000,
    *,
    steady_nm: tuple[float, float, float] = (400.0, -300.0, 0.0),
    walk_nm: float = 0.2,
    precision_nm: tuple[float, float, float] = (12.0, 12.0, 30.0),
    field_nm: float = 12_000.0,
    seed: int = 0,
) -> tuple[Localizations, Array]:
    """Return a table of blinks on filaments, and the (F, 3) nm that the stage moved."""
    rng = np.random.default_rng(seed)
    stage = Drift(
        per_frame_nm=tuple(nm / n_frames for nm in steady_nm),
        walk_nm=(walk_nm, walk_nm, walk_nm if steady_nm[2] else 0.0),
    )
    generator = torch.Generator().manual_seed(seed)
    path = stage.path_nm(n_frames, None, generator).double().numpy()
    n_filaments, n_molecules = 25, n_rows // 4
    which = rng.integers(n_filaments, size=n_molecules)
    along = rng.random(n_molecules) - 0.5
    angle = rng.uniform(0, 2 * np.pi, n_filaments)[which]
    middle = rng.uniform(0, field_nm, (n_filaments, 2))[which]
    xy = middle + (along * field_nm * 0.7)[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    z = rng.uniform(-250, 250, n_filaments)[which] + 150 * along
    molecule, frame = rng.integers(n_molecules, size=n_rows), rng.integers(n_frames, size=n_rows)
    place = np.concatenate([xy, z[:, None]], 1)[molecule] + path[frame]
    place += rng.normal(size=place.shape) * precision_nm
    columns = dict(zip(("x_nm", "y_nm", "z_nm"), place.T, strict=True))
    if not steady_nm[2]:
        del columns["z_nm"]
    for axis, nm in zip("xy", precision_nm, strict=False):
        columns[f"uncertainty_{axis}_nm"] = np.full(n_rows, nm)
    return Localizations.from_columns({"frame": frame, **columns}).sort(), path


def rms_nm(found: Array, planted: Array) -> Array:
    """Return the RMS difference of two paths along each axis, wherever they begin."""
    apart = found - planted[: len(found), : found.shape[1]]
    return np.asarray(np.sqrt(np.mean((apart - apart.mean(axis=0)) ** 2, axis=0)))
