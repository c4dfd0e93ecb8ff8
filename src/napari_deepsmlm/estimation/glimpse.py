"""Glimpse: a few whole frames from all over a stack, read once, in bounded time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_deepsmlm._words import counted
from napari_deepsmlm.inference.hot_pixels import HotPixels
from napari_deepsmlm.inference.inputs import has_contrast
from napari_deepsmlm.io import FrameReadError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_deepsmlm.io import FrameSource

    Array = np.ndarray[Any, Any]

# Limits on what is read, whatever the length of the movie and the size of its frames: pixel values,
# bytes, frames.
MAX_VALUES = 1 << 23
MAX_BYTES = 128 << 20
MAX_FRAMES = 256
# Of large frames at least this many are read, beyond MAX_VALUES but within MAX_BYTES.
FEWEST_FRAMES = 8
BLOCK_FRAMES, MAX_BLOCKS = 16, 8
TILE_PX = 64
TILE_VALUES = 1_000_000


@dataclass(frozen=True)
class Glimpse:
    """Frames that were looked at."""

    frames: Array
    """(N, C, H, W) as stored; without contrast, not finite and damaged ones are left out."""
    blocks: tuple[range, ...]
    """Which of them follow each other in time; all blocks are of one length."""
    n_constant: int
    """Frames among those looked at that have no contrast at all."""
    dtype: np.dtype[Any]
    """Of the stack."""
    n_stack: int
    """Frames of the stack."""

    @property
    def scope(self) -> str:
        """How much was looked at, in words."""
        return f"{len(self.frames):,} of {counted(self.n_stack, 'frame')}"


def glimpse(source: FrameSource) -> Glimpse:
    """Read blocks of consecutive frames, spread over the stack.

    Frames that cannot be read or hold no numbers are left out: whoever reads all of the stack
    will say so.
    """
    n_frames, C, H, W = source.shape
    n_read = _n_read(n_frames, C * H * W, source.dtype.itemsize)
    n_blocks = min(max(n_read // BLOCK_FRAMES, 2 if n_read >= FEWEST_FRAMES else 1), MAX_BLOCKS)
    length = n_read // n_blocks
    kept, n_constant = [], 0
    for start in np.linspace(0, n_frames - length, n_blocks).astype(int).tolist():
        frames = _finite(_read(source, start, start + length))
        is_alive = has_contrast(frames)
        n_constant += int((~is_alive).sum())
        kept.append(frames[is_alive])
    frames, blocks = _in_blocks(kept, length)
    return Glimpse(frames, blocks, n_constant, source.dtype, n_frames)


def tiles_of(
    frames: Array, blocks: tuple[range, ...], hot_pixels: Iterable[tuple[int, int, int]] = ()
) -> Array:
    """Return parts of the first plane as (B, T, h, w) float32, some bright and some dark ones.

    Parameters
    ----------
    frames : (N, C, H, W).
    hot_pixels : (plane, row, column), replaced by what surrounds them.
    """
    H, W = frames.shape[2:]
    rows, columns = _starts(H), _starts(W)
    height, width = min(H, TILE_PX), min(W, TILE_PX)
    corners = [(y, x) for y in rows for x in columns]
    length = len(blocks[0])
    per_tile = sum(map(len, blocks)) * height * width
    n_tiles = min(max(1, TILE_VALUES // per_tile), len(corners))
    n_blocks = min(len(blocks), max(1, TILE_VALUES // (length * height * width)))
    length = min(length, max(1, TILE_VALUES // (n_blocks * n_tiles * height * width)))
    shown = frames[blocks[0].start, 0].astype(np.float32)
    levels = [float(shown[y : y + height, x : x + width].mean()) for y, x in corners]
    ranks = np.linspace(len(corners) - 1, 0, n_tiles).round().astype(int)
    which = np.linspace(0, len(blocks) - 1, n_blocks).round().astype(int)
    tiles = []
    for y, x in [corners[i] for i in np.argsort(levels)[ranks]]:
        spot = (0, slice(y, y + height), slice(x, x + width))
        parts = [frames[blocks[i].start : blocks[i].start + length][:, *spot] for i in which]
        tile = np.stack(parts).astype(np.float32)  # (blocks, T, h, w)
        _mend(tile, [(row - y, column - x) for c, row, column in hot_pixels if c == 0])
        tiles.append(tile)
    return np.concatenate(tiles)


def _mend(tile: Array, places: list[tuple[int, int]]) -> None:
    """Replace pixels of (B, T, h, w) frames by the median of their neighbours."""
    h, w = tile.shape[2:]
    inside = [(0, y, x) for y, x in places if 0 <= y < h and 0 <= x < w]
    if inside:
        HotPixels(inside, (1, h, w)).mend(torch.from_numpy(tile)[:, :, None])


def _n_read(n_frames: int, n_values: int, itemsize: int) -> int:
    n_read = min(max(MAX_VALUES // n_values, FEWEST_FRAMES), MAX_FRAMES)
    n_read = min(n_read, max(MAX_BYTES // (n_values * itemsize), 2))
    return min(n_read, n_frames)


def _read(source: FrameSource, start: int, stop: int) -> Array:
    try:
        return source.read(start, stop)
    except FrameReadError:
        return np.zeros((0, *source.shape[1:]), source.dtype)


def _finite(frames: Array) -> Array:
    """Fill what is no number, as the margins of registered frames, with the median."""
    if frames.dtype.kind != "f":
        return frames
    is_finite = np.abs(frames) <= np.finfo(np.float32).max  # as networks compute
    if is_finite.all():
        return frames
    middle = np.median(frames[is_finite]) if is_finite.any() else 0
    return np.where(is_finite, frames, frames.dtype.type(middle))


def _in_blocks(kept: list[Array], length: int) -> tuple[Array, tuple[range, ...]]:
    """Join blocks, cut to the length that most of them have left."""
    longest = max(map(len, kept))
    parts = [part for part in kept if len(part) > longest / 2]
    if not parts:
        return kept[0], ()
    length = min(map(len, parts))
    starts = range(0, len(parts) * length, length)
    frames = np.concatenate([part[:length] for part in parts])
    return frames, tuple(range(start, start + length) for start in starts)


def _starts(side: int) -> list[int]:
    """Return where tiles begin: as many as fit, spread over the side."""
    n = max(1, side // TILE_PX)
    return [math.floor(i) for i in np.linspace(0, max(side - TILE_PX, 0), n)]
