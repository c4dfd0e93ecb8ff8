"""The experiment that was used last: as much of it as is still of use."""

from __future__ import annotations

from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from napari_deepsmlm.plugin.forms.kept_form import KeptPart
from napari_deepsmlm.plugin.library.choices import ModelChoice

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_deepsmlm.experiment import Experiment
    from napari_deepsmlm.plugin.experiment.form import ExperimentForm

LAST_USED = "last used"
EXPERIMENT = "experiment"
MAX_FAULTS = 100
DOUBTFUL = ("psf", "camera", "experimental", "model", "network")
"""What may be at fault where an error names no place: files that are gone, parts at odds."""


def experiment_editor(
    form: ExperimentForm, read: Callable[[], Experiment], changed: Any
) -> dict[str, KeptPart]:
    """Return a form, which shows the default now, as an editor of whole experiments."""
    default = read()

    def write(experiment: Experiment) -> None:
        form.show_experiment(experiment, "" if experiment == default else LAST_USED)

    return {EXPERIMENT: KeptPart("Experiment", form.source_box.native, read, write, changed)}


def prepare_experiment(values: dict[str, Any]) -> dict[str, Any]:
    """Return kept values, the experiment among them made of its plain values and files."""
    kept = values.get(EXPERIMENT)
    rest = {name: value for name, value in values.items() if name != EXPERIMENT}
    experiment = usable_experiment(kept) if isinstance(kept, dict) else None
    return rest if experiment is None else {**rest, EXPERIMENT: experiment}


def usable_experiment(values: dict[str, Any]) -> Experiment | None:
    """Return an experiment of those plain values that can be used, None if none can.

    A value may be of another version of the plugin, or name a network or a file that is gone.
    """
    from napari_deepsmlm.experiment import Experiment

    for _ in range(MAX_FAULTS):
        if not values:
            break
        try:
            return _without_lost_model(Experiment.model_validate(values))
        except ValidationError as error:
            places = [fault["loc"] for fault in error.errors(include_url=False)]
        except OSError:
            places = []
        smaller = reduce(_without, places, values)
        values = smaller if smaller != values else _without_doubtful(values)
    return None


def _without(values: dict[str, Any], place: Sequence[int | str]) -> dict[str, Any]:
    """Return values without what lies deepest on the way to a place, which may name types too."""
    for depth, part in enumerate(place):
        if part not in values:
            continue
        inner, rest = values[str(part)], place[depth + 1 :]
        if isinstance(inner, dict) and any(name in inner for name in rest):
            return {**values, str(part): _without(inner, rest)}
        return {name: value for name, value in values.items() if name != part}
    return values


def _without_doubtful(values: dict[str, Any]) -> dict[str, Any]:
    """Return values without the one part that is at fault, else without all that may be."""
    from napari_deepsmlm.experiment import Experiment

    for doubtful in DOUBTFUL:
        others = {name: value for name, value in values.items() if name != doubtful}
        try:
            Experiment.model_validate(others)
        except (ValidationError, OSError):
            continue
        return others
    return {name: value for name, value in values.items() if name not in DOUBTFUL}


def _without_lost_model(experiment: Experiment) -> Experiment:
    """Start from random weights where the model to start from is gone, or another network's."""
    from napari_deepsmlm.models import built_in_models

    start = experiment.start_from
    if start is None:
        return experiment
    try:
        model = ModelChoice.from_file(built_in_models().get(start, Path(start)))
    except (ValueError, OSError):
        return experiment.replace(start_from=None)
    is_same = model.network == experiment.network
    return experiment if is_same else experiment.replace(start_from=None)
