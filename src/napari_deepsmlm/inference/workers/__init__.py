"""Workers: parts of a stack, predicted by several processes or a cluster, in frame order."""

from napari_deepsmlm.inference.workers.crew import (
    Crew,
    ExecutorCrew,
    Memory,
    WorkerLostError,
    predict_in_parts,
)
from napari_deepsmlm.inference.workers.local import LocalCrew
from napari_deepsmlm.inference.workers.work import Work, parts_of

__all__ = [
    "Crew",
    "ExecutorCrew",
    "LocalCrew",
    "Memory",
    "Work",
    "WorkerLostError",
    "parts_of",
    "predict_in_parts",
]
