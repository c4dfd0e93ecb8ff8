"""`deepsmlm calibrate`: a PSF from bead z-stacks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_deepsmlm.cli._console import out, print_json, print_warnings
from napari_deepsmlm.cli._options import Axes, Channel, FramePixelSize, JsonFlag


def calibrate(
    beads: Annotated[
        list[Path], typer.Argument(help="Bead z-stacks; the beads of all files are averaged.")
    ],
    z_step: Annotated[float, typer.Option(help="Distance between two images, nm.")],
    out_file: Annotated[Path, typer.Option("--out", help="PSF to write, .safetensors.")],
    pixel_size: FramePixelSize = None,
    planes: Annotated[
        int, typer.Option(min=1, help="Every N files, in this order, are the planes of a stack.")
    ] = 1,
    window: Annotated[int, typer.Option(help="Side of the PSF, camera pixels, odd.")] = 25,
    optics: Annotated[
        str | None,
        typer.Option(help="Fit Zernike coefficients: a pupil preset, as tetrapod-3um, or a file."),
    ] = None,
    channel: Channel = None,
    axes: Axes = None,
    as_json: JsonFlag = False,
) -> None:
    """Make a PSF from bead z-stacks, with its fit (.yaml) and a picture (.png) beside it."""
    from napari_deepsmlm.calibration.files import calibrate_files

    report = calibrate_files(
        beads,
        out_file,
        z_step_nm=z_step,
        pixel_size_nm=pixel_size,
        n_planes=planes,
        window_px=window,
        optics=optics,
        channel=channel,
        axes=axes,
    )
    print_warnings(report["warnings"])
    if as_json:
        print_json(report)
        return
    low, high = report["z_range_nm"]
    plane = report["planes"][0]
    out.print(
        f"Beads: {report['n_beads']}; planes: {report['n_planes']}; "
        f"z from {low:.0f} to {high:.0f} nm; "
        f"in focus σ x {plane['sigma_x_nm']:.0f} nm and σ y {plane['sigma_y_nm']:.0f} nm.",
        soft_wrap=True,
    )
    for name, path in report["files"].items():
        out.print(f"  {name:8} {path}", highlight=False, soft_wrap=True)
