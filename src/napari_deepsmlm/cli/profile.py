"""`deepsmlm profile`: how wide a structure is, along a line across it."""

from __future__ import annotations

from functools import reduce
from pathlib import Path
from typing import Annotated, Any

import typer

from napari_deepsmlm.cli._console import out, print_json, print_warnings
from napari_deepsmlm.cli._options import JsonFlag

PROJECTIONS = ("mean", "max", "sum")


def profile(
    image: Annotated[Path, typer.Argument(help="Grey image or stack (.tif).")],
    line: Annotated[
        str,
        typer.Option(help="Y0,X0,Y1,X1 in image pixels; whole numbers are the centres of pixels."),
    ],
    line_unit: Annotated[
        str, typer.Option(help="Unit of --line: px, or nm from the image's outer corner.")
    ] = "px",
    width: Annotated[float, typer.Option(help="Averaged across the line, in image pixels.")] = 1.0,
    model: Annotated[
        str,
        typer.Option(
            help="gauss; two-gauss (distance of two lines); flat (slab); disk (filled cylinder); "
            "ring (hollow cylinder, as a microtubule)."
        ),
    ] = "gauss",
    pixel_size: Annotated[
        float | None, typer.Option(help="Pixel of the image, nm; default: what the file says.")
    ] = None,
    frame: Annotated[int | None, typer.Option(help="Of a stack: one frame, from 0.")] = None,
    plane: Annotated[int | None, typer.Option(help="Of several planes or channels: which.")] = None,
    project: Annotated[
        str | None, typer.Option(help="Of a stack: mean, max or sum of all frames.")
    ] = None,
    out_file: Annotated[
        Path | None, typer.Option("--out", help="CSV of the values along the line, and the curve.")
    ] = None,
    figure: Annotated[
        Path | None, typer.Option(help="Picture of the profile: .png, .svg or .pdf.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Measure the full width at half maximum (nm) along a line, with its 95 % interval."""
    from napari_deepsmlm.profiles import PixelGrid, fit_profile, line_profile
    from napari_deepsmlm.profiles.curves import curve_of
    from napari_deepsmlm.profiles.export import (
        MeasuredLine,
        curves_table,
        save_profile_figure,
        save_table,
        summary,
    )

    curve_of(model)  # says which there are, before anything is read
    ends = _read_line(line)
    if line_unit not in ("px", "nm"):
        raise ValueError(f"--line-unit is px or nm, got '{line_unit}'.")
    pixels, pixel_nm = _read_image(image, pixel_size, frame, plane, project)
    grid = PixelGrid.of_pixels(pixel_nm)
    line_nm = ends if line_unit == "nm" else grid.to_nm(ends)
    measured = line_profile(pixels, line_nm, grid=grid, width_px=width)
    fit = fit_profile(measured, model)  # type: ignore[arg-type] # checked above
    one = MeasuredLine(image.name, "line", measured, fit)
    if out_file is not None:
        save_table(out_file, curves_table([one]))
    if figure is not None:
        save_profile_figure(figure, [one])
    print_warnings(fit.remarks)
    if as_json:
        numbers = {"pixel_size_nm": pixel_nm, "length_nm": measured.length_nm}
        print_json(fit.to_json() | numbers | {"width_averaged_nm": measured.width_nm})
    else:
        out.print(summary(one), highlight=False, soft_wrap=True)


def _read_line(text: str) -> list[list[float]]:
    try:
        y0, x0, y1, x1 = (float(number) for number in text.split(","))
    except ValueError:
        raise ValueError(
            f"--line takes Y0,X0,Y1,X1, four numbers such as 10,12.5,30,40; got '{text}'."
        ) from None
    return [[y0, x0], [y1, x1]]


def _read_image(
    path: Path, pixel_size: float | None, frame: int | None, plane: int | None, project: str | None
) -> tuple[Any, float]:
    """Return one image (rows, columns) of a file, and its pixel, nm."""
    from napari_deepsmlm.io import open_frames

    if project is not None and project not in PROJECTIONS:
        raise ValueError(f"--project is {', '.join(PROJECTIONS)}, got '{project}'.")
    if frame is not None and project is not None:
        raise ValueError("Give --frame or --project, not both.")
    with open_frames(path, pixel_size_nm=pixel_size) as source:
        if source.pixel_size_nm is None:
            raise ValueError(f"{path.name}: states no pixel size; give --pixel-size in nm.")
        n_frames, n_planes = source.shape[:2]
        if frame is None and project is None and n_frames > 1:
            raise ValueError(
                f"{path.name}: holds {n_frames} frames; give --frame 0 to {n_frames - 1}, "
                "or --project mean."
            )
        if plane is None and n_planes > 1:
            raise ValueError(
                f"{path.name}: holds {n_planes} planes; give --plane 0 to {n_planes - 1}."
            )
        _require_in("frame", frame or 0, n_frames)
        _require_in("plane", plane or 0, n_planes)
        if project is None:
            start = frame or 0
            return source.read(start, start + 1)[0, plane or 0], source.pixel_size_nm
        return _projected(source, plane or 0, project), source.pixel_size_nm


def _require_in(name: str, index: int, n: int) -> None:
    if not 0 <= index < n:
        raise ValueError(f"--{name} must be 0 to {n - 1}, got {index}.")


def _projected(source: Any, plane: int, how: str) -> Any:
    """Return mean, maximum or sum over frames, a few of them in memory at a time."""
    import numpy as np

    join = np.maximum if how == "max" else np.add
    planes = (block[:, plane].astype(np.float64) for block in source.chunks(100))
    total = reduce(join, (join.reduce(block) for block in planes))
    return total / source.n_frames if how == "mean" else total
