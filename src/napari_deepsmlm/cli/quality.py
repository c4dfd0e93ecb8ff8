"""`deepsmlm quality`: the resolution of a result, and whether it explains the camera's frames.

With `--frames`, also whether the frames are like those that the model was trained on.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from napari_deepsmlm.cli._console import out, print_json, print_warnings
from napari_deepsmlm.cli._options import (
    Axes,
    Baseline,
    CameraName,
    Channel,
    JsonFlag,
    PhotonsPerAdu,
    choose_camera,
)

if TYPE_CHECKING:
    from napari_deepsmlm.evaluation import Quality
    from napari_deepsmlm.io import FrameSource
    from napari_deepsmlm.mismatch import InputSettings, MismatchTable

LABELS = {
    "frc_time_nm": ("Resolution, FRC of time blocks", " nm"),
    "frc_random_nm": ("Resolution, FRC of random halves", " nm"),
    "decorrelation_nm": ("Resolution, decorrelation analysis", " nm"),
    "squirrel_rsp": ("Error map: correlation (RSP)", ""),
    "squirrel_rse": ("Error map: error (RSE)", " (units of the reference)"),
    "squirrel_sigma_nm": ("Error map: blur σ", " nm"),
}
LEVEL_STYLES = {"good": "green", "look closer": "yellow", "poor": "red"}
STYLES = {"inside": "blue", "near": "green", "outside": "yellow", "cannot be told": "dim"}


def quality(
    result: Annotated[
        Path | None, typer.Argument(help="Localizations (.csv), image or time-lapse.")
    ] = None,
    reference: Annotated[
        Path | None, typer.Option(help="Camera frames that it was made from: error map, RSP, RSE.")
    ] = None,
    pixel_size: Annotated[
        float | None,
        typer.Option(
            help="Pixel of the image, nm; for a table: of --reference and --frames. Default: what "
            "the file says."
        ),
    ] = None,
    sr_pixel: Annotated[
        float, typer.Option(help="Tables: pixel of the images that they are drawn as, nm.")
    ] = 10.0,
    blocks: Annotated[
        int, typer.Option(help="Blocks of time that alternate between the halves.")
    ] = 20,
    seed: Annotated[int, typer.Option(help="Of the random halves.")] = 0,
    frames: Annotated[
        Path | None,
        typer.Option(help="Camera frames to hold against what the model was trained on."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="With --frames: network, built-in model or file; default: what report.json beside "
            "the result says, with its camera, pixel size and summed frames."
        ),
    ] = None,
    camera: CameraName = None,
    baseline: Baseline = None,
    photons_per_adu: PhotonsPerAdu = None,
    sum_frames: Annotated[
        int, typer.Option(min=1, help="With --model: camera frames summed per input.")
    ] = 1,
    channel: Channel = None,
    axes: Axes = None,
    out_folder: Annotated[
        Path | None, typer.Option("--out", help="For curves, picture and error map.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Measure resolution (FRC, decorrelation) and, with --reference, the error map (SQUIRREL).

    With --frames, say whether the data are like those that the model was trained on: pixel size,
    PSF width, background, photons, density, signal to noise.
    """
    if result is None and frames is None:
        raise ValueError("Give a result, or --frames with --model.")
    if frames is None and model is not None:
        raise ValueError("--model belongs to --frames: give the camera frames, too.")
    from napari_deepsmlm.evaluation import Quality, conclude
    from napari_deepsmlm.io import is_image, open_frames

    # A mistake in the call is told before anything is measured.
    settings = None
    if frames is not None:
        chosen = choose_camera(camera, baseline, photons_per_adu)
        chosen = None if isinstance(chosen, str) else chosen  # auto: by its noise
        stated: dict[str, Any] = {"camera": chosen, "sum_frames": sum_frames}
        if result is None or not is_image(result):  # of an image the option is its own pixel
            stated["pixel_size_nm"] = pixel_size
        settings = _settings(model, result, stated)
    report: dict[str, Any] = {}
    measured = Quality()
    if result is not None:
        seen = None if reference is None else open_frames(reference, axes=axes, channel=channel)
        measured = _measure(
            result, pixel_size, seen, out_folder, sr_pixel=sr_pixel, blocks=blocks, seed=seed
        )
        report = dict(measured.report())
    table = None
    if frames is not None and settings is not None:
        from napari_deepsmlm.mismatch import compare_with_training

        source = open_frames(frames, axes=axes, channel=channel)
        table = compare_with_training(source, **dict(settings))
        print_warnings(table.problems)
        report["mismatch"] = table.report()
    conclusion = conclude(measured, outside=[] if table is None else table.outside)
    if conclusion is not None:
        report["conclusion"] = conclusion._asdict()
    if as_json:
        print_json(report)
        return
    for name, (label, unit) in LABELS.items():
        if name in report:
            value = report[name]
            shown = "none" if value is None else f"{value:.4g}{unit}"
            out.print(f"{label:36} {shown}", highlight=False, soft_wrap=True)
    if table is not None:
        _print_table(table)
    if conclusion is not None:
        style = LEVEL_STYLES[conclusion.level]
        out.print(f"[{style}]{escape(conclusion.sentence)}[/]", highlight=False, soft_wrap=True)


def _measure(
    result: Path,
    pixel_size: float | None,
    reference: FrameSource | None,
    out_folder: Path | None,
    *,
    sr_pixel: float,
    blocks: int,
    seed: int,
) -> Quality:
    from napari_deepsmlm.evaluation import QualityOptions, quality_files

    values = {"sr_pixel_nm": sr_pixel, "n_blocks": blocks, "seed": seed}
    options = QualityOptions.from_dict(values, source="options")
    found, remarks = quality_files(
        result, options, pixel_size_nm=pixel_size, reference=reference, out=out_folder
    )
    print_warnings(remarks)
    return found


def _settings(model: str | None, result: Path | None, stated: dict[str, Any]) -> InputSettings:
    """Return the settings of the call, or without a model those of the report beside the result."""
    from napari_deepsmlm.io.result_files import REPORT_NAME
    from napari_deepsmlm.mismatch import InputSettings, settings_of

    if model is not None:
        return InputSettings.from_dict({**stated, "model": model}, source="options")
    path = None if result is None else result.parent / REPORT_NAME
    try:
        found = None if path is None else settings_of(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError):
        found = None
    if found is None:
        raise ValueError(
            f"--frames needs --model, or a result with the {REPORT_NAME} of its reconstruction "
            "beside it."
        )
    return found


def _print_table(table: MismatchTable) -> None:
    """Print what was measured, what was trained, and what follows."""
    shown = Table("Frames", "measured", f"{table.model} was trained on", "verdict", box=None)
    for row in table.rows:
        style = STYLES[row.verdict]
        shown.add_row(row.label, row.text, row.trained_text, f"[{style}]{row.verdict}[/]")
    out.print(shown, highlight=False)
    remarks = {row.remark: None for row in table.rows if row.verdict == "outside"}
    remarks |= {f"{r.label}: {r.remark}": None for r in table.rows if r.verdict == "near"}
    remarks |= {row.remark: None for row in table.rows if row.verdict == "cannot be told"}
    for sentence in [*filter(None, [table.depths]), *remarks, *table.scope]:
        if sentence not in table.problems:
            out.print(sentence, highlight=False, markup=False, soft_wrap=True)
