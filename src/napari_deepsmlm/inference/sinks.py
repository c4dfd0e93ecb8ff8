"""Sinks: where predictions go, in frame order: into memory, or into files as they come."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from napari_deepsmlm.inference.time_lapse import Lapse
from napari_deepsmlm.io import ImageWriter, LocalizationWriter, read_localizations, write_image
from napari_deepsmlm.io.result_files import IMAGE_NAME, TABLE_NAME
from napari_deepsmlm.localizations import Localizations

if TYPE_CHECKING:
    from pathlib import Path

    from napari_deepsmlm.inference.pipeline import Predicted

    Image = np.ndarray[Any, Any]


class MemorySink:
    """Adds images up, one for all frames or one per window, and keeps the molecules.

    Parameters
    ----------
    shape : (rows, columns) of the super-resolved image.
    window : frames per image of a time-lapse; one image of all frames if not given.
    n_images : how many images the time-lapse will have.
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
        window: int | None = None,
        n_images: int = 1,
    ) -> None:
        self.current = np.zeros(shape, np.float32)
        self.n_localizations = 0
        self.molecules = 0.0
        self._window = window
        self._window_frames = 0
        self._n_images = 0  # that are complete
        self._lapse = None if window is None else self._room_for(n_images)
        self._tables = [Localizations.empty(*columns)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: Any) -> None:
        if kind is None and self._window is not None:
            self._finish_image()
        if self._lapse is not None:
            self._lapse.close()
        # Here, and not in the thread of a window that asks for them.
        self._tables = [Localizations.concatenate(self._tables)]

    def take_report(self, report: dict[str, Any]) -> None:
        """Take the plain report of the run, which an image file holds too."""

    def add(self, predicted: Predicted) -> None:
        """Take one batch; batches come in frame order and none reaches over a window."""
        if self._window is not None and self._window_frames >= self._window:
            self._finish_image()
            self.current = np.zeros_like(self.current)
            self._window_frames = 0
        self.current += predicted.image
        self.molecules += float(predicted.image.sum())
        self._window_frames += predicted.n_frames
        self.n_localizations += len(predicted.localizations)
        self._keep_table(predicted.localizations)

    def snapshot(self) -> Image:
        """Return a copy of the image so far; of a time-lapse a view of all its images."""
        if self._lapse is None:
            return self.current.copy()
        if self._window_frames:
            self._lapse.write(self._n_images, self.current)
        return self._lapse.images

    @property
    def image(self) -> Image:
        """(rows, columns), or (windows, rows, columns) of a time-lapse that is finished."""
        return self.current if self._lapse is None else self._lapse.images[: self._n_images]

    @property
    def localizations(self) -> Localizations:
        """All molecules in frame order."""
        return Localizations.concatenate(self._tables)

    def _room_for(self, n_images: int) -> Lapse | None:
        return Lapse(n_images, self.current.shape)

    def _finish_image(self) -> None:
        self._keep_image(self.current)
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
        window: int | None = None,
        n_images: int = 1,
        folder: Path,
        sr_pixel_nm: float,
    ) -> None:
        super().__init__(shape, columns=columns, window=window, n_images=n_images)
        self.folder = folder
        self._report: dict[str, Any] = {}
        self._image_path, self._table_path = folder / IMAGE_NAME, folder / TABLE_NAME
        self._sr_pixel_nm = sr_pixel_nm
        self._table_writer = LocalizationWriter(self._table_path, columns)
        self._image_writer = ImageWriter(self._image_path, pixel_size_nm=sr_pixel_nm)
        self._open_files = ExitStack()

    def __enter__(self) -> Self:
        self._open_files.enter_context(self._table_writer)
        if self._window is not None:
            self._open_files.enter_context(self._image_writer)
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: Any) -> None:
        super().__exit__(kind, *rest)
        self._image_writer.report = self._report
        self._open_files.__exit__(kind, *rest)
        if kind is None and self._window is None:
            pixel_nm = self._sr_pixel_nm
            write_image(self._image_path, self.current, pixel_size_nm=pixel_nm, report=self._report)

    def take_report(self, report: dict[str, Any]) -> None:
        """Take the plain report of the run, for the image file."""
        self._report = report

    @property
    def image(self) -> Image:
        """The image, or the time-lapse read back from the file."""
        if self._window is None:
            return self.current
        import tifffile

        return np.asarray(tifffile.imread(self._image_path)).reshape(-1, *self.current.shape)

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
