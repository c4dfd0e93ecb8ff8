"""Summary: one row for each stack, as a table for spreadsheets."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from napari_deepsmlm._files import atomic_write
from napari_deepsmlm._words import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from napari_deepsmlm.batch.record import StackRow

SUMMARY_NAME = "summary.csv"
COLUMNS = (
    "file",
    "folder",
    "state",
    "frames",
    "localizations",
    "seconds",
    "camera",
    "model",
    "warnings",
    "error",
)

SUMMARY_WORDS = ",".join(COLUMNS)
"""What the first line is."""


def write_summary(path: Path, rows: Iterable[StackRow]) -> None:
    """Write the table, whole or not at all."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        values = row.model_dump() | {"warnings": " ".join(row.warnings)}
        writer.writerow([_cell(values[name]) for name in COLUMNS])
    with atomic_write(path) as file:
        file.write(text.getvalue().encode("utf-8"))


def in_words(rows: Sequence[StackRow], n_skipped: int) -> str:
    """Return how it stands in one sentence.

    Examples
    --------
    >>> from napari_deepsmlm.batch.record import StackRow
    >>> rows = [StackRow(file=f"{n}.tif", folder=f"{n}", state="done") for n in range(3)]
    >>> in_words(rows, 2), in_words([], 0)
    ('3 stacks: 3 done (2 of them before).', 'No stacks.')
    """
    if not rows:
        return "No stacks."
    names = {"done": "done", "failed": "failed", "stopped": "stopped", "waiting": "still written"}
    names |= {"begun": "not ended"}
    counts = {state: sum(row.state == state for row in rows) for state in names}
    parts = [f"{counts[state]:,} {word}" for state, word in names.items() if counts[state]]
    if n_skipped:
        parts[0] += f" ({n_skipped:,} of them before)"
    return f"{counted(len(rows), 'stack')}: {', '.join(parts)}."


def _cell(value: object) -> object:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in tuple("=+-@") else value
