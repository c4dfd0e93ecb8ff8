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

    import torch

    from napari_deepsmlm.training.trainer import Trainer


def save_state(path: Path, trainer: Trainer) -> None:
    """Write weights, their average, optimiser moments and counters."""
    tensors = {
        **{f"model/{name}": t for name, t in trainer.model.state_dict().items()},
        **{f"average/{name}": t for name, t in trainer.average.state_dict().items()},
        **{
            f"optimizer/{index}/{name}": value
            for index, state in trainer.optimizer.state_dict()["state"].items()
            for name, value in state.items()
        },
    }
    header = {
        "network": trainer.model.name,
        "config": trainer.model.config.model_dump(mode="json"),
        "step": trainer.step,
        "seconds": trainer.seconds,
        "best_loss": trainer.best_loss,
    }
    tensors = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
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
    ours = {
        "network": trainer.model.name,
        "config": trainer.model.config.model_dump(mode="json"),
    }
    if any(header.get(key) != value for key, value in ours.items()):
        raise ValueError(f"{path}: saved by a run of another network or configuration.")
    trainer.model.load_state_dict(_under(tensors, "model"))
    trainer.average.load_state_dict(_under(tensors, "average"))
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in _under(tensors, "optimizer").items():
        index, name = key.split("/")
        state.setdefault(int(index), {})[name] = value
    optimizer = trainer.optimizer.state_dict()
    trainer.optimizer.load_state_dict({**optimizer, "state": state})
    trainer.step = int(header["step"])
    trainer.seconds = float(header["seconds"])
    trainer.best_loss = float(header["best_loss"])


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
        """Add a row and write the file."""
        self.rows.append({name: f"{value:.8g}" for name, value in row.items()})
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=list(self.rows[0]))
        writer.writeheader()
        writer.writerows(self.rows)
        with atomic_write(self.path) as file:
            file.write(text.getvalue().encode())


def _under(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    start = f"{prefix}/"
    return {key.removeprefix(start): t for key, t in tensors.items() if key.startswith(start)}
