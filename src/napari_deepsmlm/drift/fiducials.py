"""Fiducials: beads that shine in most frames show the drift directly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_deepsmlm.drift.correlation import Path, correlate

if TYPE_CHECKING:
    from napari_deepsmlm.drift._sample import Sample

    Array = np.ndarray[Any, Any]

LEAST_SHARE = 0.5
"""A bead is seen in at least so many of the frames."""
RADIUS_NM = 150.0
MAX_BEADS = 100
_CELL_NM = 150.0
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
    first = correlate(sample).xyz_nm
    still = sample.xyz_nm - first[sample.frame]
    beads = _beads(sample, still)
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


def _beads(sample: Sample, still: Array) -> list[Array]:
    """Return the rows of each bead, the most often seen first."""
    from scipy.spatial import cKDTree

    lateral = still[:, :2]
    cell = np.floor(lateral / _CELL_NM).astype(np.int64)
    cell -= cell.min(axis=0)
    key = cell[:, 0] * (int(cell[:, 1].max()) + 1) + cell[:, 1]
    cells, where, counts = np.unique(key, return_inverse=True, return_counts=True)
    tree = cKDTree(lateral)
    n_seen = LEAST_SHARE * (sample.n_frames - int(sample.frame[0]))
    beads: list[Array] = []
    centres: list[Array] = []
    for number in np.argsort(-counts, kind="stable")[: 4 * MAX_BEADS]:
        if counts[number] < n_seen / 4:  # a bead may lie on the corner of four cells
            break
        centre = np.median(lateral[where == number], axis=0)
        rows = np.sort(tree.query_ball_point(centre, RADIUS_NM))
        centre = np.median(lateral[rows], axis=0)
        rows = np.sort(tree.query_ball_point(centre, RADIUS_NM))
        is_known = any(np.hypot(*(centre - other)) < 2 * RADIUS_NM for other in centres)
        if is_known or len(np.unique(sample.frame[rows])) < n_seen:
            continue
        beads.append(rows)
        centres.append(centre)
        if len(beads) == MAX_BEADS:
            break
    return beads


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
