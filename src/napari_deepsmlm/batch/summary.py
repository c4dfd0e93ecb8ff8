"""Summary: one row for each stack, as a table for spreadsheets."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from napari_deepsmlm._files import atomic_write
from napari_deepsmlm._words import counted

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence
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
    "batch",
)

SUMMARY_WORDS = ",".join(COLUMNS[:-1])
"""What the first line begins with."""


def write_summary(path: Path, rows: Iterable[StackRow], earlier: Container[str] = ()) -> None:
    """Write the table, whole or not at all.

    Parameters
    ----------
    earlier : files of the stacks that this batch was not asked for.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        values = row.model_dump() | {"warnings": " ".join(row.warnings)}
        values["batch"] = "earlier" if row.file in earlier else "this"
        writer.writerow([_cell(values[name]) for name in COLUMNS])
    with atomic_write(path) as file:
        file.write(text.getvalue().encode("utf-8"))


def in_words(rows: Sequence[StackRow], n_skipped: int, *, n_earlier: int = 0) -> str:
    """Return how it stands in one sentence.

    Parameters
    ----------
    n_earlier : stacks of an earlier batch in the folder that this one was not asked for.

    Examples
    --------
    >>> from napari_deepsmlm.batch.record import StackRow
    >>> rows = [StackRow(file=f"{n}.tif", folder=f"{n}", state="done") for n in range(3)]
    >>> in_words(rows, 2), in_words([], 0)
    ('3 stacks: 3 done (2 of them before).', 'No stacks.')
    >>> in_words(rows[:1], 0, n_earlier=2)
    '1 stack: 1 done. The folder holds 2 more stacks of an earlier batch.'
    """
    if not rows:
        return "No stacks."
    names = {"done": "done", "failed": "failed", "stopped": "stopped", "waiting": "still written"}
    names |= {"begun": "not ended", "not begun": "not begun"}
    counts = {state: sum(row.state == state for row in rows) for state in names}
    parts = [f"{counts[state]:,} {word}" for state, word in names.items() if counts[state]]
    if n_skipped:
        parts[0] += f" ({n_skipped:,} of them before)"
    text = f"{counted(len(rows), 'stack')}: {', '.join(parts)}."
    if n_earlier:
        text += f" The folder holds {counted(n_earlier, 'more stack')} of an earlier batch."
    return text


def _cell(value: object) -> object:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in tuple("=+-@") else value
