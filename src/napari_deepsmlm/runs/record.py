"""Runs: the folders of training runs, how far each came, and which can go on."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from pydantic import Field, ValidationError

from napari_deepsmlm._base import FrozenModel
from napari_deepsmlm._files import atomic_write, is_in_use

if TYPE_CHECKING:
    from pathlib import Path

STATE = "last.state.safetensors"
BEST = "best.safetensors"
LAST = "last.safetensors"
HISTORY = "history.csv"
EXPERIMENT = "experiment.yaml"
RECORD = "run.json"
MOST_RECORD_BYTES = 100_000


class RunRecord(FrozenModel):
    """How far a training run came; `run.json` in its folder.

    Examples
    --------
    >>> RunRecord(title="Deep-STORM", progress=0.344, started="2026-11-20T14:00:00").sentence()
    'A run of Deep-STORM from 20 Nov 2026, 14:00, stopped at 34 %.'
    """

    title: str = Field(max_length=200, description="Name of the network, for people.")
    started: datetime = Field(description="When the run began.")
    progress: float = Field(0.0, ge=0, le=1, description="Share of the run at its last save.")
    state: Literal["running", "stopped", "done", "converged"] = Field(
        "running", description="How it ended, `running` also if it died."
    )

    @property
    def is_over(self) -> bool:
        """Whether there is nothing left to train."""
        return self.state in ("done", "converged")

    def sentence(self) -> str:
        """Return what the run is, for a person who may want to go on with it."""
        when = f"{self.started.day} {self.started:%b %Y, %H:%M}"
        return f"A run of {self.title} from {when}, stopped at {100 * self.progress:.0f} %."

    def write(self, folder: Path) -> None:
        """Write it into the folder of the run."""
        with atomic_write(folder / RECORD) as file:
            file.write(json.dumps(self.model_dump(mode="json"), indent=2).encode())


def read_record(folder: Path) -> RunRecord | None:
    """Return the record of a run, None if there is none that can be read."""
    path = folder / RECORD
    try:
        if path.stat().st_size > MOST_RECORD_BYTES:
            return None
        return RunRecord.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def unfinished_runs(parent: Path) -> dict[Path, RunRecord]:
    """Return the runs that can go on and that nobody trains now, the newest first."""
    records = {folder: read_record(folder) for folder in _folders(parent)}
    found = {
        folder: record
        for folder, record in records.items()
        if record is not None
        and not record.is_over
        and (folder / STATE).is_file()
        and (folder / EXPERIMENT).is_file()
        and not is_in_use(folder)
    }
    return dict(sorted(found.items(), key=lambda item: item[1].started.timestamp(), reverse=True))


def trained_models(parent: Path) -> list[Path]:
    """Return the best models of the runs in a folder, the newest first."""
    return [folder / BEST for folder in reversed(_folders(parent)) if (folder / BEST).is_file()]


def new_run_folder(parent: Path, network: str) -> Path:
    """Return a folder that does not exist, named by date and network."""
    name = f"{datetime.now():%Y-%m-%d_%H%M}_{network}"
    folder, number = parent / name, 1
    while folder.exists():
        number += 1
        folder = parent / f"{name}_{number}"
    return folder


def discard(folder: Path) -> None:
    """Forget that a run can go on; its best model, if it has one, stays.

    Raises
    ------
    OSError
        If the files cannot be removed.
    """
    has_model = (folder / BEST).exists()
    for name in (STATE,) if has_model else (STATE, RECORD, EXPERIMENT, LAST, HISTORY):
        (folder / name).unlink(missing_ok=True)
    if not has_model and not any(folder.iterdir()):
        folder.rmdir()


def _folders(parent: Path) -> list[Path]:
    try:
        return sorted(path for path in parent.iterdir() if path.is_dir())
    except OSError:  # not made yet, or not to be read
        return []
