"""Training process: a run in a child process, so that a window stays smooth beside it.

The child is a fresh interpreter that runs this module and nothing else. (`multiprocessing` would
first run the user's script in it once more, which for a script of napari opens a second window.)
Events come through its standard output, commands go through its standard input: where that ends,
because the parent died or lost interest, the child saves and stops.
"""

from napari_deepsmlm.training_process.child import Resources
from napari_deepsmlm.training_process.process import TrainingProcess
from napari_deepsmlm.training_process.run import TrainingRun, TrainingThread

__all__ = ["Resources", "TrainingProcess", "TrainingRun", "TrainingThread"]
