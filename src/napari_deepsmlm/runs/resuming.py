"""Resuming: the experiment that a folder goes on with, and whether another one is the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_deepsmlm.training.record import EXPERIMENT, difference, require_run

if TYPE_CHECKING:
    from pathlib import Path

    from napari_deepsmlm.experiment import Experiment

LENGTH = {"training.steps", "training.minutes"}


def experiment_of_run(folder: Path) -> Experiment:
    """Return what the run in a folder goes on with.

    Raises
    ------
    FileNotFoundError
        If there is no run that can go on, or it does not say of what.
    ValueError
        If its `experiment.yaml` cannot be used.
    """
    from napari_deepsmlm.experiment import Experiment

    require_run(folder)
    path = folder / EXPERIMENT
    if not path.is_file():
        raise FileNotFoundError(f"The run in {folder} has no {EXPERIMENT}, so give its experiment.")
    return Experiment.from_file(path)


def require_same(run: Experiment, given: Experiment, *, source: str) -> None:
    """Check that an experiment is that of a run, but for its length.

    One that names no model to start from may go on with a run that began with one.

    Parameters
    ----------
    source : where `given` came from, for the sentence.

    Raises
    ------
    ValueError
        One sentence with the first difference.
    """
    may_differ = LENGTH if given.start_from else LENGTH | {"start_from"}
    found = difference(_plain(run), _plain(given), may_differ)
    if found is not None:
        raise ValueError(
            f"{source} is not what the run was begun with, whose {found}: leave it out to go on, "
            "or start another run in another folder."
        )


def _plain(experiment: Experiment) -> dict[str, Any]:
    """Return all values, those of the network included that the experiment leaves to it."""
    network = experiment.network_config().model_dump(mode="json")
    return {**experiment.model_dump(mode="json"), "model": network}
