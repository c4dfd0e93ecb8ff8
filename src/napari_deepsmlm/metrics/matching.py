"""Matching predicted to true molecules, by the SMLM Challenge's protocol or optimally."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components, min_weight_full_bipartite_matching
from scipy.spatial import cKDTree

from napari_deepsmlm.localizations import known_places
from napari_deepsmlm.metrics.scores import score_groups, z_score_moments

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_deepsmlm.localizations import Localizations

    Indices = np.ndarray[Any, np.dtype[np.intp]]
    Floats = np.ndarray[Any, np.dtype[np.float64]]

AXES = ("x", "y", "z")
_ROWS_PER_CHUNK = 100_000  # whole frames are matched together up to about this many rows
_MAX_PAIRS = 5_000_000  # that are listed at once, about 400 MB
_MAX_HALVINGS = 60
_PAIRS_PER_PROBLEM = 300  # the assignment solver's time per pair grows with those given at once


@dataclass(frozen=True, slots=True)
class Matching:
    """Pairs of predicted and true molecules.

    Attributes
    ----------
    predicted, true : (TP,) rows of the pairs in both tables.
    difference_nm : (TP, 2 or 3) predicted minus true position: x, y and z where both have it.
    z_scores : (TP, 2 or 3) difference / predicted standard error, NaN where there is none.
    false_positive, false_negative : rows of the molecules without a partner in both tables.
    """

    predicted: Indices
    true: Indices
    difference_nm: Floats
    z_scores: Floats
    false_positive: Indices
    false_negative: Indices

    def scores(self) -> dict[str, float]:
        """Return counts, fractions (0-1), errors in nm and efficiencies in percent.

        The formulas are those of :func:`score_groups`. Where nothing matched, errors are NaN.
        Where the prediction has standard errors, `z_score_mean_x` and `z_score_sd_x` (y, z) follow:
        0 and 1 if they are right.
        """
        counts = len(self.true), len(self.false_positive), len(self.false_negative)
        one_group = [np.zeros(count, np.intp) for count in counts]
        scores = score_groups(self.difference_nm, *one_group, n_groups=1)
        plain = {name: values[0].item() for name, values in scores.items()}
        return plain | z_score_moments(self.z_scores)


def match(
    predicted: Localizations,
    truth: Localizations,
    *,
    lateral_nm: float = 250.0,
    axial_nm: float = 500.0,
    least_photons: float = 0.0,
    method: Literal["greedy", "optimal"] = "greedy",
) -> Matching:
    """Pair molecules of the same frame that are within both tolerances (inclusive).

    Distances are 3-D if both tables have z, else lateral. "greedy" is the challenge's "GS-NN": the
    nearest pair is taken first, then the nearest of those left, and so on; of pairs at equal
    distances the one with the smaller x (y, z) first, so that neither the order of rows nor the
    roles of the tables matter. "optimal" takes as many pairs as possible, and among those ways
    the one with the least sum of distances.

    Parameters
    ----------
    predicted, truth : tables in nm; frames need not be sorted.
    lateral_nm, axial_nm : tolerances.
    least_photons : if above 0, true molecules with as many photons or fewer, and what is matched
        to them, count as nothing at all.

    Raises
    ------
    ValueError
        If a position is not finite, a tolerance not positive, the method unknown, or a least
        number of photons is asked of a truth without them.

    Examples
    --------
    >>> from napari_deepsmlm.localizations import Localizations
    >>> truth = Localizations(frame=[0, 0], x_nm=[2000, 2300], y_nm=[0, 0])
    >>> found = Localizations(frame=[0, 0], x_nm=[2240, 2545], y_nm=[0, 0])
    >>> len(match(found, truth).true), len(match(found, truth, method="optimal").true)
    (1, 2)
    """
    if not (0 < lateral_nm < np.inf and 0 < axial_nm < np.inf):
        raise ValueError(f"Tolerances must be above 0 nm, got {lateral_nm:g} and {axial_nm:g}.")
    if method not in ("greedy", "optimal"):
        raise ValueError(f"Unknown matching '{method}'. Available: greedy, optimal.")
    is_counted = _is_bright(truth, least_photons)
    has_z = predicted.is_3d and truth.is_3d
    ours, theirs = _positions(predicted, has_z), _positions(truth, has_z)
    choose = _nearest_first if method == "greedy" else _most_pairs
    pairs = [np.zeros((2, 0), np.intp)]
    for rows, columns in _chunks(predicted.frame, truth.frame):
        here = ours[rows], predicted.frame[rows]
        there = theirs[columns], truth.frame[columns]
        taken = choose(here, there, lateral_nm, axial_nm)
        pairs.append(np.stack([rows[taken[0]], columns[taken[1]]]))
    row, column = np.concatenate(pairs, axis=1)
    is_single, is_missed = np.ones(len(predicted), bool), is_counted.copy()
    is_single[row], is_missed[column] = False, False
    row, column = row[is_counted[column]], column[is_counted[column]]
    difference = ours[row] - theirs[column]
    return Matching(
        predicted=row,
        true=column,
        difference_nm=difference,
        z_scores=_z_scores(difference, predicted, row),
        false_positive=np.flatnonzero(is_single),
        false_negative=np.flatnonzero(is_missed),
    )


def field_of(truth: Localizations) -> tuple[float, float, float, float]:
    """Return x, y of the first and of the last corner of the box around all molecules, nm."""
    if not len(truth):
        raise ValueError("The truth holds no molecules to take the field of view from.")
    x, y = truth.x_nm, truth.y_nm
    return float(x.min()), float(y.min()), float(x.max()), float(y.max())


def without_border(
    table: Localizations, border_nm: float, field_nm: tuple[float, float, float, float]
) -> Localizations:
    """Return the molecules that are at least `border_nm` inside the field of view.

    The challenge leaves out 450 nm, of the truth as of the prediction, before matching.

    Parameters
    ----------
    field_nm : x, y of the first corner, x, y of the last: (0, 0, W p, H p) for frames of H x W
        pixels of p nm, or :func:`field_of` the truth.
    """
    if not 0 <= border_nm < np.inf:
        raise ValueError(f"The border must be 0 nm or more, got {border_nm:g}.")
    left, top, right, bottom = field_nm
    if not (left + border_nm <= right - border_nm and top + border_nm <= bottom - border_nm):
        raise ValueError(
            f"A border of {border_nm:g} nm leaves nothing of a field of "
            f"{right - left:g} x {bottom - top:g} nm; give a narrower one."
        )
    is_in = (table.x_nm >= left + border_nm) & (table.x_nm <= right - border_nm)
    is_in &= (table.y_nm >= top + border_nm) & (table.y_nm <= bottom - border_nm)
    inside: Localizations = table[is_in]
    return inside


def stacked(positions: Floats, frame: Indices, reach_nm: float) -> cKDTree:
    """Return a search tree in which frames are a third axis with steps too long to reach over."""
    return cKDTree(np.column_stack([positions[:, :2], frame * (4 * reach_nm)]))


def _is_bright(truth: Localizations, least_photons: float) -> np.ndarray[Any, np.dtype[np.bool_]]:
    if not 0 <= least_photons < np.inf:
        raise ValueError(f"The least number of photons must be 0 or more, got {least_photons:g}.")
    if least_photons == 0:
        return np.ones(len(truth), bool)
    if "photons" not in truth:
        raise ValueError("The truth has no photons, so no least number of them can be asked for.")
    return np.asarray(truth["photons"]) > least_photons


def _positions(table: Localizations, has_z: bool) -> Floats:
    names = ("x_nm", "y_nm", "z_nm") if has_z else ("x_nm", "y_nm")
    if not known_places(table, names).all():
        raise ValueError(
            "Positions must be numbers of less than a metre to be matched; remove the other rows "
            "first."
        )
    return np.stack([np.asarray(table[name], np.float64) for name in names], axis=1)


def _z_scores(difference: Floats, predicted: Localizations, row: Indices) -> Floats:
    scores = np.full_like(difference, np.nan)
    for axis, name in enumerate(AXES[: difference.shape[1]]):
        if f"uncertainty_{name}_nm" in predicted:
            sigma = np.asarray(predicted[f"uncertainty_{name}_nm"], np.float64)[row]
            known = np.where(sigma > 0, sigma, np.nan)
            scores[:, axis] = difference[:, axis] / known
    return scores


def _chunks(our_frames: Indices, their_frames: Indices) -> Iterator[tuple[Indices, Indices]]:
    """Rows of both tables, a few frames at a time, so that memory stays bounded."""
    ours, theirs = (np.argsort(f, kind="stable") for f in (our_frames, their_frames))
    frames, counts = np.unique(np.concatenate([our_frames, their_frames]), return_counts=True)
    chunk = (np.cumsum(counts) - 1) // _ROWS_PER_CHUNK
    firsts = frames[np.flatnonzero(np.diff(chunk, prepend=-1))]
    starts = [
        np.append(np.searchsorted(f[order], firsts), len(f))
        for f, order in ((our_frames, ours), (their_frames, theirs))
    ]
    for k in range(len(firsts)):
        a, b = (slice(start[k], start[k + 1]) for start in starts)
        yield ours[a], theirs[b]


def _nearest_first(
    ours: tuple[Floats, Indices], theirs: tuple[Floats, Indices], lateral: float, axial: float
) -> tuple[Indices, Indices]:
    """Greedy pairs, in shells of growing distance that hold a bounded number of pairs each.

    Pairs are taken in the order of their distance, so those of a shell do not depend on any beyond
    it, and the molecules that they use up are out of the way of those that follow.
    """
    has_z = ours[0].shape[1] > 2
    farthest = math.hypot(lateral, axial) * (1 + 1e-9) if has_z else lateral
    rows, columns, done = np.arange(len(ours[0])), np.arange(len(theirs[0])), 0.0
    none = np.zeros(0, np.intp)
    taken: list[tuple[Indices, Indices]] = [(none, none)]
    while len(rows) and len(columns) and done < farthest:
        a, b = _parts(ours, rows), _parts(theirs, columns)
        done = _reach_of_few(a, b, done, farthest)
        row, column = _greedy(a[0], b[0], _pairs_in_reach(a, b, done, lateral, axial))
        taken.append((rows[row], columns[column]))
        rows, columns = np.delete(rows, row), np.delete(columns, column)
    return np.concatenate([t[0] for t in taken]), np.concatenate([t[1] for t in taken])


def _most_pairs(
    ours: tuple[Floats, Indices], theirs: tuple[Floats, Indices], lateral: float, axial: float
) -> tuple[Indices, Indices]:
    flat = [(positions[:, :2], frame) for positions, frame in (ours, theirs)]
    if _n_pairs(flat[0], flat[1], lateral) > _MAX_PAIRS:
        raise ValueError(
            f"More than {_MAX_PAIRS:,} pairs of a frame are within {lateral:g} nm, too many for "
            "the best assignment: give a smaller tolerance, or method 'greedy'."
        )
    near = _pairs_within(ours, theirs, lateral, axial)
    return _optimal(ours[0], theirs[0], near)


def _parts(table: tuple[Floats, Indices], rows: Indices) -> tuple[Floats, Indices]:
    return table[0][rows], table[1][rows]


def _reach_of_few(
    ours: tuple[Floats, Indices], theirs: tuple[Floats, Indices], done: float, farthest: float
) -> float:
    """Return a distance above `done`, at most `farthest`, with not too many pairs in between."""
    if _n_pairs(ours, theirs, farthest) <= _MAX_PAIRS:
        return farthest
    n_done = _n_pairs(ours, theirs, done) if done else 0
    reach = farthest
    for _ in range(_MAX_HALVINGS):
        reach = (done + reach) / 2
        if reach > done and _n_pairs(ours, theirs, reach) - n_done <= _MAX_PAIRS:
            return reach
    raise ValueError(
        "More molecules of a frame lie at one place than can be matched: the table is damaged, or "
        "holds many frames under one number."
    )


def _n_pairs(ours: tuple[Floats, Indices], theirs: tuple[Floats, Indices], reach: float) -> int:
    """Count the pairs of the same frame within a distance, or within a bit more."""
    if len(ours[0]) * len(theirs[0]) <= _MAX_PAIRS:
        return len(ours[0]) * len(theirs[0])
    trees = [_tree(table, reach) for table in (ours, theirs)]
    return int(trees[0].count_neighbors(trees[1], reach * (1 + 1e-9)))


def _tree(table: tuple[Floats, Indices], reach: float) -> cKDTree:
    return cKDTree(np.column_stack([table[0], table[1] * (4 * reach)]))


def _pairs_in_reach(
    ours: tuple[Floats, Indices],
    theirs: tuple[Floats, Indices],
    reach: float,
    lateral: float,
    axial: float,
) -> tuple[Indices, Indices]:
    """Rows of all pairs in the same frame within a distance and both tolerances."""
    trees = [_tree(table, reach) for table in (ours, theirs)]
    found = trees[0].sparse_distance_matrix(trees[1], reach * (1 + 1e-9), output_type="ndarray")
    row, column = found["i"], found["j"]
    squares = np.square(ours[0][row] - theirs[0][column])
    is_near = (squares.sum(1) <= reach**2) & (squares[:, :2].sum(1) <= lateral**2)
    is_near &= (squares[:, 2:] <= axial**2).all(1)
    return row[is_near], column[is_near]


def _pairs_within(
    ours: tuple[Floats, Indices], theirs: tuple[Floats, Indices], lateral: float, axial: float
) -> tuple[Indices, Indices]:
    """Rows of all pairs in the same frame that are within the tolerances of each other."""
    if not len(ours[0]) or not len(theirs[0]):
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    reach = lateral * (1 + 1e-9)  # the exact comparison follows
    trees = [stacked(positions, frame, reach) for positions, frame in (ours, theirs)]
    found = trees[0].sparse_distance_matrix(trees[1], reach, output_type="ndarray")
    row, column = found["i"], found["j"]
    difference = ours[0][row] - theirs[0][column]
    is_near = np.square(difference[:, :2]).sum(1) <= lateral**2
    is_near &= (np.abs(difference[:, 2:]) <= axial).all(1)
    return row[is_near], column[is_near]


def _greedy(ours: Floats, theirs: Floats, near: tuple[Indices, Indices]) -> tuple[Indices, Indices]:
    """Pairs that are taken when all are offered in the order of their distance.

    A pair that is the first of those left for both its molecules is certain to be taken; taking
    all of these at once and repeating gives the same pairs as going through one by one.
    """
    a, b = ours[near[0]], theirs[near[1]]
    order = np.lexsort((*(a + b).T[::-1], np.square(a - b).sum(1)))
    row, column = near[0][order], near[1][order]
    first_of_row, first_of_column = np.empty(len(ours), np.intp), np.empty(len(theirs), np.intp)
    is_free_row, is_free_column = np.ones(len(ours), bool), np.ones(len(theirs), bool)
    taken = [np.zeros(0, np.intp)]
    left = np.arange(len(row))
    while len(left):
        backwards = left[::-1]  # of repeated indices the last assignment stays: the first pair
        first_of_row[row[backwards]] = backwards
        first_of_column[column[backwards]] = backwards
        now = left[(first_of_row[row[left]] == left) & (first_of_column[column[left]] == left)]
        is_free_row[row[now]], is_free_column[column[now]] = False, False
        taken.append(now)
        left = left[is_free_row[row[left]] & is_free_column[column[left]]]
    chosen = np.concatenate(taken)
    return row[chosen], column[chosen]


def _optimal(
    ours: Floats, theirs: Floats, near: tuple[Indices, Indices]
) -> tuple[Indices, Indices]:
    """As many pairs as possible with the least sum of distances.

    Molecules that no chain of near pairs links do not compete, so groups of linked ones are
    solved by themselves, a few small groups at a time.
    """
    row, column = near
    n = len(ours)
    distance = np.sqrt(np.square(ours[row] - theirs[column]).sum(1))
    size = n + len(theirs)
    graph = coo_array((np.ones(len(row), bool), (row, n + column)), shape=(size, size))
    group = connected_components(graph, directed=False)[1][row]
    is_lone = np.bincount(group)[group] == 1 if len(group) else np.zeros(0, bool)
    order = np.flatnonzero(~is_lone)[np.argsort(group[~is_lone], kind="stable")]
    ends = np.flatnonzero(np.diff(group[order], append=-1)) + 1
    taken, start = [np.flatnonzero(is_lone)], 0
    while start < len(order):
        after = int(np.searchsorted(ends, start + _PAIRS_PER_PROBLEM))
        stop = int(ends[min(after, len(ends) - 1)])
        pairs = order[start:stop]
        taken.append(pairs[_assign(row[pairs], column[pairs], distance[pairs])])
        start = stop
    chosen = np.concatenate(taken)
    return row[chosen], column[chosen]


def _assign(row: Indices, column: Indices, distance: Floats) -> Indices:
    """Positions of the pairs of the best assignment (Jonker & Volgenant 1987 on sparse costs).

    Every row also gets a partner of its own to be left alone with, dearer than any saving.
    """
    rows, row = np.unique(row, return_inverse=True)
    columns, column = np.unique(column, return_inverse=True)
    n, alone = len(rows), np.arange(len(rows))
    dear = (n + 1) * (distance.max() + 1)
    # +1 on every cost: explicit zeros of a sparse matrix would count as no pair
    cost = np.concatenate([distance + 1, np.full(n, dear + 1)])
    ends = np.stack([np.r_[row, alone], np.r_[column, len(columns) + alone]])
    where = tuple(ends.astype(np.int32))  # the only indices that older SciPy takes here
    shape = n, len(columns) + n
    chosen = min_weight_full_bipartite_matching(csr_array((cost, where), shape=shape))[1]
    return np.flatnonzero(chosen[row] == column)
