"""Writers: image layers as OME-TIFF that keep their pixel size in nm, which napari's own loses."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_deepsmlm.io import StackWriter
from napari_deepsmlm.plugin.layers.world import KEY, nm_per

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK_BYTES = 64 << 20


def write_tiff(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write one image layer, read and written block by block; return the file that was written.

    Parameters
    ----------
    path : ends in .tif, .tiff or .ome.tif.
    data : (Y, X), (T, Y, X) or (T, C, Y, X), also lazy.
    attributes : of the layer, as napari hands them over.

    Raises
    ------
    RuntimeError
        One sentence: the layer is a colour image or a pyramid, or its pixels have no size in nm.
    """
    try:
        _write(Path(path), data, attributes)
    except ValueError as error:  # napari would take it for "no such writer", and say that instead
        raise RuntimeError(str(error)) from None
    return [path]


def _write(path: Path, data: Any, attributes: dict[str, Any]) -> None:
    if attributes.get("rgb") or isinstance(data, list) or data.ndim not in (2, 3, 4):
        raise ValueError(
            f"{path.name}: only grey-level images with axes (Y, X), (T, Y, X) or (T, C, Y, X) are "
            "written with their pixel size; choose another file type for this layer."
        )
    pixel_size_nm = _pixel_size_nm(path.name, attributes)
    n_frames = 1 if data.ndim == 2 else len(data)
    report = attributes.get("metadata", {}).get(KEY)
    with StackWriter(path, pixel_size_nm=pixel_size_nm, n_frames=n_frames, report=report) as writer:
        for block in _blocks(data):
            writer.append(block)


def _blocks(data: Any) -> Iterator[np.ndarray[Any, Any]]:
    """Yield (n, C, Y, X), (n, Y, X) or (Y, X) of a type that OME-TIFF knows."""
    if data.ndim == 2:
        yield _storable(np.asarray(data))
        return
    frame_bytes = int(np.prod(data.shape[1:])) * data.dtype.itemsize
    step = max(1, BLOCK_BYTES // frame_bytes)
    for first in range(0, len(data), step):
        yield _storable(np.asarray(data[first : first + step]))


def _storable(block: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    dtype = {"float16": "float32", "bool": "uint8", "int64": "float64", "uint64": "float64"}
    return block.astype(dtype.get(block.dtype.name, block.dtype.newbyteorder("=")), copy=False)


def _pixel_size_nm(name: str, attributes: dict[str, Any]) -> float:
    """Return the pixel size of a layer; pixels are square here."""
    units = attributes.get("units") or ()
    if not units or not units[-1].is_compatible_with("nm"):
        raise ValueError(
            f"{name}: the layer has no pixel size; enter it in Reconstruct and press Preview, or "
            "set the layer's scale and units (nm), then save again."
        )
    return float(attributes["scale"][-1]) * nm_per(units[-1])
