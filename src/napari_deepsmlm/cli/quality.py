"""`deepsmlm quality`: the resolution of a result, and whether it explains the camera's frames."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_deepsmlm.cli._console import out, print_json, print_warnings
from napari_deepsmlm.cli._options import JsonFlag

LABELS = {
    "frc_time_nm": ("Resolution, FRC of time blocks", " nm"),
    "frc_random_nm": ("Resolution, FRC of random halves", " nm"),
    "decorrelation_nm": ("Resolution, decorrelation analysis", " nm"),
    "squirrel_rsp": ("Error map: correlation (RSP)", ""),
    "squirrel_rse": ("Error map: error (RSE)", " (units of the reference)"),
    "squirrel_sigma_nm": ("Error map: blur σ", " nm"),
}


def quality(
    result: Annotated[Path, typer.Argument(help="Localizations (.csv), image or time-lapse.")],
    reference: Annotated[
        Path | None, typer.Option(help="Camera frames that it was made from: error map, RSP, RSE.")
    ] = None,
    pixel_size: Annotated[
        float | None,
        typer.Option(
            help="Pixel of the image, nm; for a table: of --reference. Default: what the file says."
        ),
    ] = None,
    sr_pixel: Annotated[
        float, typer.Option(help="Tables: pixel of the images that they are drawn as, nm.")
    ] = 10.0,
    blocks: Annotated[
        int, typer.Option(help="Blocks of time that alternate between the halves.")
    ] = 20,
    seed: Annotated[int, typer.Option(help="Of the random halves.")] = 0,
    out_folder: Annotated[
        Path | None, typer.Option("--out", help="For curves, picture and error map.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Measure resolution (FRC, decorrelation) and, with --reference, the error map (SQUIRREL)."""
    from napari_deepsmlm.quality import QualityOptions, quality_files

    values = {"sr_pixel_nm": sr_pixel, "n_blocks": blocks, "seed": seed}
    options = QualityOptions.from_dict(values, source="options")
    report, remarks = quality_files(
        result, options, pixel_size_nm=pixel_size, reference=reference, out=out_folder
    )
    print_warnings(remarks)
    if as_json:
        print_json(report)
        return
    for name, (label, unit) in LABELS.items():
        if name in report:
            value = report[name]
            shown = "none" if value is None else f"{value:.4g}{unit}"
            out.print(f"{label:36} {shown}", highlight=False, soft_wrap=True)
