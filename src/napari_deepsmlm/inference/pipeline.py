"""Pipeline: frames to images and molecules, tile by tile, in bounded memory."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from napari_deepsmlm.inference.inputs import Groups, Inputs, read_inputs
from napari_deepsmlm.inference.prefetch import prefetch
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.models import ImageModel
from napari_deepsmlm.render import rendering_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from torch import Tensor

    from napari_deepsmlm._devices import Compute
    from napari_deepsmlm.camera import Camera
    from napari_deepsmlm.inference.inputs import Ints
    from napari_deepsmlm.io import FrameSource
    from napari_deepsmlm.models import SMLMModel

logger = logging.getLogger(__name__)

# Super-resolution pixels per camera pixel of an image that is drawn from molecules.
DEFAULT_UPSAMPLING = 8
# Pixels of the largest layers (`work_per_px`) that one call of the network works on. A CPU is
# fastest with one 512 x 512 image, whose layers stay in its caches; a GPU would be idle with so
# little.
PIXELS_PER_BATCH = {"cpu": 1 << 18, "cuda": 1 << 24, "mps": 1 << 22}
# A larger frame is cut into tiles of this many: fewer would spend much on their halos.
PIXELS_PER_TILE = 1 << 20
# Decoding looks at neighbours of a pixel and moves a molecule out of it: so much beyond the halo.
DECODING_PX = 2


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
    """Runs a model over a range of frames: every model gives an image and molecules.

    Reading goes ahead in a thread. Frames larger than a tile are cut with a halo as wide as the
    network can see, so that tiles and whole frames predict the same. If memory runs out the batch
    is halved and done again. A model with temporal context gets each frame with its neighbours;
    the first and the last are repeated at the ends of the stack.

    Parameters
    ----------
    model : its `pixel_size_nm` set to that of the data.
    compute : device and number format.
    sum_frames : camera frames added up for each input; a last group of fewer is used too.
    camera : turns ADU into photons; without it the network gets ADU as they are.
    threshold : least probability of a localization; the model's own if not given.
    upsampling : pixels per camera pixel of the image of a model that has none of its own.
    """

    def __init__(
        self,
        model: SMLMModel,
        compute: Compute,
        *,
        sum_frames: int = 1,
        camera: Camera | None = None,
        threshold: float | None = None,
        upsampling: int | None = None,
    ) -> None:
        if sum_frames < 1:
            raise ValueError(f"sum_frames must be at least 1, got {sum_frames}.")
        self.model = model.for_inference().to(compute.device, compute.dtype)
        self.upsampling = upsampling_of(model, upsampling)
        self._rendering = rendering_of(model.columns)
        self.compute = compute
        self.sum_frames = sum_frames
        self.camera = camera
        self.threshold = threshold
        self._pixels_per_batch = PIXELS_PER_BATCH.get(compute.device.type, 1 << 20)

    @property
    def image_origin(self) -> str:
        """Where the image comes from, in words."""
        if isinstance(self.model, ImageModel):
            return "predicted by the network"
        return f"drawn from the localizations: {self._rendering.words}"

    def run(
        self, source: FrameSource, *, frames: range | None = None, window: int | None = None
    ) -> Iterator[Predicted]:
        """Yield predictions in frame order.

        Parameters
        ----------
        source : the stack.
        frames : those to use; all if not given. Neighbours in time come from the whole stack.
        window : if given, no batch reaches over a multiple of this many frames.
        """
        groups = Groups(source.n_frames, frames, sum_frames=self.sum_frames, window=window)
        height, width = source.shape[-2:]
        per_call = self._pixels_per_batch // (height * width * self.model.work_per_px)
        batches = read_inputs(source, groups, max(1, per_call), context=self.model.context)
        for inputs in prefetch(batches):
            yield self._predict(inputs)

    # -- predicting ------------------------------------------------------------------------

    @torch.inference_mode()
    def _predict(self, inputs: Inputs) -> Predicted:
        frames = torch.from_numpy(inputs.frames).to(self.compute.device)
        prepared = self.model.prepare(self._windows(self._to_photons(frames, inputs.counts)))
        H, W = frames.shape[-2:]
        r = self.upsampling
        image = torch.zeros(H * r, W * r, device=frames.device)
        found = []
        halo_px = self.model.halo_px + DECODING_PX
        for tile in _tiles((H, W), self._tile_px(), self.model.tile_step_px, halo_px):
            for first, part in self._parts(prepared[..., tile.rows, tile.columns]):
                table = self._decoded(part, tile, image)
                found.append(self._placed(table, tile, inputs.first_frame, first))
        table = Localizations.concatenate(found)
        if not isinstance(self.model, ImageModel):
            image = self._rendering.draw(table, (H * r, W * r), self.model.pixel_size_nm / r)
        table = table.to_numpy()
        return Predicted(
            inputs.first_frame,
            inputs.n_frames,
            inputs.n_constant,
            image.cpu().numpy(),
            table if table.is_sorted else table.sort("frame"),
        )

    def _decoded(self, prediction: Tensor, tile: _Tile, image: Tensor) -> Localizations:
        """Return the molecules of a tile, and add its core to the image of an image model."""
        if not isinstance(self.model, ImageModel):
            return self.model.to_localizations(prediction, self.threshold)
        r = self.upsampling
        predicted = self.model.to_image(prediction)
        core = predicted[:, tile.core_rows(r), tile.core_columns(r)]
        image[tile.y * r : tile.y_end * r, tile.x * r : tile.x_end * r] += core.sum(0)
        return self.model.find_in_image(predicted, self.threshold)

    def _to_photons(self, frames: Tensor, counts: Ints) -> Tensor:
        if self.camera is None:
            return frames
        n_frames = torch.as_tensor(counts, dtype=frames.dtype, device=frames.device)
        return self.camera.to_photons(frames, n_frames=n_frames)

    def _windows(self, frames: Tensor) -> Tensor:
        """(context + B + context, C, H, W) -> (B, (2 context + 1) C, H, W)."""
        n = len(frames) - 2 * self.model.context
        if n == len(frames):
            return frames
        return torch.cat([frames[k : k + n] for k in range(2 * self.model.context + 1)], 1)

    def _tile_px(self) -> int:
        """Side of a tile, camera pixels, so that memory stays bounded however large the frame."""
        side = int((PIXELS_PER_TILE / self.model.work_per_px) ** 0.5)
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


def upsampling_of(model: SMLMModel, wanted: int | None = None) -> int:
    """Return the super-resolution pixels per camera pixel that a model's image will have.

    Raises
    ------
    ValueError
        If the model has its own and another number is wanted.
    """
    if not isinstance(model, ImageModel):
        return wanted or DEFAULT_UPSAMPLING
    if wanted not in (None, model.upsampling):
        raise ValueError(f"{model.title} has upsampling {model.upsampling}, not {wanted}.")
    return model.upsampling


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
