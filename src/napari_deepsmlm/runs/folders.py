"""Folders of runs: which can go on, which have a model, where the next one goes."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from napari_deepsmlm._files import is_in_use
from napari_deepsmlm.training.record import (
    BEST,
    EXPERIMENT,
    HISTORY,
    LAST,
    RECORD,
    STATE,
    read_record,
)

if TYPE_CHECKING:
    from pathlib import Path

    from napari_deepsmlm.training.record import RunRecord


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
    # Without its record the model is no longer that of a run that may be begun again.
    for name in (STATE, RECORD) if has_model else (STATE, RECORD, EXPERIMENT, LAST, HISTORY):
        (folder / name).unlink(missing_ok=True)
    if not has_model and not any(folder.iterdir()):
        folder.rmdir()


def _folders(parent: Path) -> list[Path]:
    try:
        return sorted(path for path in parent.iterdir() if path.is_dir())
    except OSError:  # not made yet, or not to be read
        return []
