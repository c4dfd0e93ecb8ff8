"""Adaptation: a model made to fit a stack, by training it on a simulated twin of that stack."""

from napari_deepsmlm.adaptation.events import Adapted, Planned, Watched
from napari_deepsmlm.adaptation.job import AdaptJob
from napari_deepsmlm.adaptation.options import DEFAULT_MINUTES, AdaptOptions
from napari_deepsmlm.adaptation.seen import sample_of
from napari_deepsmlm.adaptation.sentences import offer, scores_in_words
from napari_deepsmlm.adaptation.store import (
    Adaptation,
    Sample,
    adaptation_of,
    camera_kind,
    last_gain,
    reason_of,
    suiting,
)

__all__ = [
    "DEFAULT_MINUTES",
    "AdaptJob",
    "AdaptOptions",
    "Adaptation",
    "Adapted",
    "Planned",
    "Sample",
    "Watched",
    "adaptation_of",
    "camera_kind",
    "last_gain",
    "offer",
    "reason_of",
    "sample_of",
    "scores_in_words",
    "suiting",
]
