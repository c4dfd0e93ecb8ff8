"""`deepsmlm estimate`: experiment parameters from raw frames, ready for training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_deepsmlm.cli._console import out, print_json
from napari_deepsmlm.cli._options import (
    Axes,
    Baseline,
    CameraName,
    Channel,
    FramePixelSize,
    FrameRange,
    JsonFlag,
    PhotonsPerAdu,
    Stacks,
    choose_camera,
    read_frame_range,
)


def estimate(
    stack: Stacks,
    pixel_size: FramePixelSize = None,
    camera: CameraName = None,
    baseline: Baseline = None,
    photons_per_adu: PhotonsPerAdu = None,
    frames: FrameRange = None,
    out_file: Annotated[
        Path | None, typer.Option("--out", help="Experiment to write, .yaml, ready to train.")
    ] = None,
    network: Annotated[str, typer.Option(help="Network of that experiment.")] = "deep-storm",
    channel: Channel = None,
    axes: Axes = None,
    as_json: JsonFlag = False,
) -> None:
    """Measure camera, background, PSF width, photons, density and drift of a raw movie.

    Without a camera, gain and offset are read from the noise as far as that goes; what cannot be
    told is said, never guessed.
    """
    from napari_deepsmlm.camera import IdealCamera
    from napari_deepsmlm.estimation import estimate as measure
    from napari_deepsmlm.io import open_frames

    known = choose_camera(camera, baseline, photons_per_adu)
    if known == "none":
        known = IdealCamera(baseline=0.0)
    elif known == "auto":
        known = None
    first, last = read_frame_range(frames)
    source = open_frames(
        stack[0] if len(stack) == 1 else stack,
        pixel_size_nm=pixel_size,
        allow_truncated=frames is not None,
        channel=channel,
        axes=axes,
    )
    found = measure(source.slice(first, last), camera=known)
    if as_json:
        print_json(found.to_json())
    else:
        for sentence in [*source.warnings, *found.sentences]:
            out.print(f"- {sentence}", highlight=False, soft_wrap=True)
    if out_file is not None:
        found.to_experiment(network).to_file(out_file)
        if not as_json:
            out.print(
                f"Wrote {out_file}: deepsmlm train {out_file} --out runs/mine", soft_wrap=True
            )
