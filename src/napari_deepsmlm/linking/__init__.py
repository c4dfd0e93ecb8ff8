"""Linking: rows that are one molecule become one, with its precision and what is over-counted."""

from __future__ import annotations

from napari_deepsmlm.linking.link import LinkOptions, LinkResult, link, without_duplicates
from napari_deepsmlm.linking.merge import merged
from napari_deepsmlm.linking.nena import nena
from napari_deepsmlm.linking.propose import Proposal, propose, repeated_share

__all__ = [
    "LinkOptions",
    "LinkResult",
    "Proposal",
    "link",
    "merged",
    "nena",
    "propose",
    "repeated_share",
    "without_duplicates",
]
