"""Runs: one road for training, from a record in a folder to a child process.

A trainer keeps the record of its run (`training.record`) whoever reads its events: the command
line, Python, or the panel. So a run can be started by one and finished by another. `folders` finds
the runs that can go on, without torch, and `resuming` what they go on with; `run` trains in this
thread; `process` trains in a child, so that a window stays smooth beside it.
"""

from napari_deepsmlm.runs.child import Resources
from napari_deepsmlm.runs.folders import discard, new_run_folder, trained_models, unfinished_runs
from napari_deepsmlm.runs.process import TrainingProcess
from napari_deepsmlm.runs.resuming import experiment_of_run, require_same
from napari_deepsmlm.runs.run import TrainingRun, TrainingThread
from napari_deepsmlm.training.record import RunRecord, read_record

__all__ = [
    "Resources",
    "RunRecord",
    "TrainingProcess",
    "TrainingRun",
    "TrainingThread",
    "discard",
    "experiment_of_run",
    "new_run_folder",
    "read_record",
    "require_same",
    "trained_models",
    "unfinished_runs",
]
