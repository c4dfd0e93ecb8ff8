"""`deepsmlm trust`: what speaks for and against a result, on one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_deepsmlm.cli._console import err, out, print_json
from napari_deepsmlm.cli._options import FramePixelSize, JsonFlag, OutFolder


def trust(
    table: Annotated[Path, typer.Argument(help="Localizations of a reconstruction.")],
    frames: Annotated[Path, typer.Option(help="Camera frames that it was made from.")],
    out_folder: OutFolder,
    model: Annotated[
        str | None, typer.Option(help="That made it; default: what report.json beside it says.")
    ] = None,
    pixel_size: FramePixelSize = None,
    as_json: JsonFlag = False,
) -> None:
    """Judge a result: training, camera, image against frames, resolution, counts, precision."""
    from napari_deepsmlm.trust import trust_of, write_trust

    with err.status("Judging…"):
        found = trust_of(table, frames, model=model, pixel_size_nm=pixel_size)
        files = write_trust(out_folder, found)
    if as_json:
        print_json({**found.report(), "files": [str(file) for file in files]})
        return
    out.print(found.sentence(), highlight=False, markup=False, soft_wrap=True)
    for one in found.findings:
        out.print(f"{one.verdict:>14}  {one.name}: {one.sentence}", highlight=False, markup=False)
    out.print(str(files[0]), highlight=False, markup=False, soft_wrap=True)
