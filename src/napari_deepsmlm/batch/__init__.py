"""Batch: many stacks by one recipe, each into a folder of its own, skipped where it is done.

`stacks` finds the inputs, `recipe` says what is done with them, `one_stack` does it, `record` keeps
what was done and `fingerprint` tells whether it still counts; `job` goes through all of them, and
`watching` waits for those that are still written. What follows a reconstruction is a file in
`steps`.
"""

from napari_deepsmlm.batch.events import (
    BatchEvent,
    BatchFinished,
    Listed,
    StackBegan,
    StackEnded,
    StackProgress,
    Waiting,
)
from napari_deepsmlm.batch.job import RECIPE_NAME, BatchJob, run_batch, with_options
from napari_deepsmlm.batch.recipe import Recipe
from napari_deepsmlm.batch.record import StackRow
from napari_deepsmlm.batch.stacks import RECIPE_ENDINGS, Stack, StackFinder
from napari_deepsmlm.batch.steps import Step, step_kinds
from napari_deepsmlm.batch.summary import SUMMARY_NAME

__all__ = [
    "RECIPE_ENDINGS",
    "RECIPE_NAME",
    "SUMMARY_NAME",
    "BatchEvent",
    "BatchFinished",
    "BatchJob",
    "Listed",
    "Recipe",
    "Stack",
    "StackBegan",
    "StackEnded",
    "StackFinder",
    "StackProgress",
    "StackRow",
    "Step",
    "Waiting",
    "run_batch",
    "step_kinds",
    "with_options",
]
