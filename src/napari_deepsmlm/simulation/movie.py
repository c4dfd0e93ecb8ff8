"""Movie: consecutive frames of one structure, made block by block and handed out in chunks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.simulation.batch import Batch
from napari_deepsmlm.simulation.molecules import Moving, emitting
from napari_deepsmlm.simulation.scene import Scene, between, log_between

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from torch import Tensor

    from napari_deepsmlm.simulation.simulator import Simulator

# Frames of a block, and the pixels that it may have at most (64 MB per copy). Both are fixed, so
# that a movie depends on its seed and its size alone.
MAX_FRAMES = 16
MAX_PIXELS = 1 << 24
# An odd step through the 2^32 seeds of the Mersenne Twister: no two blocks share a seed.
SEED_STEP = 0x9E3779B1


def movie_blocks(
    simulator: Simulator, n_frames: int, shape: tuple[int, int], generator: torch.Generator
) -> Iterator[Batch]:
    """Yield a movie in blocks of fixed size; molecules that live on are handed to the next.

    Every block has a generator of its own: its content depends on the seed, on its number and on
    the molecules that live on from the block before.
    """
    simulation, psf = simulator.simulation, simulator.psf
    drift = None if simulation.drift.is_still else simulation.drift
    pixel, margin = psf.pixel_size_nm, simulation.margin_nm(psf)
    sides_nm = shape[0] * pixel, shape[1] * pixel
    movement = None if simulation.movement.is_still else simulation.movement
    reach_nm = drift.reach_nm(n_frames) if drift else 0.0
    reach_nm += movement.reach_nm(n_frames, sides_nm) if movement else 0.0
    scene = Scene(psf, simulation, reach_nm)
    geometry = scene.realise(1, shape, generator)
    pattern = scene.pattern(1, shape, generator)
    shifts = simulation.plane_shifts_nm(1, psf.n_planes, generator)
    seed = int(torch.randint(1 << 32, (1,), generator=generator, device=generator.device))
    within = (*sides_nm, margin) if drift or movement else None
    size = max(1, min(MAX_FRAMES, MAX_PIXELS // (psf.n_planes * shape[0] * shape[1])))
    alive, position, n_born = None, None, 0
    for block, start in enumerate(range(0, n_frames, size)):
        n = min(size, n_frames - start)
        block_seed = (seed + block * SEED_STEP) % (1 << 32)
        own = torch.Generator(generator.device).manual_seed(block_seed)
        births = scene.births(1, n, shape, own)
        if alive is None:
            alive = scene.carried(geometry, births[:, 0], own)
            n_born = int(alive.is_there.sum())
        born = scene.born(geometry, births, own)
        born = born._replace(number=born.number + n_born)
        n_born += int(born.is_there.sum())
        molecules = alive.joined(born)
        path = drift.path_nm(n, position, own) if drift else None
        emitters = emitting(
            molecules,
            n,
            log_between(simulation.brightness, (1, n), own),
            drift_nm=path,
            within_nm=within,
            moving=None if movement is None else Moving(movement, now=start, sides_nm=sides_nm),
        )
        background = between(simulation.background, (n, 1, 1, 1), own) * pattern
        frames = simulator.expose(
            emitters,
            shape,
            own,
            background=background,
            shifts=None if shifts is None else shifts.expand(n, -1, -1),
            origin_px=None,
        )
        columns = {"molecule": emitters.number, **_drift_columns(path)}
        truth = simulator.truth(emitters, background, shape, columns=columns)
        yield Batch(frames, truth.with_columns(frame=truth.frame + start))
        alive = molecules.after(n)
        position = None if path is None else path[-1]


def chunks(blocks: Iterable[Batch], size: int) -> Iterator[Batch]:
    """Yield the same frames, `size` at a time; memory is that of a chunk and a block."""
    waiting: list[Batch] = []
    n_waiting, n_given = 0, 0
    for block in blocks:
        waiting.append(block)
        n_waiting += len(block.frames)
        while n_waiting >= size:
            chunk, rest = _split(_joined(waiting), size, n_given)
            yield chunk
            n_given += size
            n_waiting -= size
            waiting = [rest] if n_waiting else []
    if n_waiting:
        yield _joined(waiting)


def _joined(blocks: list[Batch]) -> Batch:
    if len(blocks) == 1:
        return blocks[0]
    frames = torch.cat([block.frames for block in blocks])
    return Batch(frames, Localizations.concatenate([block.truth for block in blocks]))


def _split(batch: Batch, size: int, first: int) -> tuple[Batch, Batch]:
    frames, truth = batch
    end = first + len(frames)
    head = Batch(frames[:size], truth.in_frames(first, first + size))
    return head, Batch(frames[size:], truth.in_frames(first + size, end))


def _drift_columns(path_nm: Tensor | None) -> dict[str, Tensor]:
    if path_nm is None:
        return {}
    return {f"drift_{axis}_nm": path_nm[:, i : i + 1] for i, axis in enumerate("xyz")}
