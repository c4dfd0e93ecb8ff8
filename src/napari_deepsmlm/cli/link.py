"""`deepsmlm link`: the rows of a molecule in several frames become one."""

from __future__ import annotations

from typing import Annotated

import typer

from napari_deepsmlm.cli._console import err, print_warnings
from napari_deepsmlm.cli._options import JsonFlag
from napari_deepsmlm.cli._tables import (
    Kind,
    OutTable,
    Table,
    TablePixelSize,
    Unit,
    check_outputs,
    read,
    tell,
    write,
)


def link(
    table: Table,
    out_file: OutTable,
    distance: Annotated[
        float | None,
        typer.Option(help="Largest distance, nm; default: by the measured precision (NeNA)."),
    ] = None,
    dark: Annotated[
        int | None,
        typer.Option(help="Frames that a molecule may be dark in between; default: by the data."),
    ] = None,
    duplicates: Annotated[
        float | None,
        typer.Option(help="Remove rows of one frame that are nearer, nm; the surer one stays."),
    ] = None,
    pixel_size: TablePixelSize = None,
    unit: Unit = None,
    kind: Kind = None,
    as_json: JsonFlag = False,
) -> None:
    """Merge the rows of a molecule over frames; take off drift first."""
    from napari_deepsmlm import linking

    check_outputs(out_file, source=table)
    values = {"distance_nm": distance, "dark_frames": dark, "duplicates_nm": duplicates}
    options = linking.LinkOptions.from_dict(values, source="options")
    molecules, pixel_nm = read(table, pixel_size, unit)
    with err.status("Linking…"):
        found = linking.link(molecules, options)
    print_warnings(found.remarks)
    step = {"kind": "link", "distance_nm": found.distance_nm, "dark_frames": found.dark_frames}
    if duplicates is not None:
        step["duplicates_nm"] = duplicates
    write(found.table, out_file, kind, pixel_nm, source=table, step=step)
    report = {**found.report(), "file": str(out_file)}
    tell(report, f"{found.sentence()} {out_file}", as_json, n_read=len(molecules))
