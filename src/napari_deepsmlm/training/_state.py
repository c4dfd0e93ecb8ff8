"""What a run needs to go on exactly where it stopped."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from safetensors.torch import save

from napari_deepsmlm._files import atomic_write
from napari_deepsmlm.models._checkpoint import HEADER_KEY, read_tensors
from napari_deepsmlm.training.record import difference

if TYPE_CHECKING:
    from pathlib import Path

    from napari_deepsmlm.training.trainer import Trainer

COUNTERS = ("step", "seconds", "best_loss", "best_step", "validated_step", "rate_factor")
# What a resumed run may be given anew. The weights to start from are in the state, whatever became
# of their file.
MAY_DIFFER = {
    "start_from",
    "training.steps",
    "training.minutes",
    "training.validate_every",
    "training.patience",
    "training.autosave_minutes",
    "training.precision",
}


def save_state(path: Path, trainer: Trainer) -> None:
    """Write weights, their average, optimiser moments and counters."""
    header = {
        **_whose(trainer),
        "experiment": trainer.card.get("experiment"),
        **{name: getattr(trainer, name) for name in COUNTERS},
    }
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
    before, now = header.get("experiment") or {}, trainer.card.get("experiment") or {}
    found = difference(before, now, MAY_DIFFER)
    if found is not None:
        raise ValueError(
            f"{path}: saved by a run whose {found}, and a run goes on as it began: start another."
        )
    trainer.learner.restore(tensors)
    for name in COUNTERS:
        if name in header:
            setattr(trainer, name, type(getattr(trainer, name))(header[name]))


def _whose(trainer: Trainer) -> dict[str, Any]:
    model = trainer.learner.model
    return {"network": model.name, "config": model.config.model_dump(mode="json")}
