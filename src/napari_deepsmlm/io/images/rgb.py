"""Colour images as 8-bit RGB OME-TIFF that ImageJ reads too, pixel size and report inside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_deepsmlm._files import atomic_write
from napari_deepsmlm.io.images._descriptions import NM_PER_CM, handle, imagej_header

if TYPE_CHECKING:
    import numpy.typing as npt


def write_rgb(
    path: str | Path,
    rgb: npt.NDArray[Any],
    *,
    pixel_size_nm: float,
    report: dict[str, Any] | None = None,
) -> None:
    """Write colours from 0 to 1, (Y, X, 3); the file appears whole or not at all.

    Parameters
    ----------
    pixel_size_nm : of this image, nm.
    report : kept as JSON in the description.

    Raises
    ------
    ValueError
        If the image has other axes.
    """
    import tifffile

    if rgb.ndim != 3 or rgb.shape[2] != 3:
        raise ValueError(f"A colour image has axes (Y, X, 3), got shape {rgb.shape}.")
    metadata = {
        "axes": "YXS",
        "PhysicalSizeX": pixel_size_nm,
        "PhysicalSizeXUnit": "nm",
        "PhysicalSizeY": pixel_size_nm,
        "PhysicalSizeYUnit": "nm",
        "Description": json.dumps(report or {}, default=str),
    }
    per_cm = NM_PER_CM / pixel_size_nm
    header = imagej_header((1, 1), pixel_size_nm).encode()
    with atomic_write(path) as file:
        tifffile.imwrite(
            handle(file, Path(path).name),
            np.rint(np.clip(rgb, 0, 1) * 255).astype(np.uint8),
            photometric="rgb",
            ome=True,
            metadata=metadata,
            extratags=[("ImageDescription", 2, None, header, True)],
            resolution=(per_cm, per_cm),
            resolutionunit="CENTIMETER",
            software="napari-deepsmlm",
        )
