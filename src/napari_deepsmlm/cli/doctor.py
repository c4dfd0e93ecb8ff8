"""`deepsmlm doctor`: what works on this machine."""

from __future__ import annotations

from rich.markup import escape

from napari_deepsmlm.cli._console import NamesTable, out, print_json
from napari_deepsmlm.cli._options import JsonFlag


def doctor(as_json: JsonFlag = False) -> None:
    """Say what works on this machine, and what to do about the rest."""
    from napari_deepsmlm.doctor import examine

    checks = examine()
    if as_json:
        print_json({check.name: check._asdict() for check in checks})
        return
    table = NamesTable("", "what", "found", "what to do", names="what to do", least_width=26)
    for check in checks:
        told = map(escape, (check.name, check.found, check.advice))  # an extra in brackets
        table.add_row("[green]ok[/]" if check.is_ok else "[red]no[/]", *told)
    out.print(table)
