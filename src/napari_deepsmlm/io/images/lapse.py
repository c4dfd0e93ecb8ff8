"""Files of images, told by their ending, and the images of a time-lapse one at a time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from napari_deepsmlm.io.frames.opening import open_frames

if TYPE_CHECKING:
    from collections.abc import Iterator

_ENDINGS = (".tif", ".tiff")


def is_image(path: str | Path) -> bool:
    """Whether a file is an image or a time-lapse, not a table, by its ending."""
    return Path(path).suffix.lower() in _ENDINGS


def require_image_ending(path: str | Path) -> None:
    """Refuse a file to write whose ending is not that of an image.

    Raises
    ------
    ValueError
        One sentence with the ending that there is.
    """
    if not is_image(path):
        raise ValueError(f"{Path(path).name}: images are written as .tif.")


class LapseImages:
    """The images (H, W) of a time-lapse, each read when it is asked for.

    Parameters
    ----------
    path : the file, open until the `with` block ends.

    Examples
    --------
    >>> import tempfile
    >>> from napari_deepsmlm.io import write_image
    >>> path = Path(tempfile.mkdtemp()) / "lapse.tif"
    >>> write_image(path, np.zeros((3, 16, 24)), pixel_size_nm=20)
    >>> with LapseImages(path) as images:
    ...     [image.shape for image in images]
    [(16, 24), (16, 24), (16, 24)]
    """

    def __init__(self, path: str | Path) -> None:
        self._source = open_frames(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._source.close()

    def __len__(self) -> int:
        return self._source.n_frames

    def __getitem__(self, k: int) -> npt.NDArray[Any]:
        return np.asarray(self._source.read(k, k + 1)[0, 0])

    def __iter__(self) -> Iterator[npt.NDArray[Any]]:
        return (self[k] for k in range(len(self)))
