"""Fiducials: beads that shine in most frames show the drift directly, and are no molecules."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_deepsmlm.drift._sample import numbered
from napari_deepsmlm.drift.correlation import Path, correlate
from napari_deepsmlm.localizations import known_places

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_deepsmlm.drift._sample import Sample
    from napari_deepsmlm.localizations import Localizations

    Array = np.ndarray[Any, Any]

LEAST_SHARE = 0.5
"""A bead is seen in at least so many of the frames."""
FEWEST_FRAMES = 20
"""In fewer, any molecule that stays on would be a bead."""
RADIUS_NM = 150.0
"""What is so near to a bead is of the bead."""
CORE_NM = 60.0
"""Its positions are nearer to each other."""
MAX_AROUND_CHANCE, MAX_AROUND = 0.2, 0.5
"""Of as many as there, up to twice as far from it; along dense fibres, and where they cross, 1."""
MORE_FRAMES = 1.1
"""Times those that as many molecules are seen in by chance: a bead is there once in a frame."""
MAX_BEADS = 100
_SMOOTHING_FRAMES = 25


def follow_fiducials(sample: Sample) -> Path:
    """Return the mean movement of the beads of a table.

    Beads are sought after a first correction by cross-correlation, so that a large drift does not
    smear them; the halves of the error are every other bead, or every other frame of a single one.

    Raises
    ------
    ValueError
        If there is no bead.
    """
    first = correlate(sample.thinned()).xyz_nm
    still = sample.xyz_nm - first[sample.frame]
    n_all = sample.n_frames - int(sample.frame[0])
    beads = _beads(still[:, :2], sample.frame, np.ones(len(still)), n_all)
    if not beads:
        raise ValueError(
            f"No molecule is seen in {LEAST_SHARE:.0%} of the frames, so there are no beads to "
            "follow; leave out --method fiducials."
        )
    paths = [_path(sample.frame[rows], still[rows], sample.n_frames) for rows in beads]
    whole = np.mean(paths, axis=0)
    if len(paths) > 1:
        halves = [np.mean(paths[k::2], axis=0) for k in (0, 1)]
    else:
        rows = beads[0]
        halves = [
            _path(sample.frame[rows[k::2]], still[rows[k::2]], sample.n_frames) for k in (0, 1)
        ]
    whole, one, other = (first + path for path in (whole, *halves))
    return Path(whole - whole[0], (one - one[0], other - other[0]))


def find_beads(table: Localizations) -> list[Array]:
    """Return the rows of each bead, what is seen in one place in at least half of all frames.

    In a linked table a row counts as the frames that it was seen in. A drift smears beads: take it
    off first.

    Examples
    --------
    >>> from napari_deepsmlm.localizations import Localizations
    >>> chance, frame = np.random.default_rng(0), np.repeat(np.arange(100), 2)
    >>> x, y = chance.uniform(0, 20_000, (2, 200))
    >>> x[::2], y[::2] = 5000 + chance.normal(0, 5, (2, 100))
    >>> beads = find_beads(Localizations(frame=frame, x_nm=x, y_nm=y))
    >>> [len(rows) for rows in beads]
    [100]
    """
    table = table.to_numpy()
    where = np.flatnonzero(known_places(table, ("x_nm", "y_nm")))
    if not len(where):
        return []
    frame = np.asarray(table.frame)[where]
    seen, last = np.ones(len(where)), frame
    if "detections" in table and "last_frame" in table:
        seen = np.asarray(table["detections"], float)[where]
        last = np.asarray(table["last_frame"])[where]
    n_frames = int(last.max() - frame.min()) + 1
    if n_frames < FEWEST_FRAMES:
        return []
    xy = np.stack([np.asarray(table[name], float)[where] for name in ("x_nm", "y_nm")], axis=1)
    return [where[rows] for rows in _beads(xy, frame, seen, n_frames)]


def without_beads(table: Localizations) -> tuple[Localizations, list[str]]:
    """Return the molecules that are of no bead, and what was left out in a sentence."""
    beads = find_beads(table)
    if not beads:
        return table, []
    kept = np.ones(len(table), bool)
    kept[np.concatenate(beads)] = False
    beads_words = "a bead" if len(beads) == 1 else f"{len(beads)} beads"
    return table[kept], [
        f"{int((~kept).sum()):,} rows of {beads_words}, seen in half of the frames or more, are "
        "left out."
    ]


def _beads(xy: Array, frame: Array, seen: Array, n_all: int) -> list[Array]:
    """Return the rows of each bead, the most often seen first.

    Parameters
    ----------
    seen : (N,) how many frames a row stands for.
    n_all : frames in which it might have been.
    """
    n_seen = LEAST_SHARE * n_all
    beads: list[Array] = []
    centres: list[Array] = []
    for crowd, near in _crowded(xy, seen, n_seen / 4):  # a bead may lie on the corner of four cells
        centre = np.median(xy[crowd], axis=0)
        for _ in range(3):
            apart = np.hypot(*(xy[near] - centre).T)
            centre = np.median(xy[near[apart < CORE_NM]], axis=0)
        if any(np.hypot(*(centre - other)) < 2 * RADIUS_NM for other in centres):
            continue
        apart = np.hypot(*(xy[near] - centre).T)
        core, around = near[apart < CORE_NM], near[(apart >= CORE_NM) & (apart < 2 * CORE_NM)]
        n_frames = len(np.unique(frame[core])) + (seen[core] - 1).sum()
        share_around = seen[around].sum() / max(seen[core].sum(), 1.0)
        by_chance = n_all * -math.expm1(-seen[core].sum() / n_all)
        is_by_chance = n_frames < MORE_FRAMES * by_chance
        if n_frames < n_seen or share_around > (MAX_AROUND_CHANCE if is_by_chance else MAX_AROUND):
            continue
        beads.append(near[apart < RADIUS_NM])
        centres.append(centre)
        if len(beads) == MAX_BEADS:
            break
    return beads


def _crowded(xy: Array, seen: Array, least: float) -> Iterator[tuple[Array, Array]]:
    """Yield the rows in small cells that are seen so often, and those around; the fullest first."""
    cell = np.floor(xy / CORE_NM).astype(np.int64)
    reach = math.ceil(RADIUS_NM / CORE_NM) + 1
    cell -= cell.min(axis=0) - reach
    n_columns = int(cell[:, 1].max()) + reach + 1
    key = cell[:, 0] * n_columns + cell[:, 1]
    number, counts = numbered(key)
    total = np.bincount(number, seen, minlength=len(counts))
    full = np.flatnonzero(total >= least)
    if not len(full):
        return
    order = np.argsort(number, kind="stable")
    ends = np.cumsum(counts)
    keys = key[order[ends - 1]]  # of each cell, ascending
    steps = np.arange(-reach, reach + 1)
    around = np.add.outer(steps * n_columns, steps).ravel()
    for one in full[np.argsort(-total[full], kind="stable")][: 4 * MAX_BEADS]:
        place = np.minimum(np.searchsorted(keys, keys[one] + around), len(keys) - 1)
        cells = place[keys[place] == keys[one] + around]
        near = np.concatenate([order[ends[k] - counts[k] : ends[k]] for k in cells])
        yield order[ends[one] - counts[one] : ends[one]], np.sort(near)


def _path(frame: Array, xyz: Array, n_frames: int) -> Array:
    """Return (F, D) where a bead is, about its mean, smoothed over a while."""
    from scipy.ndimage import uniform_filter1d

    counts = np.bincount(frame, minlength=n_frames)
    seen = np.flatnonzero(counts)
    columns = []
    for along in (xyz - np.median(xyz, axis=0)).T:
        mean = np.bincount(frame, along, minlength=n_frames)[seen] / counts[seen]
        filled = np.interp(np.arange(n_frames), seen, mean)
        columns.append(uniform_filter1d(filled, _SMOOTHING_FRAMES, mode="nearest"))
    path = np.stack(columns, axis=1)
    return np.asarray(path - path.mean(axis=0))
