"""Sinks: where predictions go, in frame order: into memory, or into files as they come."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from napari_deepsmlm._windows import Windows
from napari_deepsmlm.inference.streams import keep_for_this_stream
from napari_deepsmlm.inference.time_lapse import Lapse
from napari_deepsmlm.io import ImageWriter, LocalizationWriter, read_localizations
from napari_deepsmlm.io.result_files import IMAGE_NAME, TABLE_NAME
from napari_deepsmlm.localizations import Localizations

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from napari_deepsmlm.inference.predicted import Predicted

    Image = np.ndarray[Any, Any]


class MemorySink:
    """Adds images up, one for all frames or one per window, and keeps the molecules.

    Parameters
    ----------
    shape : (rows, columns) of the super-resolved image.
    windows : those of a time-lapse; one image of all frames if not given.
    n_frames : how many frames there will be at most.
    columns : names of the molecules' columns.

    Attributes
    ----------
    folder : where image and table lie as files; None if they are in memory.
    """

    folder: Path | None = None

    def __init__(
        self,
        shape: tuple[int, int],
        *,
        columns: tuple[str, ...],
        windows: Windows | None = None,
        n_frames: int = 1,
    ) -> None:
        self.n_localizations = 0
        self._molecules: float | Tensor = 0.0
        self._shape = shape
        self._windows = windows or Windows(sys.maxsize, sys.maxsize)
        self._is_lapse = windows is not None
        self._n_frames, self._n_done = n_frames, 0
        self._n_images = 0  # that are complete
        self._n_begun = 0
        n_open = min(self._windows.n_at_once, self._windows.count(n_frames))
        self._open = Lapse(n_open, shape)
        """Images that are being added up: window k in place k modulo their number."""
        self._lapse = self._room_for(self._windows.count(n_frames)) if self._is_lapse else None
        self._tables = [Localizations.empty(*columns)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: Any) -> None:
        if kind is None and self._is_lapse:
            # as if the stack ended here, if it was left early
            self._finish_images(self._windows.count(self._n_done))
        self._open.close()
        if self._is_lapse:  # they are kept; what they were added up in is not needed any more
            self._open, self._n_begun = Lapse(1, self._shape), self._n_images
        if self._lapse is not None:
            self._lapse.close()
        # Here, and not in the thread of a window that asks for them.
        self._tables = [Localizations.concatenate(self._tables)]

    def take_report(self, report: dict[str, Any]) -> None:
        """Take the plain report of the run, which an image file holds too."""

    def add(self, predicted: Predicted) -> None:
        """Take one batch; batches come in frame order and none reaches over a window."""
        keep_for_this_stream(predicted.image_on_device)
        windows = self._windows
        for window in windows.around(self._n_done, self._n_frames):
            place = window % len(self._open)
            if window < self._n_begun:
                if not predicted.is_dark:
                    self._open.add(place, predicted.image_on_device)
            else:
                self._open.write(place, predicted.image_on_device)
                self._n_begun = window + 1
        self._n_done += predicted.n_frames
        if self._is_lapse:
            self._finish_images(max(0, (self._n_done - windows.length) // windows.step + 1))
        if not predicted.is_dark:
            light = predicted.image_on_device.sum()
            # Apple's GPUs have no double precision.
            self._molecules = self._molecules + (float(light) if light.is_mps else light.double())
        self.n_localizations += len(predicted.localizations)
        self._keep_table(predicted.localizations)

    @property
    def molecules(self) -> float:
        """Sum of all images."""
        return float(self._molecules)

    def snapshot(self) -> Image:
        """Return a copy of the image so far; of a time-lapse a view of all its images."""
        if self._lapse is None:
            return self.current.copy()
        for window in range(self._n_images, self._n_begun):
            self._lapse.write(window, self._open_image(window))
        return self._lapse.images

    @property
    def current(self) -> Image:
        """The image so far; of a time-lapse that of the window at hand which began first."""
        return self._open_image(max(0, min(self._n_images, self._n_begun - 1)))

    @property
    def image(self) -> Image:
        """(rows, columns), or (windows, rows, columns) of a time-lapse that is finished."""
        return self.current if self._lapse is None else self._lapse.images[: self._n_images]

    @property
    def localizations(self) -> Localizations:
        """All molecules in frame order."""
        return Localizations.concatenate(self._tables)

    def _open_image(self, window: int) -> Image:
        return self._open.image(window % len(self._open))

    def _room_for(self, n_images: int) -> Lapse | None:
        return Lapse(n_images, self._shape)

    def _finish_images(self, n: int) -> None:
        """Keep the first n images, as far as that is not done."""
        while self._n_images < n:
            self._keep_image(self._open_image(self._n_images))
            self._n_images += 1

    def _keep_image(self, image: Image) -> None:
        assert self._lapse is not None  # noqa: S101 - only windows are finished
        self._lapse.write(self._n_images, image)

    def _keep_table(self, table: Localizations) -> None:
        self._tables.append(table)


class FileSink(MemorySink):
    """Writes molecules and time-lapse images as they come, so that memory stays flat.

    The files appear when the `with` block ends without an error; until then older files of those
    names stay as they are.

    Parameters
    ----------
    folder : gets the image and the table of `io.result_files`.
    sr_pixel_nm : pixel of the image, nm.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        *,
        columns: tuple[str, ...],
        windows: Windows | None = None,
        n_frames: int = 1,
        folder: Path,
        sr_pixel_nm: float,
    ) -> None:
        super().__init__(shape, columns=columns, windows=windows, n_frames=n_frames)
        self.folder = folder
        self._report: dict[str, Any] = {}
        self._image_path, self._table_path = folder / IMAGE_NAME, folder / TABLE_NAME
        self._table_writer = LocalizationWriter(self._table_path, columns)
        n_images = None if self._is_lapse else 1
        self._image_writer = ImageWriter(
            self._image_path, pixel_size_nm=sr_pixel_nm, n_images=n_images
        )
        self._open_files = ExitStack()

    def __enter__(self) -> Self:
        self._open_files.enter_context(self._table_writer)
        if self._is_lapse:
            self._open_files.enter_context(self._image_writer)
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: Any) -> None:
        self._image_writer.report = self._report
        try:
            if kind is None and not self._is_lapse:
                self._open_files.enter_context(self._image_writer)
                self._image_writer.append_bands(self._open.bands(0), self._shape)
            super().__exit__(kind, *rest)
        except BaseException as error:
            self._open_files.__exit__(type(error), error, error.__traceback__)
            raise
        self._open_files.__exit__(kind, *rest)

    def take_report(self, report: dict[str, Any]) -> None:
        """Take the plain report of the run, for the image file."""
        self._report = report

    @property
    def image(self) -> Image:
        """The image, or the time-lapse read back from the file."""
        if not self._is_lapse:
            return self.current
        import tifffile

        return np.asarray(tifffile.imread(self._image_path)).reshape(-1, *self._shape)

    @property
    def localizations(self) -> Localizations:
        """Molecules, read back from the file."""
        return read_localizations(self._table_path)

    def snapshot(self) -> Image:
        """Return a copy of the image so far; of a time-lapse that of the window at hand."""
        return self.current.copy()

    def _room_for(self, n_images: int) -> None:
        """None: the images go into the file."""

    def _keep_image(self, image: Image) -> None:
        self._image_writer.append(image)

    def _keep_table(self, table: Localizations) -> None:
        self._table_writer.append(table)
