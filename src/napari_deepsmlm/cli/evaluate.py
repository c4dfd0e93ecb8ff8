"""`deepsmlm evaluate`: a prediction against true molecules."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from napari_deepsmlm.cli._console import out, print_json, print_warnings
from napari_deepsmlm.cli._options import JsonFlag, read_stack_shape


def evaluate(
    prediction: Annotated[Path, typer.Argument(help="Image (.tif) or localizations (.csv).")],
    truth: Annotated[Path, typer.Option(help="True molecules (.csv); for an image also a .tif.")],
    pixel_size: Annotated[
        float | None,
        typer.Option(help="Pixel of the image or of --stack-shape, nm; default: what a file says."),
    ] = None,
    blur: Annotated[
        float, typer.Option(help="Images: blur both by this sigma, in image pixels.")
    ] = 0.0,
    tolerance: Annotated[float, typer.Option(help="Localizations: lateral tolerance, nm.")] = 250.0,
    axial_tolerance: Annotated[
        float, typer.Option(help="Localizations: axial tolerance, nm.")
    ] = 500.0,
    min_photons: Annotated[
        float, typer.Option(help="True molecules with as many photons or fewer do not count.")
    ] = 0.0,
    border: Annotated[
        float, typer.Option(help="Leave out molecules this near to the border, nm.")
    ] = 0.0,
    stack_shape: Annotated[
        str | None, typer.Option(help="Frames as ROWSxCOLUMNS; default: box around the truth.")
    ] = None,
    method: Annotated[str, typer.Option(help="Matching: greedy (the challenge), optimal.")] = (
        "greedy"
    ),
    all_frames: Annotated[
        bool,
        typer.Option(
            "--all-frames",
            help="Count the whole truth, also of frames and places that were not reconstructed.",
        ),
    ] = False,
    by: Annotated[str | None, typer.Option(help="Scores by frame, density or z, in --out.")] = None,
    out_folder: Annotated[Path | None, typer.Option("--out", help="For table and plot.")] = None,
    experiment: Annotated[
        str | None, typer.Option(help="File or preset of the frames: bounds of the error in --out.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Compare a prediction with true molecules: NMSE of images, Jaccard and RMSE of tables."""
    from napari_deepsmlm.evaluation.against_truth import EvaluateOptions, evaluate_files
    from napari_deepsmlm.experiment import Experiment

    values = {
        "pixel_size_nm": pixel_size,
        "blur_sigma_px": blur,
        "lateral_nm": tolerance,
        "axial_nm": axial_tolerance,
        "least_photons": min_photons,
        "border_nm": border,
        "stack_shape": read_stack_shape(stack_shape),
        "method": method,
        "all_frames": all_frames,
        "by": by,
    }
    options = EvaluateOptions.from_dict(values, source="options")
    known = None if experiment is None else Experiment.find(experiment)
    optics = None if known is None else (known.psf, known.camera)
    scores, remarks = evaluate_files(prediction, truth, options, out=out_folder, optics=optics)
    print_warnings(remarks)
    if as_json:
        print_json({k: value if math.isfinite(value) else None for k, value in scores.items()})
        return
    table = Table("measure", "value")
    for name, value in scores.items():
        table.add_row(name, str(value) if isinstance(value, int) else f"{value:.4g}")
    out.print(table)
