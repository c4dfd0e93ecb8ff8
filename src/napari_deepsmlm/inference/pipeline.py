"""Pipeline: frames to images and molecules, tile by tile, in bounded memory."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from napari_deepsmlm.inference.prefetch import prefetch
from napari_deepsmlm.localizations import Localizations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from napari_deepsmlm._devices import Compute
    from napari_deepsmlm.camera import Camera
    from napari_deepsmlm.io import FrameSource
    from napari_deepsmlm.models import ImageModel

logger = logging.getLogger(__name__)

# Super-resolution pixels that one call of the network works on. A CPU is fastest with one 512 x 512
# image, whose layers stay in its caches; a GPU would be idle with so little.
PIXELS_PER_BATCH = {"cpu": 1 << 18, "cuda": 1 << 24, "mps": 1 << 22}
# A larger frame is cut into tiles of this many: fewer would spend much on their halos.
PIXELS_PER_TILE = 1 << 20
# Raw frames that are read at once, in bytes.
READ_BYTES = 16 << 20


class Inputs(NamedTuple):
    """Network inputs of consecutive frames: each the sum of `sum_frames` of them."""

    first_frame: int
    frames: np.ndarray[Any, Any]
    """(B, C, H, W) float32 ADU, summed."""
    n_frames: int
    """Camera frames that went into them."""
    n_constant: int
    """Camera frames among them without any contrast."""


@dataclass(slots=True)
class Predicted:
    """What one batch of inputs gave."""

    first_frame: int
    n_frames: int
    n_constant: int
    image: np.ndarray[Any, Any]
    """(r H, r W) molecules per super-resolution pixel, summed over the batch."""
    localizations: Localizations
    """numpy columns, frames counted in the stack, nm."""


class Pipeline:
    """Runs a model over a range of frames.

    Reading goes ahead in a thread. Frames larger than a tile are cut with a halo as wide as the
    network can see, so that tiles and whole frames predict the same. If memory runs out the batch
    is halved and done again.

    Parameters
    ----------
    model : its `pixel_size_nm` set to that of the data.
    compute : device and number format.
    sum_frames : camera frames added up for each input; a last group of fewer is used too.
    camera : turns ADU into photons; without it the network gets ADU as they are.
    threshold : least probability of a localization; the model's own if not given.
    """

    def __init__(
        self,
        model: ImageModel,
        compute: Compute,
        *,
        sum_frames: int = 1,
        camera: Camera | None = None,
        threshold: float | None = None,
    ) -> None:
        if sum_frames < 1:
            raise ValueError(f"sum_frames must be at least 1, got {sum_frames}.")
        self.model = model.for_inference().to(compute.device, compute.dtype)
        self.upsampling = model.upsampling
        self.compute = compute
        self.sum_frames = sum_frames
        self.camera = camera
        self.threshold = threshold
        self._pixels_per_batch = PIXELS_PER_BATCH.get(compute.device.type, 1 << 20)

    def run(
        self, source: FrameSource, *, window: int | None = None, first_frame: int = 0
    ) -> Iterator[Predicted]:
        """Yield predictions in frame order.

        Parameters
        ----------
        source : the frames.
        window : if given, no batch reaches over a multiple of this many frames.
        first_frame : number of the source's first frame in its stack.
        """
        for inputs in prefetch(self._inputs(source, window)):
            yield self._predict(inputs._replace(first_frame=first_frame + inputs.first_frame))

    # -- reading ---------------------------------------------------------------------------

    def _inputs(self, source: FrameSource, window: int | None) -> Iterator[Inputs]:
        """Sum groups of frames and hand them out in batches."""
        n_frames, _, height, width = source.shape
        per_call = self._pixels_per_batch // (height * width * self.upsampling**2)
        batch_frames = max(1, per_call) * self.sum_frames
        for start in range(0, n_frames, window or n_frames):
            stop = min(n_frames, start + (window or n_frames))
            for first in range(start, stop, batch_frames):
                yield self._summed(source, first, min(stop, first + batch_frames))

    def _summed(self, source: FrameSource, start: int, stop: int) -> Inputs:
        """Sum frames start to stop in groups, reading a bounded number of bytes at a time."""
        _, C, H, W = source.shape
        n_groups = -(-(stop - start) // self.sum_frames)
        summed = np.zeros((n_groups, C, H, W), np.float32)
        per_read = max(1, READ_BYTES // max(1, C * H * W * source.dtype.itemsize))
        n_constant = 0
        for first in range(start, stop, per_read):
            raw = source.read(first, min(stop, first + per_read))
            n_constant += _check_values(raw, first)
            group = np.arange(first - start, first - start + len(raw)) // self.sum_frames
            if self.sum_frames == 1:
                summed[group] = raw
            else:
                starts = np.flatnonzero(np.diff(group, prepend=-1))
                summed[group[starts]] += np.add.reduceat(raw.astype(np.float32), starts, axis=0)
        return Inputs(start, summed, stop - start, n_constant)

    # -- predicting ------------------------------------------------------------------------

    @torch.inference_mode()
    def _predict(self, inputs: Inputs) -> Predicted:
        frames = torch.from_numpy(inputs.frames).to(self.compute.device)
        prepared = self.model.prepare(self._to_photons(frames, inputs))
        _, _, H, W = frames.shape
        r = self.upsampling
        image = torch.zeros(H * r, W * r, device=frames.device)
        found = []
        for tile in _tiles((H, W), self._tile_px(), self.model.tile_step_px, self.model.halo_px):
            for first, part in self._parts(prepared[..., tile.rows, tile.columns]):
                predicted = self.model.to_image(part)
                core = predicted[:, tile.core_rows(r), tile.core_columns(r)]
                image[tile.y * r : tile.y_end * r, tile.x * r : tile.x_end * r] += core.sum(0)
                table = self.model.find_in_image(predicted, self.threshold)
                found.append(self._placed(table, tile, inputs.first_frame, first))
        table = Localizations.concatenate(found).to_numpy()
        return Predicted(
            inputs.first_frame,
            inputs.n_frames,
            inputs.n_constant,
            image.cpu().numpy(),
            table if table.is_sorted else table.sort("frame"),
        )

    def _to_photons(self, frames: Tensor, inputs: Inputs) -> Tensor:
        if self.camera is None:
            return frames
        # A sum of N frames has N baselines; the last group may be of fewer frames.
        counts = np.full(len(frames), self.sum_frames)
        counts[-1] = inputs.n_frames - self.sum_frames * (len(frames) - 1)
        return self.camera.to_photons(
            frames, n_frames=torch.as_tensor(counts, dtype=frames.dtype, device=frames.device)
        )

    def _tile_px(self) -> int:
        """Side of a tile, camera pixels, so that memory stays bounded however large the frame."""
        side = int(PIXELS_PER_TILE**0.5) // self.upsampling
        step = self.model.tile_step_px
        return max(step, side - side % step)

    def _parts(self, prepared: Tensor) -> Iterator[tuple[int, Tensor]]:
        """Predict a batch whole, or in halves if memory runs out: (first index, prediction)."""
        first, size = 0, len(prepared)
        while first < len(prepared):
            try:
                yield first, self.model.predict(prepared[first : first + size])
            except torch.OutOfMemoryError:
                if size == 1:
                    raise
                size = -(-size // 2)
                logger.warning("Out of memory: going on with %d frames at a time.", size)
                torch.cuda.empty_cache()
            else:
                first += size

    def _placed(
        self, table: Localizations, tile: _Tile, first_frame: int, first_input: int
    ) -> Localizations:
        """Keep the molecules of the tile's core and count frames and nm in the stack."""
        pixel = self.model.pixel_size_nm
        x = table.x_nm + tile.columns.start * pixel
        y = table.y_nm + tile.rows.start * pixel
        is_core: Tensor = (x >= tile.x * pixel) & (x < tile.x_end * pixel)
        is_core &= (y >= tile.y * pixel) & (y < tile.y_end * pixel)
        frame = first_frame + (table.frame + first_input) * self.sum_frames
        return table.with_columns(frame=frame, x_nm=x, y_nm=y)[is_core]


class _Tile(NamedTuple):
    """A core [y, y_end) x [x, x_end) and the slices that hold it with its halo, camera pixels."""

    y: int
    y_end: int
    x: int
    x_end: int
    rows: slice
    columns: slice

    def core_rows(self, r: int) -> slice:
        return slice((self.y - self.rows.start) * r, (self.y_end - self.rows.start) * r)

    def core_columns(self, r: int) -> slice:
        return slice((self.x - self.columns.start) * r, (self.x_end - self.columns.start) * r)


def _tiles(shape: tuple[int, int], side: int, step: int, halo: int) -> Iterator[_Tile]:
    halo += -halo % step
    for y in range(0, shape[0], side):
        for x in range(0, shape[1], side):
            y_end, x_end = min(y + side, shape[0]), min(x + side, shape[1])
            rows = slice(max(0, y - halo), min(shape[0], y_end + halo))
            columns = slice(max(0, x - halo), min(shape[1], x_end + halo))
            yield _Tile(y, y_end, x, x_end, rows, columns)


def _check_values(frames: np.ndarray[Any, Any], first: int) -> int:
    """Refuse NaN and Inf; return how many frames have no contrast at all."""
    if frames.dtype.kind == "f":
        is_bad = ~np.isfinite(frames).all(axis=(1, 2, 3))
        if is_bad.any():
            number = first + int(np.flatnonzero(is_bad)[0])
            raise ValueError(f"Frame {number} (counted from 0) holds NaN or infinite values.")
    low, high = frames.min(axis=(1, 2, 3)), frames.max(axis=(1, 2, 3))
    return int((low == high).sum())
