"""Reading and writing tables at the command line: units asked for, remarks told, history kept."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from napari_deepsmlm.cli._commands import command_line
from napari_deepsmlm.cli._console import err, out, print_json, print_warnings

Table = Annotated[
    Path,
    typer.Argument(
        help="Localizations: .csv, .txt ... of any program, .hdf5, .smlm, .parquet, SMAP .mat."
    ),
]
TablePixelSize = Annotated[
    float | None,
    typer.Option(help="Camera pixel, nm, for tables in pixels; default: what the file says."),
]
Unit = Annotated[
    str | None, typer.Option(help="nm, um or px, for tables whose header has no units.")
]
Kind = Annotated[
    str | None,
    typer.Option(
        "--format",
        help="thunderstorm, challenge, picasso, decode, smlm, parquet; default: by the ending.",
    ),
]
OutTable = Annotated[
    Path, typer.Option("--out", help="Table to write: .csv, .hdf5, .smlm, .parquet.")
]


def read(path: Path, pixel_size: float | None, unit: str | None) -> tuple[Any, float | None]:
    """Return a table, and the camera pixel that it or the caller states."""
    from napari_deepsmlm.io import read_table

    with err.status(f"Reading {escape(path.name)}…"):
        found = read_table(path, pixel_size_nm=pixel_size, unit=unit)
    print_warnings(found.remarks)
    return found.localizations, pixel_size or found.pixel_size_nm


def check_belongings(*belongings: tuple[bool, str, bool, str]) -> None:
    """Refuse options that would be passed over in silence, as what they belong to was not chosen.

    Parameters
    ----------
    belongings : whether an option was given, its name, whether what it belongs to was chosen, and
        how that is chosen.

    Raises
    ------
    ValueError
        One sentence.
    """
    for is_given, option, is_chosen, owner in belongings:
        if is_given and not is_chosen:
            raise ValueError(f"{option} belongs to {owner}: give both, or leave out {option}.")


def check_outputs(main: Path, *others: Path | None, source: Path) -> None:
    """Refuse, before anything is measured, files that would replace each other or the input.

    Raises
    ------
    ValueError, FileExistsError
        One sentence.
    """
    from napari_deepsmlm._files import refuse_to_replace
    from napari_deepsmlm.io import require_table_ending

    require_table_ending(main)
    named = [path for path in (main, *others) if path is not None]
    if len({path.absolute() for path in named}) < len(named):
        raise ValueError(f"{main} is named twice: each output needs a file of its own.")
    for path in named:
        refuse_to_replace(path, [], inputs=[source])


def write(
    table: Any,
    path: Path,
    kind: str | None,
    pixel_nm: float | None,
    *,
    source: Path,
    step: dict[str, Any] | None,
) -> None:
    """Write a table, and beside it how it was made of `source`."""
    from napari_deepsmlm.io import read_history, write_history, write_localizations

    before = read_history(source)
    with err.status(f"Writing {escape(path.name)}…"):
        write_localizations(table, path, kind=kind, pixel_size_nm=pixel_nm)
        write_history(path, before, step, command_line())


def tell(report: dict[str, Any], note: str, as_json: bool, *, n_read: int = 1) -> None:
    """Print the report as JSON, or a sentence.

    Parameters
    ----------
    n_read : molecules of the table that was read; without any, that is all there is to say.
    """
    if not n_read:
        note = f"The table holds no molecules, so there are none in {report['file']}."
    if as_json:
        print_json(report)
    else:
        out.print(note, highlight=False, markup=False, soft_wrap=True)
