"""Trust: what speaks for and against a result, on one page and in one sentence."""

from __future__ import annotations

from napari_deepsmlm.trust.doubt import DoubtMap, doubt_map
from napari_deepsmlm.trust.files import trust_figure, trust_page, write_trust
from napari_deepsmlm.trust.measure import Finding, Trust, judge, trust_of

__all__ = [
    "DoubtMap",
    "Finding",
    "Trust",
    "doubt_map",
    "judge",
    "trust_figure",
    "trust_of",
    "trust_page",
    "write_trust",
]
