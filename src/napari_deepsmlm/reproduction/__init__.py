"""Tables and figures of the papers, made from scratch, with the paper's numbers beside ours."""

from napari_deepsmlm.reproduction.figure import Outcome, PaperFigure, Row, shown
from napari_deepsmlm.reproduction.fingerprint import fingerprint
from napari_deepsmlm.reproduction.job import Done, Started, read_outcome, reproduce
from napari_deepsmlm.reproduction.registry import all_figures, find_figures
from napari_deepsmlm.reproduction.scale import Bench, Scale

__all__ = [
    "Bench",
    "Done",
    "Outcome",
    "PaperFigure",
    "Row",
    "Scale",
    "Started",
    "all_figures",
    "find_figures",
    "fingerprint",
    "read_outcome",
    "reproduce",
    "shown",
]
