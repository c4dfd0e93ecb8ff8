"""What a run needs to go on exactly where it stopped, and its history as a table."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

from safetensors.torch import save

from napari_deepsmlm._files import atomic_write
from napari_deepsmlm.models._checkpoint import HEADER_KEY, read_tensors

if TYPE_CHECKING:
    from pathlib import Path

    from napari_deepsmlm.training.trainer import Trainer

COUNTERS = ("step", "seconds", "best_loss", "best_step", "rate_factor")


def save_state(path: Path, trainer: Trainer) -> None:
    """Write weights, their average, optimiser moments and counters."""
    header = {**_whose(trainer), **{name: getattr(trainer, name) for name in COUNTERS}}
    tensors = {n: t.detach().cpu().contiguous() for n, t in trainer.learner.tensors().items()}
    with atomic_write(path) as file:
        file.write(save(tensors, metadata={HEADER_KEY: json.dumps(header)}))


def load_state(path: Path, trainer: Trainer) -> None:
    """Put a trainer into the state that was saved.

    Raises
    ------
    ValueError
        If the file is damaged or belongs to another network or configuration.
    """
    header, tensors = read_tensors(path)
    if any(header.get(key) != value for key, value in _whose(trainer).items()):
        raise ValueError(f"{path}: saved by a run of another network or configuration.")
    trainer.learner.restore(tensors)
    for name in COUNTERS:
        if name in header:
            setattr(trainer, name, type(getattr(trainer, name))(header[name]))


class History:
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
        """Add a row and write the file; columns that older rows lack are empty there."""
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


def _whose(trainer: Trainer) -> dict[str, Any]:
    model = trainer.learner.model
    return {"network": model.name, "config": model.config.model_dump(mode="json")}
