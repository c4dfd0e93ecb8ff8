"""Record of a run: the files of its folder, how far it came, and what it must not replace."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import yaml
from pydantic import Field, ValidationError

from napari_deepsmlm._base import FrozenModel
from napari_deepsmlm._files import atomic_write
from napari_deepsmlm.training.events import Finished, Saved, Started

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from napari_deepsmlm.training.events import Event
    from napari_deepsmlm.training.trainer import Trainer

STATE = "last.state.safetensors"
BEST = "best.safetensors"
LAST = "last.safetensors"
HISTORY = "history.csv"
REPORT = "report.html"
EXPERIMENT = "experiment.yaml"
RECORD = "run.json"
MAX_RECORD_BYTES = 100_000


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
        if path.stat().st_size > MAX_RECORD_BYTES:
            return None
        return RunRecord.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def with_record(events: Iterable[Event], trainer: Trainer) -> Iterator[Event]:
    """Yield the events of a run, its `run.json` and `experiment.yaml` kept up to date on the way.

    They are written before an event is told, so that whoever acts on it finds them.
    """
    for event in events:
        if isinstance(event, Started):
            record = _begun(trainer)
            record.write(trainer.out)
            _write_experiment(trainer)
        elif isinstance(event, Saved):
            record = record.replace(progress=trainer.progress)
            record.write(trainer.out)
        elif isinstance(event, Finished):
            record.replace(progress=trainer.progress, state=event.reason).write(trainer.out)
        yield event


def _begun(trainer: Trainer) -> RunRecord:
    """Return the record of a run that begins, or goes on: then it keeps when it began."""
    before = read_record(trainer.out) if trainer.is_resumed else None
    return RunRecord(
        title=trainer.learner.model.title,
        started=datetime.now() if before is None else before.started,
        progress=trainer.progress,
    )


def _write_experiment(trainer: Trainer) -> None:
    """Write what is trained, of which a resumed run may have changed the length."""
    experiment = trainer.card.get("experiment")
    if experiment is not None:
        with atomic_write(trainer.out / EXPERIMENT) as file:
            file.write(yaml.safe_dump(experiment, sort_keys=False, allow_unicode=True).encode())


def require_run(folder: Path) -> None:
    """Check that a folder holds a run that can go on.

    Raises
    ------
    FileNotFoundError
        One sentence, if it does not.
    """
    if (folder / STATE).is_file():
        return
    record = read_record(folder)
    if record is not None and record.state == "running":
        raise FileNotFoundError(
            f"The run in {folder} ended before its first save, so nothing can be resumed: "
            "start it again without --resume (in Python: resume=True)."
        )
    raise FileNotFoundError(
        f"{folder} holds no training run that can be resumed ({STATE}): leave out --resume (in "
        "Python: resume=True) to begin a run."
    )


def require_no_run(folder: Path) -> None:
    """Check that a new run in a folder replaces no run, no model and nobody's experiment.

    What a run left that died before its first save is no loss.

    Raises
    ------
    FileExistsError
        One sentence, if it would.
    """
    if (folder / STATE).exists():
        raise FileExistsError(f"{folder} holds a training run; resume it or choose another folder.")
    record = read_record(folder)
    if record is not None and record.state == "running":
        return
    for name in (BEST, LAST):
        if (folder / name).exists():
            raise FileExistsError(
                f"{folder} holds a trained model ({name}), which a new run would replace; choose "
                "another folder, or move the model away."
            )
    if record is None and (folder / EXPERIMENT).exists():
        raise FileExistsError(
            f"{folder / EXPERIMENT} is of no run, and one in this folder would replace it: choose "
            "another folder, or another name for that file."
        )


def difference(
    before: dict[str, Any], now: dict[str, Any], may_differ: Iterable[str] = (), within: str = ""
) -> str | None:
    """Return in a few words the first difference of two experiments as plain values, or None.

    What only one of them has, as versions may have it, is none.

    Parameters
    ----------
    may_differ : names that are not compared, as `training.steps`.

    Examples
    --------
    >>> difference({"a": 1, "b": {"c": 2}}, {"a": 1, "b": {"c": 3}})
    'b.c is 2, not 3'
    """
    for name in before:
        place = f"{within}{name}"
        if name not in now or place in may_differ or before[name] == now[name]:
            continue
        if not (isinstance(before[name], dict) and isinstance(now[name], dict)):
            return f"{place} is {_shown(before[name])}, not {_shown(now[name])}"
        found = difference(before[name], now[name], may_differ, f"{place}.")
        if found is not None:
            return found
    return None


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        value = value.get("kind", "given")
    text = "none" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
