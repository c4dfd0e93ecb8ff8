"""`deepsmlm drift`: measures how the sample moved, takes it off, or puts it back.

A time-lapse goes the road of `_lapse_drift.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from napari_deepsmlm.cli._console import err, print_warnings
from napari_deepsmlm.cli._lapse_drift import hold_lapse_still, save_measured
from napari_deepsmlm.cli._options import JsonFlag
from napari_deepsmlm.cli._tables import (
    Kind,
    TablePixelSize,
    Unit,
    check_outputs,
    read,
    tell,
    write,
)


def drift(
    table: Annotated[
        Path,
        typer.Argument(
            metavar="TABLE|LAPSE.tif",
            help="Localizations of any program, or a time-lapse that a network drew.",
        ),
    ],
    out_file: Annotated[
        Path,
        typer.Option("--out", help="To write: .csv, .hdf5, .smlm, .parquet; of a time-lapse .tif."),
    ],
    curve: Annotated[
        Path | None,
        typer.Option(
            help="Write the drift curve (frame, x, y, z, error), .csv, and its picture, .png, too."
        ),
    ] = None,
    apply: Annotated[
        Path | None, typer.Option(help="Take off a drift curve from a file instead of measuring.")
    ] = None,
    take_back: Annotated[
        Path | None, typer.Option(help="Put a drift curve from a file back that was taken off.")
    ] = None,
    method: Annotated[
        str,
        typer.Option(
            help="auto (correlation and entropy, the better of both), correlation, entropy, or "
            "fiducials (beads)."
        ),
    ] = "auto",
    segment: Annotated[
        int | None, typer.Option(help="Frames of one piece of time; default: by the molecules.")
    ] = None,
    image: Annotated[
        Path | None,
        typer.Option(help="Of a time-lapse: write the sum of its images, held still, .tif, too."),
    ] = None,
    pixel_size: TablePixelSize = None,
    unit: Unit = None,
    kind: Kind = None,
    as_json: JsonFlag = False,
) -> None:
    """Take off the drift: measured in two ways, with its error and the resolution it brings."""
    from napari_deepsmlm.drift import DriftOptions, read_curve
    from napari_deepsmlm.io import is_image

    if apply is not None and take_back is not None:
        raise ValueError("Give --apply or --take-back, not both.")
    given = apply or take_back
    if given is not None and curve is not None:
        raise ValueError("--curve writes a measured curve: leave it out with --apply.")
    if curve is not None and curve.suffix.lower() != ".csv":
        raise ValueError(f"{curve.name}: drift curves are written as .csv.")
    if is_image(table):
        if method not in ("auto", "correlation") or segment or pixel_size or unit or kind:
            raise ValueError(
                f"{table.name} is a time-lapse, whose images are correlated: --method, --segment, "
                "--pixel-size, --unit and --format are for tables."
            )
        shown = hold_lapse_still(
            table, out_file, curve=curve, image=image, given=given, is_back=take_back is not None
        )
        tell(*shown, as_json)
        return
    if image is not None:
        raise ValueError("--image is of a time-lapse; a table is drawn by deepsmlm render.")
    check_outputs(out_file, curve, source=table)
    values = {"method": method, "segment_frames": segment}
    options = DriftOptions.from_dict(values, source="options")
    molecules, pixel_nm = read(table, pixel_size, unit)
    if given is not None:
        found = read_curve(given)
        moved = found.take_back(molecules) if take_back else found.apply(molecules)
        which = "take_back" if take_back else "apply"
        step = {"kind": "drift", which: str(given.absolute())}
        report: dict[str, Any] = {"curve": str(given), "frames": found.n_frames}
        note = f"Drift of {given.name} {'put back' if take_back else 'taken off'}: {out_file}"
    else:
        moved, report, note = _measured(molecules, options, curve)
        step = {"kind": "drift", **options.model_dump(exclude_none=True)}
        note += f"\nTaken off: {out_file}"
    write(moved, out_file, kind, pixel_nm, source=table, step=step)
    tell(
        {"molecules": len(molecules), **report, "file": str(out_file)},
        note,
        as_json,
        n_read=len(molecules),
    )


def _measured(molecules: Any, options: Any, curve: Path | None) -> tuple[Any, dict[str, Any], str]:
    from napari_deepsmlm.drift import measure_drift

    with err.status("Drift…") as status:
        found = measure_drift(
            molecules, options, progress=lambda what: status.update(f"{escape(what)}…")
        )
    print_warnings(found.remarks)
    report = found.report() | save_measured(found, curve)
    return found.curve.apply(molecules), report, found.sentence()
