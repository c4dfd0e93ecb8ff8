"""Runs: one road for training, from a record in a folder to a child process.

`record` says how far a run came, without torch; `run` trains in this thread; `process` trains in a
child, so that a window stays smooth beside it. All three write the same files, so that a run can be
started on the command line and finished in the panel, or the other way round.
"""

from napari_deepsmlm.runs.child import Resources
from napari_deepsmlm.runs.process import TrainingProcess
from napari_deepsmlm.runs.record import (
    RunRecord,
    discard,
    new_run_folder,
    read_record,
    trained_models,
    unfinished_runs,
)
from napari_deepsmlm.runs.run import TrainingRun, TrainingThread

__all__ = [
    "Resources",
    "RunRecord",
    "TrainingProcess",
    "TrainingRun",
    "TrainingThread",
    "discard",
    "new_run_folder",
    "read_record",
    "trained_models",
    "unfinished_runs",
]
