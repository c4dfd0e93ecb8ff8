"""Options that commands share, and what the text of an option means."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

JsonFlag = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
OutFolder = Annotated[Path, typer.Option("--out", help="Folder for the results.")]
Stacks = Annotated[list[Path], typer.Argument(help="Stack; several files: one series in time.")]
FramePixelSize = Annotated[
    float | None, typer.Option(help="Camera pixel, nm; default: what the file says.")
]
Channel = Annotated[
    str | None, typer.Option(help="One colour of several: its number, from 1, or its name.")
]
Axes = Annotated[
    str | None,
    typer.Option(help="The file's axes, as TCYX or ZTYX, where it does not name them itself."),
]
CameraName = Annotated[
    str | None,
    typer.Option(help="Camera: a preset, as scmos-qe95, or YAML of a camera or experiment."),
]
CameraChoice = Annotated[
    str | None,
    typer.Option(
        help="auto (default): from the file, from what was entered for such stacks, or from the "
        "noise; none: the numbers (ADU) are photons; or a preset or YAML, as scmos-qe95."
    ),
]
Baseline = Annotated[float | None, typer.Option(help="Instead of --camera: its offset, ADU.")]
PhotonsPerAdu = Annotated[
    float | None, typer.Option(help="Instead of --camera: photons per ADU above --baseline.")
]
Workers = Annotated[
    int | None,
    typer.Option(min=1, help="Processes that share the frames; default: one for each device."),
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Let the workers of this dask scheduler share the frames: tcp://host:8786.",
    ),
]
FrameRange = Annotated[
    str | None, typer.Option(help="A:B, counted from 0, B not included; e.g. 0:500 or 100:.")
]


def read_frame_range(text: str | None) -> tuple[int, int | None]:
    """First frame and the one after the last of A:B; the last may be left open."""
    if text is None:
        return 0, None
    first, colon, last = text.partition(":")
    try:
        start, stop = int(first or 0), int(last) if last else None
    except ValueError:
        colon = ""
    if not colon or start < 0 or (stop or 0) < 0:
        raise ValueError(
            f"--frames takes A:B with whole numbers counted from 0, such as 0:500; got '{text}'."
        )
    return start, stop


def read_region(text: str | None) -> tuple[int, ...] | None:
    """First row and column, and those after the last, of Y0,X0,Y1,X1."""
    if text is None:
        return None
    parts = text.split(",")
    try:
        numbers = tuple(int(part) for part in parts)
    except ValueError:
        numbers = ()
    if len(numbers) != 4:
        raise ValueError(
            f"--region takes Y0,X0,Y1,X1 in whole pixels, such as 0,0,64,128; got '{text}'."
        )
    return numbers


def read_stack_shape(text: str | None, option: str = "--stack-shape") -> tuple[int, int] | None:
    """Rows and columns of ROWSxCOLUMNS."""
    if text is None:
        return None
    sides = text.lower().replace(",", "x").split("x")
    if len(sides) != 2 or not all(side.strip().isdecimal() and int(side) for side in sides):
        raise ValueError(f"{option} takes ROWSxCOLUMNS, such as 64x64; got '{text}'.")
    return int(sides[0]), int(sides[1])


def choose_camera(camera: str | None, baseline: float | None, photons_per_adu: float | None) -> Any:
    """Return the camera of a name, of a file, or of its offset and gain; None if none is given.

    "auto" and "none" come back as they are.
    """
    from napari_deepsmlm.camera import IdealCamera, find_camera

    is_stated = (baseline is not None, photons_per_adu is not None)
    if camera is not None and any(is_stated):
        raise ValueError("Give --camera, or --baseline and --photons-per-adu, not both.")
    if camera is not None:
        return camera if camera in ("auto", "none") else find_camera(camera)
    if baseline is None or photons_per_adu is None:
        if any(is_stated):
            raise ValueError("--baseline and --photons-per-adu belong together; give both.")
        return None
    if not photons_per_adu > 0:
        raise ValueError(f"--photons-per-adu must be above 0, got {photons_per_adu:g}.")
    values = {"baseline": baseline, "gain": 1 / photons_per_adu}
    return IdealCamera.from_dict(values, source="--baseline, --photons-per-adu")
