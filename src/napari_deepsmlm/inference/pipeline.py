"""Pipeline: frames to images and molecules, tile by tile, in bounded memory."""

from __future__ import annotations

import copy
import math
from contextlib import closing
from typing import TYPE_CHECKING

import torch

from napari_deepsmlm._devices import free_memory_bytes, kept_memory
from napari_deepsmlm.inference.hot_pixels import HotPixels
from napari_deepsmlm.inference.inputs import Groups, read_inputs
from napari_deepsmlm.inference.light import light_above_background
from napari_deepsmlm.inference.memory import Halves, told_when_full
from napari_deepsmlm.inference.predicted import Predicted, dark_image
from napari_deepsmlm.inference.prefetch import prefetch
from napari_deepsmlm.inference.stopping import Stopped, stoppable_layers
from napari_deepsmlm.inference.streams import done_in_this_stream, in_lanes, on_device
from napari_deepsmlm.inference.tiles import Region, Tile, tiles
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.models import ImageModel
from napari_deepsmlm.render import rendering_of

if TYPE_CHECKING:
    import threading
    from collections.abc import Generator, Iterable, Iterator
    from typing import Self

    from torch import Tensor

    from napari_deepsmlm._devices import Compute
    from napari_deepsmlm.camera import Camera
    from napari_deepsmlm.inference.inputs import Inputs, Ints
    from napari_deepsmlm.inference.streams import Waiting
    from napari_deepsmlm.io import FrameSource
    from napari_deepsmlm.models import SMLMModel

# Super-resolution pixels per camera pixel of an image that is drawn from molecules.
DEFAULT_UPSAMPLING = 8
# Pixels of the largest layers (`work_per_px`) that one call of the network works on. A CPU is
# fastest with few, whose layers stay in its caches and in heaps of threads (`share_one_heap`); a
# GPU would be idle with so little.
PIXELS_PER_BATCH = {"cpu": 1 << 17, "cuda": 1 << 24, "mps": 1 << 22}
# A larger frame is cut into tiles of this many: fewer would spend much on their halos.
PIXELS_PER_TILE = 1 << 20
# Batches at work at once: see `in_lanes`.
LANES = {"cuda": 2}
# Bytes that a network needs for each of these pixels, about, and the share of the free memory it
# may take.
BYTES_PER_PIXEL = 512
SHARE_OF_FREE = 0.5
# Sums of frames that are held at once, in bytes: of large frames a batch may be a small region.
INPUT_BYTES = 64 << 20
# Predictions that wait for whoever uses them; none where an image takes more than so many bytes.
AHEAD = 1
MAX_BYTES_AHEAD = 128 << 20
# Tiles are this much larger than the halo: decoding reads neighbouring pixels, and the position of
# a molecule may lie outside its pixel.
DECODING_PX = 2


class Pipeline:
    """Runs a model over a range of frames: every model gives an image and molecules.

    Reading goes ahead in a thread, and predicting in another while results are used; on a GPU two
    batches are at work at once, so that one's results are read out while the other's network runs.
    Frames larger than a tile are cut with a halo as wide as the network can see, so that tiles and
    whole frames predict the same. Batches and tiles are smaller where little memory is free; if it
    runs out all the same the batch is halved and done again. A model with temporal context gets
    each frame with its neighbours; the first and the last are repeated at the ends of the stack.

    Parameters
    ----------
    model : its `pixel_size_nm` set to that of the data.
    compute : device and number format.
    sum_frames : camera frames added up for each input; a last group of fewer is used too.
    camera : turns ADU into photons; without it the network gets ADU as they are.
    threshold : least probability of a localization; the model's own if not given.
    upsampling : pixels per camera pixel of the image of a model that has none of its own.
    hot_pixels : (plane, row, column) of pixels that are replaced by the median of their neighbours
        in every frame, before anything else.
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
        hot_pixels: Iterable[tuple[int, int, int]] = (),
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
        self.hot_pixels = tuple(hot_pixels)
        self._hot_pixels: HotPixels | None = None
        self._halves = Halves()
        self._n_lanes = LANES.get(compute.device.type, 1)
        self.cut_for(compute.device.type, free_memory_bytes(compute.device))

    @property
    def image_origin(self) -> str:
        """Where the image comes from, in words."""
        if isinstance(self.model, ImageModel):
            return "predicted by the network"
        return f"drawn from the localizations: {self._rendering.words}"

    def run(
        self,
        source: FrameSource,
        *,
        frames: range | None = None,
        window: int | None = None,
        step: int | None = None,
        region: Region | None = None,
        batches: range | None = None,
        stopping: threading.Event | None = None,
    ) -> Generator[Predicted, None, None]:
        """Yield predictions in frame order.

        Parameters
        ----------
        source : the stack.
        frames : those to use; all if not given. Neighbours in time come from the whole stack.
        window : if given, no batch reaches over a multiple of this many frames.
        step : of windows that overlap: no batch reaches over the start or the end of one.
        region : the part of each frame that is wanted; all if not given. What surrounds it is
            seen by the network too, so that it predicts what it would with the whole frame.
        batches : only these, by their numbers; all if not given.
        stopping : once set, the batch at hand is dropped and there are no more.
        """
        groups = self.groups(source, frames=frames, window=window, step=step)
        _, C, H, W = source.shape
        if self.hot_pixels:
            self._hot_pixels = HotPixels(self.hot_pixels, (C, H, W))
        region = region or Region(0, 0, H, W)
        all_inputs = read_inputs(
            source,
            groups,
            self.per_batch(source, region),
            batches=batches,
            context=self.model.context,
            region=region,
            stopping=stopping,
        )
        # The next batch is read while one is predicted, and that while its results are used.
        inputs = prefetch(on_device(all_inputs, self.compute.device), stopping=stopping)
        predictions = self._predictions(inputs, region, stopping)
        image_bytes = 4 * math.prod(region.shape) * self.upsampling**2
        is_large = image_bytes > MAX_BYTES_AHEAD
        try:
            with kept_memory():
                yield from (
                    predictions if is_large else prefetch(predictions, AHEAD, stopping=stopping)
                )
        except Stopped:
            return

    def _predictions(
        self,
        inputs: Generator[Waiting, None, None],
        region: Region,
        stopping: threading.Event | None,
    ) -> Iterator[Predicted]:
        def predicted(waiting: Waiting) -> Predicted:
            with stoppable_layers(stopping), told_when_full(self.compute.device, region.shape):
                return self._predict(waiting, region)

        with closing(inputs):
            yield from in_lanes(predicted, inputs, self._n_lanes, self.compute.device)

    def groups(
        self,
        source: FrameSource,
        *,
        frames: range | None = None,
        window: int | None = None,
        step: int | None = None,
    ) -> Groups:
        """Return the sums of frames that the network will see, in order."""
        return Groups(source.n_frames, frames, sum_frames=self.sum_frames, window=window, step=step)

    def per_batch(self, source: FrameSource, region: Region) -> int:
        """Return how many sums of frames are read and predicted at once."""
        _, C, H, W = source.shape
        height, width = region.shape
        by_work = self._pixels_per_batch // (height * width * self.model.work_per_px)
        return max(1, min(by_work, INPUT_BYTES // (4 * C * H * W)))

    def cut_for(self, kind: str, free_bytes: int) -> None:
        """Cut batches and tiles as a kind of device needs, here or where this will be put `on`."""
        room = int(SHARE_OF_FREE * (free_bytes // LANES.get(kind, 1))) // BYTES_PER_PIXEL
        self._pixels_per_batch = min(PIXELS_PER_BATCH.get(kind, 1 << 20), room)
        self._pixels_per_tile = min(PIXELS_PER_TILE, room)

    def on(self, compute: Compute) -> Self:
        """Return the same on another device, with batches as they are here."""
        other = copy.copy(self)
        other._n_lanes = LANES.get(compute.device.type, 1)
        other.model = copy.deepcopy(self.model).to(compute.device, compute.dtype)
        other.compute = compute
        other._halves = Halves()
        return other

    # -- predicting ------------------------------------------------------------------------

    @torch.inference_mode()
    def _predict(self, waiting: Waiting, region: Region) -> Predicted:
        inputs, frames = waiting.inputs, waiting.arrived()
        if not inputs.has_contrast.any():
            return self._predicted(inputs, region, Localizations.empty(*self.model.columns))
        if self._hot_pixels is not None:
            self._hot_pixels.mend(frames)
        is_alive = torch.from_numpy(inputs.has_contrast).to(self.compute.device)
        photons = self._to_photons(frames, inputs.counts)
        read = self.model.frames_in(self.camera, photons, n_frames=_like(inputs.counts, photons))
        prepared = self.model.prepare(self._windows(read))
        dark = self._dark(photons, inputs.counts)
        image = None
        if isinstance(self.model, ImageModel):
            image = torch.zeros(self._image_shape(region), device=frames.device)
        found = []
        for tile in self._tiles(frames, region):
            core = None if image is None else image[tile.place(region, self.upsampling)]

            def predicted(
                some: slice, tile: Tile = tile, core: Tensor | None = core
            ) -> tuple[int, Localizations]:
                part = self.model.predict(prepared[some, ..., tile.rows, tile.columns])
                table = self._decoded(part, tile, core, is_alive[some])
                # Frames without contrast give nothing: what is predicted of them is noise.
                if not inputs.has_contrast.all():
                    table = table[is_alive[some][table.frame]]
                return some.start, table

            for first, table in self._halves.of(len(prepared), predicted):
                found.append(self._placed(table, tile, inputs.first_frame, first, dark))
        table = Localizations.concatenate(found)
        if image is None and len(table):
            image = self._drawn(table, region)
        return self._predicted(inputs, region, table, image, self._light(photons, region))

    def _predicted(
        self,
        inputs: Inputs,
        region: Region,
        table: Localizations,
        image: Tensor | None = None,
        light: float = 0.0,
    ) -> Predicted:
        """Return what a batch gave; without an image nothing is in it."""
        # One value stands for it then: to add up large images takes longer than networks do.
        dark = dark_image(self._image_shape(region))
        table = table.to_numpy()
        done_in_this_stream(self.compute.device)  # the image is added up in another
        return Predicted(
            inputs.first_frame,
            inputs.n_frames,
            inputs.n_constant,
            inputs.unusable,
            dark if image is None else image,
            table if table.is_sorted else table.sort("frame"),
            n_inputs=len(inputs.has_contrast),
            light=light,
            is_dark=image is None,
        )

    def _image_shape(self, region: Region) -> tuple[int, int]:
        height, width = region.shape
        return height * self.upsampling, width * self.upsampling

    def _light(self, photons: Tensor, region: Region) -> float:
        """Return the light of the inputs' region above its background, neighbours in time apart."""
        context = self.model.context
        rows, columns = slice(region.y, region.y_end), slice(region.x, region.x_end)
        inside = photons[context : len(photons) - context, :, rows, columns]
        return float(light_above_background(inside).sum())

    def _decoded(
        self, prediction: Tensor, tile: Tile, core: Tensor | None, is_alive: Tensor
    ) -> Localizations:
        """Return the molecules of a tile, and add what is predicted to the core of an image.

        Frames without contrast add nothing to the image.
        """
        if core is None or not isinstance(self.model, ImageModel):
            return self.model.to_localizations(prediction, self.threshold)
        predicted = self.model.to_image(prediction)
        table = self.model.find_in_image(predicted, self.threshold)
        # Last, since work that ran out of memory is done again.
        core += predicted[(is_alive, *tile.core(self.upsampling))].sum(0)
        return table

    def _drawn(self, table: Localizations, region: Region) -> Tensor:
        """Return the image of a region with its molecules."""
        pixel = self.model.pixel_size_nm
        inside = table.with_columns(
            x_nm=table.x_nm - region.x * pixel, y_nm=table.y_nm - region.y * pixel
        )
        return self._rendering.draw(inside, self._image_shape(region), pixel / self.upsampling)

    def _to_photons(self, frames: Tensor, counts: Ints) -> Tensor:
        if self.camera is None:
            return frames
        return self.camera.to_photons(frames, n_frames=_like(counts, frames))

    def _windows(self, frames: Tensor) -> Tensor:
        """(context + B + context, C, H, W) -> (B, (2 context + 1) C, H, W)."""
        n = len(frames) - 2 * self.model.context
        if n == len(frames):
            return frames
        return torch.cat([frames[k : k + n] for k in range(2 * self.model.context + 1)], 1)

    def _tiles(self, frames: Tensor, region: Region) -> Iterator[Tile]:
        """Cut tiles so small that memory stays bounded however large the frame."""
        H, W = frames.shape[-2:]
        step = self.model.tile_step_px
        side = int((self._pixels_per_tile / self.model.work_per_px) ** 0.5)
        halo = self.model.halo_px + DECODING_PX
        return tiles((H, W), region, side=max(step, side - side % step), step=step, halo=halo)

    def _dark(self, photons: Tensor, counts: Ints) -> Tensor | None:
        """(B, C, H, W) values of a frame without light, for a model that states a background."""
        if "background" not in self.model.columns:
            return None
        dark = self.model.frames_in(
            self.camera, torch.zeros_like(photons), n_frames=_like(counts, photons)
        )
        return dark[self.model.context : len(dark) - self.model.context]

    def _placed(
        self,
        table: Localizations,
        tile: Tile,
        first_frame: int,
        first_input: int,
        dark: Tensor | None,
    ) -> Localizations:
        """Keep the molecules of the tile's core and count frames and nm in the stack."""
        pixel = self.model.pixel_size_nm
        x = table.x_nm + tile.columns.start * pixel
        y = table.y_nm + tile.rows.start * pixel
        is_core: Tensor = (x >= tile.x * pixel) & (x < tile.x_end * pixel)
        is_core &= (y >= tile.y * pixel) & (y < tile.y_end * pixel)
        frame = first_frame + (table.frame + first_input) * self.sum_frames
        if "photons" in table:
            photons = table["photons"] * self.model.photons_in(self.camera)
            table = table.with_columns(photons=photons)
        if dark is not None:
            row, column = (
                (place / pixel).long().clamp(0, side - 1)
                for place, side in zip((y, x), dark.shape[-2:], strict=True)
            )
            light = table["background"] - dark[table.frame + first_input, 0, row, column]
            light = light.clamp(min=0) * self.model.photons_in(self.camera)
            table = table.with_columns(background=light)
        return table.with_columns(frame=frame, x_nm=x, y_nm=y)[is_core]


def _like(counts: Ints, frames: Tensor) -> Tensor:
    """Return counts as a tensor beside frames."""
    return torch.as_tensor(counts, dtype=frames.dtype, device=frames.device)


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
