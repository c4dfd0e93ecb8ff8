"""Lapse: images that are added up, in memory if they are small, else in a temporary file."""

from __future__ import annotations

import math
import tempfile
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    Image = np.ndarray[Any, Any]

# Images larger than this together go into a file: half a gigabyte is a lot beside the frames, the
# model and napari on a laptop of 8 GB.
MAX_BYTES = 512 << 20
# Bytes of an image in a file that are in memory at once while something is added to it.
BAND_BYTES = 64 << 20


class Lapse:
    """Room for a known number of images, which are written one after the other.

    The file has no name, and vanishes when it is closed and no array looks at it any more. It is
    written to, not mapped for writing: a full disk is an error then, not the end of the process.

    Parameters
    ----------
    n_images : how many there will be at most.
    shape : (rows, columns) of each.

    Examples
    --------
    >>> lapse = Lapse(3, (1, 2))
    >>> lapse.write(0, np.ones((1, 2), np.float32))
    >>> lapse.images.sum(axis=(1, 2))
    array([2., 0., 0.], dtype=float32)
    """

    def __init__(self, n_images: int, shape: tuple[int, int]) -> None:
        whole = (n_images, *shape)
        n_bytes = 4 * math.prod(whole)
        self._file: Any = None
        self.images: Image
        """(n, rows, columns) float32; zero where nothing was written."""
        if n_bytes <= MAX_BYTES:
            self.images = np.zeros(whole, np.float32)
            return
        self._file = tempfile.TemporaryFile(prefix="deepsmlm-", buffering=0)  # noqa: SIM115
        weakref.finalize(self, self._file.close)
        self._file.truncate(n_bytes)
        self.images = np.memmap(self._file, np.float32, "r", shape=whole)

    def write(self, number: int, image: Image) -> None:
        """Set one of the images.

        Raises
        ------
        OSError
            If the disk of temporary files is full.
        """
        if self._file is None:
            self.images[number] = image
            return
        self._write(number, 0, image)

    def add(self, number: int, image: Image) -> None:
        """Add to one of the images."""
        if self._file is None:
            self.images[number] += image
            return
        for rows in self._bands():
            self._write(number, rows.start, self._read(number, rows) + image[rows])

    def bands(self, number: int) -> Iterator[Image]:
        """Yield the rows of one of the images, so that a large one is never in memory whole."""
        if self._file is None:
            yield self.images[number]
            return
        for rows in self._bands():
            yield self._read(number, rows)

    def _bands(self) -> Iterator[slice]:
        _, height, width = self.images.shape
        step = max(1, BAND_BYTES // (4 * width))
        return (slice(row, min(row + step, height)) for row in range(0, height, step))

    def _read(self, number: int, rows: slice) -> Image:
        """Return rows of an image, read and not mapped: mapped ones would count as memory."""
        self._file.seek(self._place(number, rows.start))
        band = np.empty((rows.stop - rows.start, self.images.shape[2]), np.float32)
        view = band.reshape(-1).view(np.uint8).data
        while view:
            view = view[self._file.readinto(view) :]
        return band

    def _write(self, number: int, first_row: int, rows: Image) -> None:
        data = np.ascontiguousarray(rows, np.float32)
        self._file.seek(self._place(number, first_row))
        view = data.reshape(-1).view(np.uint8).data
        while view:
            view = view[self._file.write(view) :]

    def _place(self, number: int, row: int) -> int:
        """Return where a row of an image begins in the file."""
        _, height, width = self.images.shape
        return int(4 * width * (number * height + row))

    def close(self) -> None:
        """Write no more; the images stay as long as somebody looks at them."""
        if self._file is not None:
            self._file.close()
