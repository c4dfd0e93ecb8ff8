"""`deepsmlm reproduce`: tables and figures of the papers, with our numbers beside theirs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from napari_deepsmlm.cli._console import err, out, print_json, progress, stop_on_ctrl_c
from napari_deepsmlm.cli._options import JsonFlag

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_deepsmlm.reproduction import PaperFigure, Scale


def reproduce(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PAPER[:FIGURE]]...", help="Papers or figures; all if none."),
    ] = None,
    out_folder: Annotated[Path | None, typer.Option("--out", help="Folder for results.")] = None,
    list_only: Annotated[bool, typer.Option("--list", help="Say what there is.")] = False,
    full: Annotated[
        bool, typer.Option("--full", help="As many frames and steps as in the paper: hours, days.")
    ] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Only see that it runs: the numbers mean nothing.")
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    as_json: JsonFlag = False,
) -> None:
    """Make a paper's table or figure from scratch: its numbers beside ours, CSV and picture.

    Seeds are of no training. Small by default, a few minutes each on two cores; what is trained
    is kept in OUT/models, used again, and goes on where it was stopped.
    """
    from napari_deepsmlm.reproduction import Bench, Started, find_figures
    from napari_deepsmlm.reproduction import reproduce as make

    figures = find_figures(names or [])
    if list_only:
        _list(figures, as_json=as_json)
        return
    if quick and full:
        raise ValueError("Give --quick or --full, not both.")
    if out_folder is None:
        raise ValueError("Give --out, the folder for the results, or --list.")
    records: list[dict[str, Any]] = []
    with progress("Reproducing") as show:
        scale: Scale = "tiny" if quick else "full" if full else "small"
        bench = Bench(out_folder / "models", scale, device, tell=show)
        with stop_on_ctrl_c(bench.stop):
            for event in make(figures, out_folder, bench):
                if isinstance(event, Started):
                    err.print(f"{event.figure.key}: {event.figure.title}")
                    continue
                records.append({**event.record, "files": event.files})
                if not as_json:
                    out.print(_table(event.record))
    if as_json:
        print_json({"figures": records, "is_complete": len(records) == len(figures)})
    elif len(records) < len(figures):
        err.print(f"Stopped after {len(records)} of {len(figures)}; the same command goes on.")


def _list(figures: Iterable[PaperFigure], *, as_json: bool) -> None:
    entries = [
        {"name": f.key, "title": f.title, "paper": f.claim, "trains": f.trains} for f in figures
    ]
    if as_json:
        print_json({"figures": entries})
        return
    table = Table("name", "the paper", "trains")
    for entry in entries:
        table.add_row(str(entry["name"]), str(entry["paper"]), "yes" if entry["trains"] else "")
    out.print(table)


def _table(record: dict[str, Any]) -> Table:
    from napari_deepsmlm.reproduction import shown

    table = Table("", "paper", "ours", "unit", title=record["title"])
    for row in record["rows"]:
        table.add_row(
            row["quantity"], shown(row["paper"]), shown(row["ours"], row["instead"]), row["unit"]
        )
    return table
