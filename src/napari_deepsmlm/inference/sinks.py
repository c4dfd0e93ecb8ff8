"""Sinks: where predictions go, in frame order: into memory, or into files as they come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_deepsmlm.io import ImageWriter, LocalizationWriter, read_localizations, write_image
from napari_deepsmlm.localizations import Localizations

if TYPE_CHECKING:
    from pathlib import Path

    from napari_deepsmlm.inference.pipeline import Predicted

    Image = np.ndarray[Any, Any]

IMAGE_NAME = "reconstruction.tif"
TABLE_NAME = "localizations.csv"


class MemorySink:
    """Adds images up, one for all frames or one per window, and keeps the molecules.

    Parameters
    ----------
    shape : (rows, columns) of the super-resolved image.
    window : frames per image of a time-lapse; one image of all frames if not given.
    """

    def __init__(self, shape: tuple[int, int], window: int | None = None) -> None:
        self.current = np.zeros(shape, np.float32)
        self.n_localizations = 0
        self.molecules = 0.0
        self._window = window
        self._window_frames = 0
        self._images: list[Image] = []
        self._tables: list[Localizations] = []

    def add(self, predicted: Predicted) -> None:
        """Take one batch; batches come in frame order and none reaches over a window."""
        if self._window is not None and self._window_frames >= self._window:
            self._end_window()
        self.current += predicted.image
        self.molecules += float(predicted.image.sum())
        self._window_frames += predicted.n_frames
        self.n_localizations += len(predicted.localizations)
        self._keep_table(predicted.localizations)

    def finish(self, report: dict[str, Any]) -> None:
        """End the last window; `report` goes into what is written."""
        if self._window is not None:
            self._end_window()

    def discard(self) -> None:
        """Give up: leave nothing half-written."""

    @property
    def image(self) -> Image:
        """(rows, columns), or (windows, rows, columns) of a time-lapse that is finished."""
        return self.current if self._window is None else np.stack(self._images)

    @property
    def localizations(self) -> Localizations:
        """All molecules in frame order."""
        return Localizations.concatenate(self._tables)

    def _end_window(self) -> None:
        self._keep_image(self.current)
        self.current = np.zeros_like(self.current)
        self._window_frames = 0

    def _keep_image(self, image: Image) -> None:
        self._images.append(image)

    def _keep_table(self, table: Localizations) -> None:
        self._tables.append(table)


class FileSink(MemorySink):
    """Writes molecules and time-lapse images as they come, so that memory stays flat.

    Parameters
    ----------
    folder : gets `reconstruction.tif` and `localizations.csv`, each atomically at the end.
    sr_pixel_nm : pixel of the image, nm.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        window: int | None = None,
        *,
        folder: Path,
        sr_pixel_nm: float,
    ) -> None:
        super().__init__(shape, window)
        self.folder = folder
        self._sr_pixel_nm = sr_pixel_nm
        self._table_writer = LocalizationWriter(folder / TABLE_NAME)
        self._image_writer = (
            None
            if window is None
            else ImageWriter(folder / IMAGE_NAME, pixel_size_nm=sr_pixel_nm)
        )

    def finish(self, report: dict[str, Any]) -> None:
        """Put both files in their places."""
        super().finish(report)
        self._table_writer.close()
        if self._image_writer is not None:
            self._image_writer.close(report)
        else:
            path = self.folder / IMAGE_NAME
            write_image(path, self.current, pixel_size_nm=self._sr_pixel_nm, report=report)

    def discard(self) -> None:
        """Remove what was begun."""
        self._table_writer.discard()
        if self._image_writer is not None:
            self._image_writer.discard()

    @property
    def localizations(self) -> Localizations:
        """Molecules, read back from the file."""
        return read_localizations(self.folder / TABLE_NAME)

    @property
    def image(self) -> Image:
        """The image, or the time-lapse read back from the file."""
        if self._window is None:
            return self.current
        import tifffile

        return np.asarray(tifffile.imread(self.folder / IMAGE_NAME))

    def _keep_image(self, image: Image) -> None:
        if self._image_writer is not None:
            self._image_writer.append(image)

    def _keep_table(self, table: Localizations) -> None:
        self._table_writer.append(table)
