"""Pace: how many training steps go between two validations, from how long a step takes here."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from napari_deepsmlm.training.learner import Learner
from napari_deepsmlm.training.ranks import Ranks

if TYPE_CHECKING:
    from napari_deepsmlm._devices import Compute
    from napari_deepsmlm.experiment import Experiment

# So many validations in the time there is: fewer stop late, more cost too much of it.
N_VALIDATIONS = 12
FEWEST_STEPS = 10


def steps_between_validations(experiment: Experiment, compute: Compute) -> int:
    """Return how many steps are a twelfth of the time of a training, from trying two."""
    minutes = experiment.training.minutes
    assert minutes is not None  # noqa: S101 - given in time
    model = experiment.build_model()
    batches = experiment.batches(model, compute.device)
    learner = Learner(model, experiment.training, compute, Ranks(compute.device))
    seconds = []
    for step in range(2):  # the first one warms up
        started = time.perf_counter()
        learner.descend(batches.at(step), step=step, rate=0.0, is_norm_fixed=True)
        seconds.append(time.perf_counter() - started)
    return max(FEWEST_STEPS, round(60 * minutes / N_VALIDATIONS / min(seconds)))
