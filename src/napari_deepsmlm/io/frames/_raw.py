"""Raw movies: frames one behind the other in a file, whose neighbour says their size."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_deepsmlm._base import decode_text
from napari_deepsmlm.io._headers_yaml import read_documents
from napari_deepsmlm.io._storage import ReadOnlyFile
from napari_deepsmlm.io.frames._planes import (
    Frames,
    Opened,
    Shape,
    check_dtype,
    check_shape,
    is_plausible_pixel_size,
)

if TYPE_CHECKING:
    from pathlib import Path

_HEADER_BYTES = 1_000_000
_PICASSO_CAMERA = ("Baseline", "Sensitivity", "Gain", "EM Gain", "Qe", "Quantum Efficiency")


class RawPlanes:
    """Frames (T, C, H, W) stored one behind the other in a file, read by position."""

    def __init__(self, file: ReadOnlyFile, offset: int, shape: Shape, dtype: np.dtype[Any]) -> None:
        self._file = file
        self._offset = offset
        self._stored = dtype
        self.shape = shape
        self.dtype = check_dtype(file.name, dtype)

    def read(self, start: int, stop: int) -> Frames:
        """Return frames start <= t < stop as (stop - start, C, H, W)."""
        frames = np.empty((stop - start, *self.shape[1:]), self._stored)
        frame_bytes = math.prod(self.shape[1:]) * self._stored.itemsize
        buffer = frames.view(np.uint8).reshape(-1).data
        what = f"frames {start}:{stop}"
        self._file.read_into(self._offset + start * frame_bytes, buffer, what)
        return frames.astype(self.dtype, copy=False)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def open_raw(
    file: ReadOnlyFile,
    offset: int,
    shape: Shape,
    dtype: np.dtype[Any],
    allow_truncated: bool,
    **known: Any,
) -> Opened:
    """Open frames that begin at `offset`, as many of them as are complete.

    Parameters
    ----------
    shape : (T, C, H, W) as declared.
    known : what else the file says, see :class:`Opened`.

    Raises
    ------
    ValueError
        If there are fewer frames than declared, unless `allow_truncated`.
    """
    frame_bytes = math.prod(shape[1:]) * dtype.itemsize
    n_complete = max(0, file.size - offset) // frame_bytes
    warnings: tuple[str, ...] = ()
    if n_complete < shape[0]:
        if n_complete == 0 or not allow_truncated:
            raise ValueError(
                f"{file.name}: cut short: {n_complete} of {shape[0]} frames are complete; fetch it "
                f"again, or open frames 0:{n_complete} with allow_truncated=True (--frames "
                f"0:{n_complete})."
            )
        warnings = (f"Only the first {n_complete} of {shape[0]} frames are complete.",)
        shape = (n_complete, *shape[1:])
    elif file.size > offset + shape[0] * frame_bytes:
        warnings = (
            f"The file is longer than its header says: it has room for {n_complete:,} frames of "
            f"{shape[2]} x {shape[3]} pixels, and {shape[0]:,} were read; see whether the header "
            "is that of another movie.",
        )
    return Opened(RawPlanes(file, offset, shape, dtype), warnings=warnings, **known)


# -- Picasso --------------------------------------------------------------------------------


def open_picasso_raw(path: Path, *, allow_truncated: bool) -> Opened:
    """Open a `.raw` movie whose `.yaml` neighbour states its shape (Picasso).

    Raises
    ------
    ValueError
        If the neighbour is missing or incomplete, or the movie is cut short.
    """
    header = _neighbour(path, ".yaml")
    values = _picasso_header(header)
    try:
        t, h, w = (int(values[key]) for key in ("Frames", "Height", "Width"))
        dtype = np.dtype(str(values["Data Type"]))
        dtype = dtype.newbyteorder(">" if values.get("Byte Order") == ">" else "<")
    except (KeyError, TypeError, ValueError):
        raise ValueError(
            f"{header.name}: must state Frames, Height, Width and Data Type as Picasso writes "
            "them; export the movie again."
        ) from None
    shape: Shape = (t, 1, h, w)
    check_shape(path.name, shape)
    size = values.get("Pixelsize", values.get("Camera.Pixelsize"))
    is_size = isinstance(size, int | float) and is_plausible_pixel_size(size)
    camera = values.get("Camera", "")
    return open_raw(
        ReadOnlyFile(path),
        0,
        shape,
        dtype,
        allow_truncated,
        pixel_size_nm=float(size) if is_size else None,  # type: ignore[arg-type]
        pixel_size_origin=header.name if is_size else "",
        camera=camera if isinstance(camera, str) else "",
        camera_settings={word: values[word] for word in _PICASSO_CAMERA if word in values},
    )


def _picasso_header(path: Path) -> dict[str, Any]:
    # Picasso adds one document per processing step; the first describes the movie
    values = next(iter(read_documents(path)), None)
    if not isinstance(values, dict):
        raise ValueError(f"{path.name}: is not a readable YAML file; export the movie again.")
    return values


# -- the .dax of the Zhuang lab ---------------------------------------------------------------


def open_dax(path: Path, *, allow_truncated: bool) -> Opened:
    """Open a `.dax` movie: 16-bit frames, whose `.inf` neighbour states size and byte order.

    "frame dimensions" are width x height, as HAL4000 and storm-analysis have it; older programs
    wrote height first, which only shows where a frame is not square.

    Raises
    ------
    ValueError
        If the neighbour is missing or incomplete, or the movie is cut short.
    """
    header = _neighbour(path, ".inf")
    text = _header_text(header)
    size = re.search(r"frame dimensions\s*=\s*(\d{1,6})\s*x\s*(\d{1,6})", text)
    length = re.search(r"number of frames\s*=\s*(\d{1,9})", text)
    if size is None or length is None:
        raise ValueError(
            f"{header.name}: must state 'frame dimensions = 256 x 256' and 'number of frames = "
            "100' with the movie's own numbers; save the movie again."
        )
    shape: Shape = (int(length[1]), 1, int(size[2]), int(size[1]))
    check_shape(path.name, shape)
    dtype = np.dtype("<u2" if "little endian" in text else ">u2")
    return open_raw(ReadOnlyFile(path), 0, shape, dtype, allow_truncated)


# -- headers ----------------------------------------------------------------------------------


def _neighbour(path: Path, ending: str) -> Path:
    for header in (path.with_suffix(ending), path.with_suffix(ending.upper())):
        if header.is_file():
            return header
    raise ValueError(
        f"{path.name}: a {path.suffix.lower()} movie needs {path.stem}{ending} beside it, which "
        "states its size; copy both, or export the movie as TIFF."
    )


def _header_text(path: Path) -> str:
    if path.stat().st_size > _HEADER_BYTES:
        raise ValueError(f"{path.name}: larger than 1 MB, which is no movie header.")
    return decode_text(path.read_bytes())
