"""History of a run as a table: a row per validation, and the means of the steps in between."""

from __future__ import annotations

import csv
import io
import math
from typing import TYPE_CHECKING, Any

from napari_deepsmlm._files import atomic_write

if TYPE_CHECKING:
    from pathlib import Path


class HistoryTable:
    """`history.csv`: one row per validation, rewritten whole so that it is never half a row."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, Any]] = []
        if path.exists():
            with path.open(newline="", encoding="utf-8") as file:
                self.rows = [dict(row) for row in csv.DictReader(file)]

    def cut(self, step: int) -> None:
        """Forget rows after a step: a resumed run writes them again."""
        self.rows = [row for row in self.rows if int(row["step"]) <= step]

    def append(self, **row: float) -> None:
        """Add a row, instead of one of the same step if a killed run left it, and write the file.

        Columns that older rows lack are empty there.
        """
        self.cut(int(row["step"]) - 1)
        self.rows.append({name: f"{value:.8g}" for name, value in row.items()})
        names = list(dict.fromkeys(name for row in self.rows for name in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=names, restval="nan")
        writer.writeheader()
        writer.writerows(self.rows)
        with atomic_write(self.path) as file:
            file.write(text.getvalue().encode())

    def column(self, name: str) -> list[float]:
        """Return a column's numbers, NaN where a row has none."""
        return [float(row.get(name) or "nan") for row in self.rows]


class Means:
    """Means over the steps since the last validation."""

    def __init__(self) -> None:
        self.n, self.loss, self.seconds, self.waited = 0, 0.0, 0.0, 0.0

    def add(self, loss: float, seconds: float, waited: float) -> None:
        """Count one step in."""
        self.n += 1
        self.loss += loss
        self.seconds += seconds
        self.waited += waited

    def values(self) -> dict[str, float]:
        """Return them as columns of the history; NaN if there was no step."""
        if self.n == 0:
            return {"training_loss": math.nan, "steps_per_s": math.nan, "share_waiting": math.nan}
        return {
            "training_loss": self.loss / self.n,
            "steps_per_s": self.n / self.seconds,
            "share_waiting": self.waited / self.seconds,
        }
