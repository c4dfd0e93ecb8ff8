"""`deepsmlm simulate`: a stack and its true molecules."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_deepsmlm._words import counted
from napari_deepsmlm.cli._console import err, out, print_json, print_warnings, progress
from napari_deepsmlm.cli._options import JsonFlag, OutFolder

if TYPE_CHECKING:
    from napari_deepsmlm.localizations import Localizations


def simulate(
    config: Annotated[
        str, typer.Argument(help="Experiment: YAML file or name of a preset, as lines-50nm.")
    ],
    out_folder: OutFolder,
    frames: Annotated[
        int | None,
        typer.Option(min=1, help="Number of frames; 100 if not given, or those of --activations."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same stack.")] = 0,
    activations: Annotated[
        Path | None,
        typer.Option(
            help="Table of the molecules of each frame (frame, x, y, z, intensity), as the SMLM "
            "Challenge gives it: shown through CONFIG's PSF and camera."
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Write a simulated stack (uint16 ADU) and its true molecules.

    Presets come with the package; a name that is none is answered with their list.
    """
    from napari_deepsmlm.experiment import STACK_NAME, Experiment
    from napari_deepsmlm.io.result_files import TABLE_NAME
    from napari_deepsmlm.localizations import count_frames

    experiment = Experiment.find(config)
    table = None if activations is None else _activations(activations)
    if frames is None:
        frames = 100 if table is None else count_frames(table)
    with progress("Simulating") as show:
        n_molecules = experiment.write_movie(
            out_folder, frames, seed=seed, activations=table, on_frames=show
        )
    if table is not None and n_molecules < len(table):
        err.print(
            f"{counted(len(table) - n_molecules, 'activation')} of {len(table):,} outside the "
            f"{counted(frames, 'frame')} of {experiment.image_px[0]} x {experiment.image_px[1]} "
            "pixels: not in the truth."
        )
    files = {name: str(out_folder / name) for name in (STACK_NAME, TABLE_NAME)}
    if as_json:
        print_json({"frames": frames, "molecules": n_molecules, "files": files})
    else:
        out.print(
            f"{counted(frames, 'frame')} with {counted(n_molecules, 'molecule')} in {out_folder}"
        )


def _activations(path: Path) -> Localizations:
    """Return the molecules of a table.

    Raises
    ------
    ValueError
        If there are none.
    """
    from napari_deepsmlm.io import read_localizations
    from napari_deepsmlm.localizations import at_known_places, require_molecules

    table, remarks = at_known_places(read_localizations(path))
    print_warnings(remarks)
    require_molecules(table, "show", path.name)
    return table
