"""Quality of a file: a table or an image in; numbers, curves, a picture and an error map out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_deepsmlm._files import atomic_write
from napari_deepsmlm.evaluation.quality import (
    Quality,
    QualityOptions,
    frc_of_images,
    frc_of_table,
    image_of_table,
    squirrel_of_image,
    squirrel_of_table,
    summed,
)
from napari_deepsmlm.evaluation.quality_figure import quality_figure
from napari_deepsmlm.io import is_image, open_frames, read_localizations, write_image
from napari_deepsmlm.metrics import decorrelation

if TYPE_CHECKING:
    import pandas as pd

    from napari_deepsmlm.io import FrameSource
    from napari_deepsmlm.metrics import ErrorMap


def quality_files(
    result: str | Path,
    options: QualityOptions | None = None,
    *,
    pixel_size_nm: float | None = None,
    reference: Any = None,
    out: str | Path | None = None,
) -> tuple[Quality, list[str]]:
    """Return the quality of a result, and a sentence for everything that could not be measured.

    Parameters
    ----------
    result : table of localizations, or an image or time-lapse (.tif).
    pixel_size_nm : pixel of the image; with a table: camera pixel of the reference. By default
        what the files say.
    reference : camera frames that the result was made from, for the error map; anything
        `open_frames` takes.
    out : folder for `quality.json`, `frc.csv`, `decorrelation.csv`, `quality.png` and
        `error_map.tif`, of what was measured.

    Raises
    ------
    ValueError, OSError
        One sentence that says which file or number is wrong and what to do.
    """
    options, result = options or QualityOptions(), Path(result)
    measure = _of_image if is_image(result) else _of_table
    frames = None if reference is None else open_frames(reference)
    quality, remarks = measure(result, options, pixel_size_nm, frames)
    if out is not None:
        write_quality(Path(out), quality)
    return quality, remarks


def write_quality(out: Path, quality: Quality) -> list[Path]:
    """Write what was measured to a folder, each file whole or not at all; return the files."""
    written = [out / "quality.json"]
    with atomic_write(written[0]) as file:
        file.write(json.dumps(quality.report(), indent=2).encode())
    for name, table in _curve_tables(quality).items():
        written.append(out / name)
        with atomic_write(written[-1]) as file:
            table.to_csv(file, index=False)
    if quality.squirrel is not None:
        written.append(out / "error_map.tif")
        _write_error_map(written[-1], quality.squirrel, quality.reference_pixel_nm)
    written.append(out / "quality.png")
    figure = quality_figure(quality)
    with atomic_write(written[-1]) as file:
        figure.savefig(file, format="png", dpi=150)
    return written


def _of_table(
    path: Path, options: QualityOptions, pixel_size_nm: float | None, reference: FrameSource | None
) -> tuple[Quality, list[str]]:
    table = read_localizations(path, pixel_size_nm=pixel_size_nm)
    try:
        frc = frc_of_table(table, options)
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from None
    found = decorrelation(image_of_table(table, frc.pixel_nm), frc.pixel_nm)
    quality, remarks = Quality(frc, found), [*frc.remarks, *_sentence(found.problem)]
    if reference is None:
        return quality, remarks
    mean, stated_nm = summed(reference, mean=True), reference.pixel_size_nm
    camera_nm = pixel_size_nm or stated_nm
    if camera_nm is None:
        raise ValueError(f"{reference.name}: states no pixel size; give --pixel-size in nm.")
    compared = squirrel_of_table(table, mean, camera_nm, options.sr_pixel_nm)
    remarks += reference.layout.colours_together("added up to the reference")
    return quality._replace(squirrel=compared, reference_pixel_nm=camera_nm), remarks


def _of_image(
    path: Path, options: QualityOptions, pixel_size_nm: float | None, reference: FrameSource | None
) -> tuple[Quality, list[str]]:
    with open_frames(path) as images:
        pixel_nm = pixel_size_nm or images.pixel_size_nm
        if pixel_nm is None:
            raise ValueError(f"{path.name}: states no pixel size; give --pixel-size in nm.")
        try:
            frc = frc_of_images(images, pixel_nm, options)
            image = summed(images)
            found = decorrelation(image, pixel_nm)
        except ValueError as error:
            raise ValueError(f"{path.name}: {error}") from None
    quality, remarks = Quality(frc, found), [*frc.remarks, *_sentence(found.problem)]
    if reference is None:
        return quality, remarks
    mean, stated_nm = summed(reference, mean=True), reference.pixel_size_nm
    compared, odd = squirrel_of_image(image, pixel_nm, mean, stated_nm)
    odd += reference.layout.colours_together("added up to the reference")
    reference_nm = stated_nm or pixel_nm * image.shape[0] / mean.shape[0]
    return quality._replace(squirrel=compared, reference_pixel_nm=reference_nm), remarks + odd


def _sentence(problem: str) -> list[str]:
    return [f"Decorrelation: {problem}"] if problem else []


def _curve_tables(quality: Quality) -> dict[str, pd.DataFrame]:
    import pandas as pd

    tables = {}
    frc, found = quality.frc, quality.decorrelation
    if frc is not None and frc.time is not None:
        columns = {"frequency_per_nm": frc.time.per_nm}
        for name, curve in (("time", frc.time), ("random", frc.random)):
            if curve is not None:
                columns |= {name: curve.correlation, f"{name}_smoothed": curve.smoothed}
        tables["frc.csv"] = pd.DataFrame(columns)
    if found is not None:
        names = ["image", *(f"high_pass_{i}" for i in range(1, len(found.curves)))]
        curves = dict(zip(names, found.curves, strict=True))
        tables["decorrelation.csv"] = pd.DataFrame({"k": found.cutoff, **curves})
    return tables


def _write_error_map(path: Path, found: ErrorMap, pixel_nm: float | None) -> None:
    report = {"kind": "error map", "rse": found.rse, "rsp": found.rsp, "sigma_px": found.sigma_px}
    error = found.error.astype(np.float32)
    write_image(path, error, pixel_size_nm=pixel_nm or 1.0, report=report)
