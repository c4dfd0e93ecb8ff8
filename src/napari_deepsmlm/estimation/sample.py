"""Sample: a bounded number of raw frames from all of a stack, and what is odd about them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_deepsmlm._words import counted
from napari_deepsmlm.estimation.hot_pixels import find_hot_pixels
from napari_deepsmlm.estimation.saturation import saturation_of
from napari_deepsmlm.estimation.steps import step_adu
from napari_deepsmlm.estimation.still_spots import (
    find_still_spots,
    in_words,
    region_without,
)
from napari_deepsmlm.estimation.survey import MAX_SHARE_ZERO
from napari_deepsmlm.inference.hot_pixels import HotPixels

if TYPE_CHECKING:
    from napari_deepsmlm.io import FrameSource

    Array = np.ndarray[Any, Any]

# Most pixel values that are read: a thousand frames of 64 x 64.
MAX_VALUES = 1 << 22
# A thousand frames in eight blocks of 128: each tells blinking from noise, and all of them a change
# over the movie.
MAX_BLOCKS = 8
# Least consecutive frames in a block: with fewer, blinking cannot be told from noise.
BLOCK_FRAMES = 100
# Side of what is looked at of large frames, at least: of a square twice as wide, MAX_VALUES are 256
# frames, two blocks, too few to see what changes over the movie.
REGION_PX = 64
# The faint parts of a frame: 160 of 64 x 64 pixels, so that their brightest is a steady number, and
# below the light of molecules unless they cover all but so much of the frame. A judgement.
FAINT_PERCENT = 4
# Twice the sample as float32 (16 MB): reading then needs no more memory than what follows it.
READ_BYTES = 32 << 20
# With fewer a movie gives less than four differences of frames to tell a change from noise by. A
# judgement: what is measured of so few has errors that say how little it is.
FEWEST_FRAMES = 5
# The covariance is measured up to a third of a side, 5 px: up to widths of (5 - 1) / 4.5 = 0.9 px
# (see `NEAR_PX`); and 10 x 10 pixels are left of it by the filter of the noise, which has 7.
SMALLEST_PX = 16


@dataclass(frozen=True)
class Sample:
    """Frames that were looked at: blocks of consecutive ones, one region of one plane."""

    frames: Array
    """(B, T, H, W) float32 ADU."""
    starts: tuple[int, ...]
    """First frame of each block."""
    origin_px: tuple[int, int]
    """Row and column of the region's corner."""
    remarks: tuple[str, ...]
    """What a person should know about the data."""
    is_raw: bool
    """Whether the numbers can be a camera's: noise says something about photons then."""
    saturated: float
    """Share of pixels at the largest value."""
    step_adu: float
    """Between neighbouring numbers; 0 if they are not rounded."""

    @property
    def n_frames(self) -> int:
        """Frames looked at."""
        return int(self.frames.shape[0] * self.frames.shape[1])

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the region."""
        return self.frames.shape[2], self.frames.shape[3]


def take_sample(
    source: FrameSource,
    *,
    most_values: int = MAX_VALUES,
    block_frames: int = BLOCK_FRAMES,
) -> Sample:
    """Read blocks of frames spread over the stack, of the region that blinks most.

    Parameters
    ----------
    most_values : pixel values to read in all.
    block_frames : consecutive frames that a block has at least, where there are as many.

    Raises
    ------
    ValueError
        One sentence: too few or too small frames, no contrast at all, NaN or infinite values.
    """
    n_frames, n_planes, height, width = source.shape
    if n_frames < FEWEST_FRAMES:
        raise ValueError(
            f"{source.name}: {counted(n_frames, 'frame')} cannot tell what blinks; "
            f"give the raw movie, {FEWEST_FRAMES} frames at the very least, better some hundred."
        )
    if min(height, width) < SMALLEST_PX:
        raise ValueError(
            f"{source.name}: frames of {height} x {width} pixels are too small to measure; "
            f"{SMALLEST_PX} x {SMALLEST_PX} is the least."
        )
    region = _liveliest_region(source, most_values, block_frames)
    rows, columns = region
    n_read = min(
        n_frames, most_values // ((rows.stop - rows.start) * (columns.stop - columns.start))
    )
    n_blocks = min(max(1, n_read // block_frames), MAX_BLOCKS)
    length = n_read // n_blocks
    starts = np.linspace(0, n_frames - length, n_blocks).astype(int).tolist()
    frames = np.stack([_read(source, start, start + length, region) for start in starts])
    kept, n_constant = _without_constant(frames, source.name)
    remarks = list(_scope(source, kept, region))
    if n_constant:
        remarks.append(
            f"{counted(n_constant, 'frame')} without any contrast "
            f"{'was' if n_constant == 1 else 'were'} left out."
        )
    if n_planes > 1:
        remarks.append(f"Of {source.layout.describe()} the first one was measured.")
    cut_off = saturation_of(kept)
    if cut_off.is_too_much:
        remarks.append(
            f"{100 * cut_off.share:.2g} % of all pixels are saturated: bright molecules are cut "
            "off, so photons come out too low; record with less light or a lower gain."
        )
    oddities = list(_oddities(kept, source.dtype))
    kept = _without_hot_pixels(kept)
    spots = find_still_spots(kept.reshape(-1, *kept.shape[2:]))
    remarks += in_words(
        [s._replace(row=s.row + rows.start, column=s.column + columns.start) for s in spots]
    )
    part = region_without(spots, (kept.shape[2], kept.shape[3]), SMALLEST_PX)
    kept = kept[:, :, *part]
    return Sample(
        kept,
        tuple(starts),
        (rows.start + part[0].start, columns.start + part[1].start),
        (*remarks, *oddities),
        is_raw=not oddities,
        saturated=cut_off.share,
        step_adu=step_adu(kept),
    )


def levelled(sample: Sample) -> Sample:
    """Return the same frames with the background that comes and goes over time taken off."""
    levels = faint_levels(sample.frames)
    change = (levels - np.median(levels)).astype(np.float32)
    return replace(sample, frames=sample.frames - change[..., None, None])


def faint_levels(frames: Array) -> Array:
    """Return how bright the faint parts of each frame are, (B, T)."""
    from scipy import ndimage

    smooth = ndimage.uniform_filter(frames, (0, 0, 3, 3))
    return np.asarray(np.percentile(smooth, FAINT_PERCENT, axis=(2, 3)))


def _liveliest_region(
    source: FrameSource, most_values: int, block_frames: int
) -> tuple[slice, slice]:
    """Return the whole frame, or of a large one the square whose pixels vary most in time."""
    n_frames, _, height, width = source.shape
    side = REGION_PX
    while 4 * side**2 * min(n_frames, 4 * block_frames) <= most_values:
        side *= 2
    size = (min(side, height), min(side, width))
    if size == (height, width) or height * width * min(n_frames, block_frames) <= most_values:
        return slice(0, height), slice(0, width)
    picked = np.unique(np.linspace(0, n_frames - 1, 16).astype(int))
    some = np.concatenate([source.read(i, i + 1)[:, 0] for i in picked.tolist()]).astype(np.float32)
    variance = np.nan_to_num(some.var(axis=0))
    starts = [
        range(0, full - part + 1, max(1, part // 2))
        for full, part in zip((height, width), size, strict=True)
    ]
    best = max(
        ((top, left) for top in starts[0] for left in starts[1]),
        # The median: one bright speck is no reason to look there.
        key=lambda at: float(
            np.mean(np.sqrt(variance[at[0] : at[0] + size[0], at[1] : at[1] + size[1]]))
        ),
    )
    return slice(best[0], best[0] + size[0]), slice(best[1], best[1] + size[1])


def _read(source: FrameSource, start: int, stop: int, region: tuple[slice, slice]) -> Array:
    """(T, H, W) float32 of the first plane, read a bounded number of bytes at a time."""
    _, C, H, W = source.shape
    step = max(1, READ_BYTES // (C * H * W * source.dtype.itemsize))
    with np.errstate(over="ignore"):  # such values are infinite, which is told below
        parts = [
            source.read(first, min(first + step, stop))[(slice(None), 0, *region)].astype(
                np.float32
            )
            for first in range(start, stop, step)
        ]
    frames = np.concatenate(parts)
    is_bad = ~np.isfinite(frames).all(axis=(1, 2))
    if is_bad.any():
        number = start + int(np.flatnonzero(is_bad)[0])
        raise ValueError(f"Frame {number} (counted from 0) holds NaN or infinite values.")
    return frames


def _without_constant(frames: Array, name: str) -> tuple[Array, int]:
    """Leave out frames that show nothing: all blocks lose as many."""
    is_alive = frames.min(axis=(2, 3)) < frames.max(axis=(2, 3))
    n_alive = is_alive.sum(axis=1)
    blocks = frames[n_alive >= FEWEST_FRAMES], is_alive[n_alive >= FEWEST_FRAMES]
    if len(blocks[0]) == 0:
        raise ValueError(
            f"{name}: the frames have no contrast (all pixels of a frame have one value); "
            "there is nothing to measure."
        )
    length = int(blocks[1].sum(axis=1).min())
    kept = np.stack([block[alive][:length] for block, alive in zip(*blocks, strict=True)])
    return kept, int((~is_alive).sum())


def _scope(source: FrameSource, frames: Array, region: tuple[slice, slice]) -> list[str]:
    n_frames, _, height, width = source.shape
    n_seen, shape = frames.shape[0] * frames.shape[1], frames.shape[2:]
    if shape != (height, width):
        rows, columns = region
        return [
            f"Measured on {n_seen:,} of {counted(n_frames, 'frame')}, "
            f"in the {shape[0]} x {shape[1]} pixels where most blinks "
            f"(rows {rows.start} to {rows.stop}, columns {columns.start} to {columns.stop})."
        ]
    return [f"Measured on {n_seen:,} of {counted(n_frames, 'frame')}."]


def _without_hot_pixels(frames: Array) -> Array:
    """Return (B, T, H, W) frames in which neighbours stand for hot pixels."""
    flat = frames.reshape(-1, 1, *frames.shape[2:])
    hot = find_hot_pixels(flat)
    if not hot:
        return frames
    mended = torch.from_numpy(flat.copy())
    HotPixels(hot, (1, *frames.shape[2:])).mend(mended)
    return mended.numpy().reshape(frames.shape)


def _oddities(frames: Array, dtype: np.dtype[Any]) -> list[str]:
    """Sentences about numbers that no camera writes."""
    found = []
    if dtype.itemsize == 1:
        found.append(
            "The frames have 8 bits: they were rescaled or compressed after the camera, so its "
            "gain and offset, and with them photons, cannot be known from them."
        )
    low = float(frames.min())
    share = float((frames == low).mean())
    if low < 0 or (low == 0 and share > MAX_SHARE_ZERO):
        found.append(
            "Many pixels are zero or negative: the background was subtracted already, so the "
            "camera's offset and the background cannot be known; give the raw frames."
        )
    return found
