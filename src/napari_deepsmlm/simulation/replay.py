"""Replay: frames of molecules that a table lists, frame by frame, through any PSF and camera."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_deepsmlm.simulation.batch import Batch
from napari_deepsmlm.simulation.molecules import Emitters
from napari_deepsmlm.simulation.movie import MAX_FRAMES, MAX_PIXELS, SEED_STEP
from napari_deepsmlm.simulation.scene import Scene, between

# Most photons of a molecule in a frame: beyond, float32 frames cannot hold dim molecules beside it.
MAX_PHOTONS = 1e9

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from napari_deepsmlm.localizations import Localizations
    from napari_deepsmlm.psf import PSF
    from napari_deepsmlm.simulation.simulator import Simulator


def replay_blocks(
    simulator: Simulator,
    activations: Localizations,
    n_frames: int,
    shape: tuple[int, int],
    generator: torch.Generator,
) -> Iterator[Batch]:
    """Yield the frames of a table of activations in blocks of fixed size.

    Structure, blinking, density, photons, brightness and drift of the simulation do not count: the
    table has them. Background, its unevenness and the shifts of planes are the simulation's.

    Parameters
    ----------
    activations : `frame`, `x_nm`, `y_nm`, `photons`, and `z_nm` if there is depth.

    Raises
    ------
    ValueError
        If the table has no photons, or molecules where the PSF is not known.
    """
    simulation, psf = simulator.simulation, simulator.psf
    scene = Scene(psf, simulation)
    table = _in_reach(activations, n_frames, shape, scene.margin_nm, psf)
    pattern = scene.pattern(1, shape, generator)
    shifts = simulation.plane_shifts_nm(1, psf.n_planes, generator)
    seed = int(torch.randint(1 << 32, (1,), generator=generator, device=generator.device))
    size = max(1, min(MAX_FRAMES, MAX_PIXELS // (psf.n_planes * shape[0] * shape[1])))
    for block, start in enumerate(range(0, n_frames, size)):
        n = min(size, n_frames - start)
        block_seed = (seed + block * SEED_STEP) % (1 << 32)
        own = torch.Generator(generator.device).manual_seed(block_seed)
        emitters = _emitters(_counted_from(table, start, n), n, psf, own)
        background = between(simulation.background, (n, 1, 1, 1), own) * pattern
        frames = simulator.expose(
            emitters,
            shape,
            own,
            background=background,
            shifts=None if shifts is None else shifts.expand(n, -1, -1),
            origin_px=None,
        )
        truth = simulator.truth(emitters, background, shape)
        yield Batch(frames, truth.with_columns(frame=truth.frame + start))


def _in_reach(
    activations: Localizations, n_frames: int, shape: tuple[int, int], margin_nm: float, psf: PSF
) -> Localizations:
    """Return the rows that light the frames, sorted by frame, once they can be shown."""
    table = activations.to_numpy()
    if "photons" not in table:
        raise ValueError(
            "Activations need the light of every molecule, a column such as 'intensity' or "
            f"'photons'; the table has {', '.join(table.names)}."
        )
    height, width = (side * psf.pixel_size_nm for side in shape)
    is_near = (table.x_nm > -margin_nm) & (table.x_nm < width + margin_nm)
    is_near &= (table.y_nm > -margin_nm) & (table.y_nm < height + margin_nm)
    is_near &= (table.frame >= 0) & (table.frame < n_frames) & (table["photons"] > 0)
    table = table[is_near]
    brightest = float(np.max(table["photons"], initial=0.0))
    if brightest > MAX_PHOTONS:
        raise ValueError(
            f"Activations of {brightest:.3g} photons in a frame are more than any molecule gives "
            f"({MAX_PHOTONS:,.0f}): leave them out first (deepsmlm filter TABLE --where "
            f'"intensity < {MAX_PHOTONS:.0f}" --out CUT.csv).'
        )
    _require_depth(table, psf)
    in_order: Localizations = table[np.argsort(table.frame, kind="stable")]
    return in_order


def _require_depth(table: Localizations, psf: PSF) -> None:
    if psf.depth_range_nm is None or not len(table):
        return
    low, high = psf.depth_range_nm
    z_nm = np.asarray(table["z_nm"]) if "z_nm" in table else np.zeros(1)
    if z_nm.min() < low or z_nm.max() > high:
        raise ValueError(
            f"Activations lie between z = {z_nm.min():.0f} and {z_nm.max():.0f} nm, but the PSF is "
            f"known from {low:.0f} to {high:.0f} nm only: leave the others out first (deepsmlm "
            f'filter TABLE --where "z > {low:.0f} & z < {high:.0f}" --out CUT.csv), or choose a '
            "PSF of more depth."
        )


def _counted_from(table: Localizations, start: int, n_frames: int) -> Localizations:
    """Return the molecules of n frames, the first of them frame 0."""
    part = table.in_frames(start, start + n_frames)
    return part.with_columns(frame=part.frame - start)


def _emitters(
    table: Localizations, n_frames: int, psf: PSF, generator: torch.Generator
) -> Emitters:
    """Return the rows of n frames, padded."""
    counts = np.bincount(table.frame, minlength=n_frames)
    most = int(counts.max()) if len(table) else 0
    is_there = np.arange(most) < counts[:, None]

    def padded(values: Any) -> Tensor:
        filled = np.zeros(is_there.shape, np.float32)
        filled[is_there] = values
        return torch.from_numpy(filled).to(generator.device)

    z_nm = table["z_nm"] if "z_nm" in table else np.zeros(len(table))
    place = [padded(np.asarray(values)) for values in (table.x_nm, table.y_nm, z_nm)]
    there = torch.from_numpy(is_there).to(generator.device)
    return Emitters(
        there,
        torch.stack(place, dim=-1),
        padded(np.asarray(table["photons"])),
        psf.draw_sigma_nm(tuple(is_there.shape), generator),
        torch.zeros_like(there, dtype=torch.long),
    )
