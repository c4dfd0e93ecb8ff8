"""`deepsmlm movie`: a table drawn window by window, or a time-lapse, as a movie file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_deepsmlm._windows import windows_of
from napari_deepsmlm._words import counted
from napari_deepsmlm.cli._options import JsonFlag
from napari_deepsmlm.cli._tables import TablePixelSize, Unit, check_belongings, read, tell

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_deepsmlm._windows import Windows


def movie(
    what: Annotated[
        Path, typer.Argument(metavar="TABLE|LAPSE.tif", help="Localizations, or a time-lapse.")
    ],
    out_file: Annotated[
        Path, typer.Option("--out", help="Movie to write: .gif, .png (animated), or .tif.")
    ],
    window: Annotated[
        int | None, typer.Option(min=1, help="Of a table: frames per image, needed.")
    ] = None,
    step: Annotated[
        int | None, typer.Option(min=1, help="Of a table: frames from one image to the next.")
    ] = None,
    sr_pixel: Annotated[float, typer.Option(help="Of a table: pixel of the image, nm.")] = 20.0,
    kind: Annotated[
        str, typer.Option(help="Of a table: histogram, gaussian or ash.")
    ] = "histogram",
    sigma: Annotated[float | None, typer.Option(help="gaussian: one width for all, nm.")] = None,
    speed: Annotated[int, typer.Option(min=1, max=50, help="Images per second.")] = 10,
    pixel_size: TablePixelSize = None,
    unit: Unit = None,
    as_json: JsonFlag = False,
) -> None:
    """Write a time-lapse as a movie: a GIF, an animated PNG, or images in an OME-TIFF."""
    from napari_deepsmlm.io import ImageWriter, is_image, movie_format, read_report, write_movie

    check_belongings((sigma is not None, "--sigma", kind == "gaussian", "--kind gaussian"))
    report: dict[str, Any] = {"inputs": [str(what)], "file": str(out_file)}
    if not is_image(out_file):
        movie_format(out_file)
    if is_image(what):
        if window is not None or step is not None:
            raise ValueError(f"{what.name} is drawn already: --window and --step are for tables.")
        images = _images_of(what)
        known = read_report(what) or {}
        report |= {name: known[name] for name in ("sr_pixel_nm", "time_lapse") if name in known}
        sr_pixel = float(known.get("sr_pixel_nm", sr_pixel))
    else:
        windows = windows_of(window, step)
        if windows is None:
            raise ValueError("A table is drawn window by window: give --window, in frames.")
        images, frames = _drawn(what, windows, sr_pixel, kind, sigma, pixel_size, unit)
        report |= {"sr_pixel_nm": sr_pixel, "time_lapse": frames}
    if is_image(out_file):
        with ImageWriter(out_file, pixel_size_nm=sr_pixel, report=report) as writer:
            n = sum(1 for _ in map(writer.append, images))
    else:
        n_images = len(report.get("time_lapse", ()))
        how = {"ms_per_image": round(1000 / speed), "n_images": n_images}
        n, top = write_movie(out_file, images, **how)
        report |= {"white": top, "images_per_second": speed}
    tell({**report, "images": n}, f"{counted(n, 'image')}: {out_file}", as_json)


def _images_of(path: Path) -> Iterable[Any]:
    from napari_deepsmlm.io import LapseImages

    with LapseImages(path) as images:
        if len(images) < 2:
            raise ValueError(f"{path.name} holds one image: a movie needs a time-lapse.")
        yield from images


def _drawn(
    path: Path,
    windows: Windows,
    sr_pixel: float,
    kind: str,
    sigma: float | None,
    pixel_size: float | None,
    unit: str | None,
) -> tuple[Iterable[Any], list[list[int]]]:
    """Return the images of a table, and the frames of each."""
    from napari_deepsmlm.localizations import require_molecules
    from napari_deepsmlm.render import RenderOptions, draw_lapse, frames_of_lapse

    values = {"kind": kind, "sr_pixel_nm": sr_pixel, "sigma_nm": sigma}
    options = RenderOptions.from_dict(values, source="options")
    molecules, _ = read(path, pixel_size, unit)
    require_molecules(molecules, "show", path.name)
    frames = [[each.start, each.stop] for each in frames_of_lapse(molecules, windows)]
    return draw_lapse(molecules, windows, options=options), frames
