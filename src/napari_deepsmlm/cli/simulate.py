"""`deepsmlm simulate`: a stack and its true molecules."""

from __future__ import annotations

from typing import Annotated

import typer

from napari_deepsmlm._words import counted
from napari_deepsmlm.cli._console import out, print_json, progress
from napari_deepsmlm.cli._options import JsonFlag, OutFolder


def simulate(
    config: Annotated[
        str, typer.Argument(help="Experiment: YAML file or name of a preset, as lines-50nm.")
    ],
    out_folder: OutFolder,
    frames: Annotated[int, typer.Option(min=1, help="Number of frames.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same stack.")] = 0,
    as_json: JsonFlag = False,
) -> None:
    """Write a simulated stack (uint16 ADU) and its true molecules.

    Presets come with the package; a name that is none is answered with their list.
    """
    from napari_deepsmlm.experiment import STACK_NAME, Experiment
    from napari_deepsmlm.io.result_files import TABLE_NAME

    experiment = Experiment.find(config)
    with progress("Simulating") as show:
        n_molecules = experiment.write_movie(out_folder, frames, seed=seed, on_frames=show)
    files = {name: str(out_folder / name) for name in (STACK_NAME, TABLE_NAME)}
    if as_json:
        print_json({"frames": frames, "molecules": n_molecules, "files": files})
    else:
        out.print(
            f"{counted(frames, 'frame')} with {counted(n_molecules, 'molecule')} in {out_folder}"
        )
