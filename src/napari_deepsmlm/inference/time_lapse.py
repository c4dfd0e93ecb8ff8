"""Lapse: images that are added up where they are predicted, or in a temporary file if large."""

from __future__ import annotations

import math
import tempfile
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    Image = np.ndarray[Any, Any]

# Images larger than this together go into a file: half a gigabyte is a lot beside the frames, the
# model and napari on a laptop of 8 GB.
MAX_BYTES = 512 << 20
# Bytes of an image in a file that are in memory at once while something is added to it.
BAND_BYTES = 64 << 20


class Lapse:
    """Room for a known number of images, which are written one after the other.

    Images of a GPU are added up there, and come to the CPU when somebody looks at them. The file
    has no name, and vanishes when it is closed and no array looks at it any more. It is written to,
    not mapped for writing: a full disk is an error then, not the end of the process.

    Parameters
    ----------
    n_images : how many there will be at most.
    shape : (rows, columns) of each.

    Examples
    --------
    >>> lapse = Lapse(3, (1, 2))
    >>> lapse.write(0, torch.ones(1, 2))
    >>> lapse.add(0, torch.ones(1, 2))
    >>> lapse.images.sum(axis=(1, 2))
    array([4., 0., 0.], dtype=float32)
    """

    def __init__(self, n_images: int, shape: tuple[int, int]) -> None:
        whole = (n_images, *shape)
        n_bytes = 4 * math.prod(whole)
        self._file: Any = None
        self._images: Image
        self._sums: dict[int, Tensor] = {}
        """Those that are added up on a GPU, and are newer there."""
        if n_bytes <= MAX_BYTES:
            self._images = np.zeros(whole, np.float32)
            return
        self._file = tempfile.TemporaryFile(prefix="deepsmlm-", buffering=0)  # noqa: SIM115
        weakref.finalize(self, self._file.close)
        self._file.truncate(n_bytes)
        self._images = np.memmap(self._file, np.float32, "r", shape=whole)

    @property
    def images(self) -> Image:
        """(n, rows, columns) float32; zero where nothing was written."""
        for number in list(self._sums):
            self.image(number)
        return self._images

    def image(self, number: int) -> Image:
        """(rows, columns) of one of them."""
        there = self._sums.get(number)
        if there is not None:
            self._images[number] = there.cpu().numpy()
        image: Image = self._images[number]
        return image

    def __len__(self) -> int:
        return len(self._images)

    def write(self, number: int, image: Tensor | Image) -> None:
        """Set one of the images.

        Raises
        ------
        OSError
            If the disk of temporary files is full.
        """
        if self._file is None:
            image = torch.as_tensor(image)
            self._sum_of(number, image.device).copy_(image)
            return
        for rows in self._bands():
            self._write(number, rows.start, _here(image[rows]))

    def add(self, number: int, image: Tensor) -> None:
        """Add to one of the images."""
        if self._file is None:
            there = self._sum_of(number, image.device)
            there.add_(image.to(there.device))
            return
        for rows in self._bands():
            self._write(number, rows.start, self._read(number, rows) + _here(image[rows]))

    def _sum_of(self, number: int, device: torch.device) -> Tensor:
        """Return an image on a device, to be changed there: on the CPU the image itself.

        So it is where the device has no room.
        """
        there = self._sums.get(number)
        if there is not None and there.device == device:
            return there
        here = torch.from_numpy(self.image(number))
        self._sums.pop(number, None)
        if device.type == "cpu":
            return here
        try:
            self._sums[number] = here.to(device)
        except torch.OutOfMemoryError:
            return here
        return self._sums[number]

    def bands(self, number: int) -> Iterator[Image]:
        """Yield the rows of one of the images, so that a large one is never in memory whole."""
        if self._file is None:
            yield self.image(number)
            return
        for rows in self._bands():
            yield self._read(number, rows)

    def _bands(self) -> Iterator[slice]:
        _, height, width = self._images.shape
        step = max(1, BAND_BYTES // (4 * width))
        return (slice(row, min(row + step, height)) for row in range(0, height, step))

    def _read(self, number: int, rows: slice) -> Image:
        """Return rows of an image, read and not mapped: mapped ones would count as memory."""
        self._file.seek(self._place(number, rows.start))
        band = np.empty((rows.stop - rows.start, self._images.shape[2]), np.float32)
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
        _, height, width = self._images.shape
        return int(4 * width * (number * height + row))

    def close(self) -> None:
        """Write no more; the images stay as long as somebody looks at them."""
        self._images = self.images
        self._sums.clear()
        if self._file is not None:
            self._file.close()


def _here(rows: Tensor | Image) -> Image:
    """Return rows of an image on the CPU."""
    return rows if isinstance(rows, np.ndarray) else rows.cpu().numpy()
