"""Adaptation: a model made to fit a stack, by training it on a simulated twin of that stack."""

from napari_deepsmlm.adaptation.events import Adapted, Planned, Watched
from napari_deepsmlm.adaptation.job import AdaptJob
from napari_deepsmlm.adaptation.options import DEFAULT_MINUTES, AdaptOptions
from napari_deepsmlm.adaptation.sentences import offer, scores_in_words
from napari_deepsmlm.adaptation.store import (
    Adaptation,
    Sample,
    adaptation_of,
    adapted_folder,
    camera_kind,
    kept_models,
    last_gain,
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
    "adapted_folder",
    "camera_kind",
    "kept_models",
    "last_gain",
    "offer",
    "scores_in_words",
    "suiting",
]
