"""Proposals: how far and how long a molecule may be gone and still be the same, from the data."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_deepsmlm.linking.nena import nena_of_sample
from napari_deepsmlm.linking.pairs import near_pairs, sampled

if TYPE_CHECKING:
    from napari_deepsmlm.localizations import Localizations

    Array = np.ndarray[Any, Any]

MISSED = 0.001
"""Share of true pairs that are farther apart than the proposed distance."""
MAX_DARK = 50
DEFAULT_DISTANCE_NM, DEFAULT_DARK = 40.0, 1
Z_RATIO = 2.5


class Proposal(NamedTuple):
    """Distance and dark frames, and where they are from."""

    distance_nm: float
    dark_frames: int
    nena_nm: float | None
    remarks: tuple[str, ...]


def propose(
    table: Localizations, distance_nm: float | None = None, dark_frames: int | None = None
) -> Proposal:
    """Return what is given, and proposals for the rest.

    The distance is that within which 99.9 % of a molecule's positions in two frames lie, by the
    precision that NeNA measures. The dark frames are as many as bring more true pairs than chance
    does: pairs at a gap of g frames are counted against pairs at long gaps.
    """
    remarks = []
    some = sampled(table)
    precision = nena_of_sample(some)
    if distance_nm is None and precision is not None:
        distance_nm = precision * math.sqrt(-4 * math.log(MISSED))
    elif distance_nm is None:
        distance_nm = DEFAULT_DISTANCE_NM
        if len(table):
            remarks.append(
                f"Too few molecules shine in two frames in a row to measure the precision: "
                f"{distance_nm:g} nm are taken as the largest distance; --distance says otherwise."
            )
    if dark_frames is None:
        dark_frames = _dark_frames(some, distance_nm)
    return Proposal(distance_nm, dark_frames, precision, tuple(remarks))


def _dark_frames(table: Localizations, distance_nm: float) -> int:
    counts = _pairs_by_gap(table, distance_nm, 4 * MAX_DARK)
    chance = float(np.mean(counts[2 * MAX_DARK :]))
    if counts[: MAX_DARK + 1].sum() < 20:
        return DEFAULT_DARK
    is_mostly_true = counts[: MAX_DARK + 1] > 2 * chance + 3 * math.sqrt(chance + 1)
    first_wrong = np.flatnonzero(~is_mostly_true)
    n = int(first_wrong[0]) if len(first_wrong) else MAX_DARK + 1
    return max(0, n - 1)


def _pairs_by_gap(table: Localizations, distance_nm: float, max_gap: int) -> Array:
    """Return how many pairs are 1, 2, ... frames apart."""
    first, second, _ = near_pairs(table, distance_nm, max_gap, z_scale=1 / Z_RATIO)
    gap = np.asarray(table.frame)[second] - np.asarray(table.frame)[first]
    return np.bincount(gap, minlength=max_gap + 1)[1 : max_gap + 1]


def repeated_share(table: Localizations, distance_nm: float) -> float | None:
    """Return the share of rows that are once more a molecule that was there before.

    Molecules that meet by chance do so at any two times alike; the same molecule comes back soon.
    Pairs at gaps of up to half the movie are counted against those at longer ones.
    """
    table = sampled(table)
    frame = np.asarray(table.frame)
    n_frames = int(frame.max()) + 1 if len(frame) else 0
    if n_frames < 20:
        return None
    first, second, _ = near_pairs(table, distance_nm, n_frames, min_gap=0, z_scale=1 / Z_RATIO)
    gap = abs(frame[second] - frame[first])
    counts = np.bincount(gap, minlength=n_frames)[:n_frames]
    late = np.arange(n_frames) >= n_frames // 2
    room = n_frames - np.arange(n_frames, dtype=float)
    room[0] /= 2
    chance = counts[late].sum() / room[late].sum()
    excess = counts[~late].sum() - chance * room[~late].sum()
    return float(np.clip(excess / len(table), 0.0, 1.0))
