"""Drift of least entropy: the movement whose removal brings molecules closest to each other.

The sum over pairs of molecules of a Gaussian of their distance is (but for the logarithm) the
Renyi quadratic entropy of the image that they make; the drift that maximises it gives the sharpest
image. The idea of drift at minimum entropy is Cnossen et al. 2021, doi:10.1364/OE.426620, that of
pairs alone Erdmann and Rau (COMET) 2024. Widths go down step by step, so it needs no first guess.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_deepsmlm.drift._sample import at_frames, numbered
from napari_deepsmlm.drift.correlation import Path

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from napari_deepsmlm.drift._sample import Sample

    Array = np.ndarray[Any, Any]

MAX_WIDTH_NM = 100.0
NARROWEST_NM, MAX_LAST_WIDTH_NM = 10.0, 40.0
REACH = 2.5
"""Pairs farther apart than this many widths attract each other no more."""
MAX_PAIRS, MAX_PAIRS_WIDE = 800_000, 200_000
Z_SCALE = 2.5
"""Depth is so many times less certain than x and y."""
MAX_ROUNDS = 6
SETTLED = 0.1
MOLECULES_PER_KNOT, FRAMES_PER_KNOT, MAX_KNOTS = 200, 10, 240
FEWEST_KNOTS = 12
STIFFNESS = 1e-4
MAX_STEPS, CONVERGED, MAX_DAMPING = 40, 3e-3, 1e4
LEAST_COVERED = 0.3
"""Share of the field whose molecules are looked at."""
_BLOCK_REACHES = 4


class Pairs(NamedTuple):
    """Pairs of molecules that are near each other, in different frames."""

    apart: Array
    """(P, D) position of the first less that of the second, in widths' units (depth scaled)."""
    weights: csr_array
    """(P, K) how the drift at the knots moves them apart."""
    tie: Array
    """(P,) which two knots are nearest to them, as one number."""
    is_first: Array
    """(P,) whether both are of the first half of the molecules."""
    is_second: Array


def least_entropy(sample: Sample) -> Path:
    """Return the drift after which the molecules are most concentrated."""
    scale = np.array([1.0, 1.0, 1 / Z_SCALE][: sample.xyz_nm.shape[1]])
    xyz = sample.xyz_nm * scale
    narrowest = float(
        np.clip(1.5 * math.sqrt(2) * sample.precision_nm, NARROWEST_NM, MAX_LAST_WIDTH_NM)
    )
    widths = _widths(narrowest)
    knots, drift = np.array([0.0, sample.n_frames]), np.zeros((2, xyz.shape[1]))
    for width, n_knots in zip(widths, _numbers_of_knots(sample, len(widths)), strict=True):
        before, knots = knots, np.linspace(0, sample.n_frames - 1, n_knots)
        drift = np.stack([np.interp(knots, before, along) for along in drift.T], axis=1)
        basis = _Basis(sample.frame, knots)
        n_pairs = MAX_PAIRS if width == narrowest else MAX_PAIRS_WIDE
        for _ in range(MAX_ROUNDS if width == MAX_WIDTH_NM else 1):
            pairs = _pairs(sample, xyz - basis.at_rows(drift), basis, REACH * width, n_pairs)
            step = _climb(pairs, width)
            drift = drift + step
            if np.abs(step).max() < SETTLED * width:
                break
    halves = [drift - step + _climb(_only(pairs, chosen), width) for chosen in pairs[3:]]
    frames = np.arange(sample.n_frames)
    whole, first, second = (at_frames(knots, values / scale, frames) for values in (drift, *halves))
    return Path(whole - whole[0], (first - first[0], second - second[0]))


def _numbers_of_knots(sample: Sample, n_widths: int) -> list[int]:
    """Return how finely time is cut for each width: few knots settle a coarse path quickly."""
    n = min(len(sample.frame) // MOLECULES_PER_KNOT, sample.n_frames // FRAMES_PER_KNOT, MAX_KNOTS)
    n = max(n, sample.n_segments) + 1
    return [max(min(n, FEWEST_KNOTS), n >> (n_widths - 1 - k)) for k in range(n_widths)]


def concentration(sample: Sample, path: Path, others: list[Path]) -> float:
    """Return how close a drift measured on one half brings the molecules of the other half.

    Parameters
    ----------
    others : all paths that are compared; their mean says which pairs are looked at.
    """
    scale = np.array([1.0, 1.0, 1 / Z_SCALE][: sample.xyz_nm.shape[1]])
    width = max(NARROWEST_NM, math.sqrt(2) * sample.precision_nm)
    mean = np.mean([other.xyz_nm for other in others], axis=0)
    still = (sample.xyz_nm - mean[sample.frame]) * scale
    first, second, halves = _near(sample, still, 2 * REACH * width, MAX_PAIRS_WIDE)
    score = 0.0
    for seen, chosen in zip(path.halves_nm, reversed(halves), strict=True):
        a, b = first[chosen], second[chosen]
        moved = [(sample.xyz_nm[r] - seen[sample.frame[r]]) * scale for r in (a, b)]
        score += float(_pull(moved[0] - moved[1], width).sum())
    return score


class _Basis:
    """Straight lines between knots, at the rows of a table."""

    def __init__(self, frame: Array, knots: Array) -> None:
        place = frame / (knots[1] - knots[0])
        self.knot = np.clip(place.astype(np.int64), 0, len(knots) - 2)
        self.share = place - self.knot
        self.nearest = self.knot + (self.share > 0.5)
        self.n_knots = len(knots)

    def at_rows(self, drift: Array) -> Array:
        """Return (N, D) drift of each row."""
        share = self.share[:, None]
        return np.asarray(drift[self.knot] * (1 - share) + drift[self.knot + 1] * share)

    def of_pairs(self, first: Array, second: Array) -> csr_array:
        """Return (P, K) by how much the knots move the first of a pair against the second."""
        from scipy.sparse import csr_array

        columns = [self.knot[first], self.knot[first] + 1, self.knot[second], self.knot[second] + 1]
        values = [1 - self.share[first], self.share[first]]
        values += [self.share[second] - 1, -self.share[second]]
        starts = np.arange(0, 4 * len(first) + 1, 4)
        shape = (len(first), self.n_knots)
        return csr_array((np.stack(values, 1).ravel(), np.stack(columns, 1).ravel(), starts), shape)


def _widths(narrowest: float) -> list[float]:
    n = max(1, math.ceil(math.log2(MAX_WIDTH_NM / narrowest)))
    return [*np.geomspace(MAX_WIDTH_NM, narrowest, n + 1)[:-1].tolist(), narrowest]


def _pairs(sample: Sample, xyz: Array, basis: _Basis, reach: float, n_pairs: int) -> Pairs:
    first, second, halves = _near(sample, xyz, reach, n_pairs)
    tie = basis.nearest[first] * basis.n_knots + basis.nearest[second]
    return Pairs(xyz[first] - xyz[second], basis.of_pairs(first, second), tie, *halves)


def _near(
    sample: Sample, xyz: Array, reach: float, n_pairs: int
) -> tuple[Array, Array, tuple[Array, Array]]:
    """Return pairs nearer than `reach`, and whether both are of the first, of the second half.

    Of many pairs, those in parts of the field that are drawn at random.
    """
    from scipy.spatial import cKDTree

    rows = _some_rows(xyz, reach, n_pairs)
    found = cKDTree(xyz[rows]).query_pairs(reach, output_type="ndarray")
    first, second = rows[found[:, 0]], rows[found[:, 1]]
    is_apart = sample.frame[first] != sample.frame[second]
    first, second = first[is_apart], second[is_apart]
    a, b = sample.is_second[first], sample.is_second[second]
    return first, second, (~a & ~b, a & b)


def _some_rows(xyz: Array, reach: float, n_pairs: int) -> Array:
    """Return rows that make about `n_pairs` pairs: all over the field, fewer of many."""
    cell = np.floor(xyz / reach).astype(np.int64)
    cell -= cell.min(axis=0)
    where, counts = numbered(np.ravel_multi_index(tuple(cell.T), tuple(cell.max(axis=0) + 1)))
    shape = 1.57 if xyz.shape[1] == 2 else 2.09  # half the disk, half the ball, in cells
    expected = shape * counts[where]  # pairs per row
    if expected.sum() <= n_pairs:
        return np.arange(len(xyz))
    block = cell[:, :2] // _BLOCK_REACHES
    number, in_block = numbered(block[:, 0] * (block[:, 1].max() + 1) + block[:, 1])
    n_blocks = len(in_block)
    rng = np.random.default_rng(0)
    wanted = n_pairs / expected.sum()
    covered = max(wanted, LEAST_COVERED)
    n = max(1, round(covered * n_blocks))
    is_chosen = np.zeros(n_blocks, bool)
    is_chosen[rng.permutation(n_blocks)[:n]] = True
    # fewer molecules rather than a small part of the field, where all lines may run one way
    share = math.sqrt(min(1.0, wanted * n_blocks / n))
    return np.flatnonzero(is_chosen[number] & (rng.random(len(xyz)) < share))


def _only(pairs: Pairs, chosen: Array) -> Pairs:
    return Pairs(*(part[chosen] for part in pairs))


def _climb(pairs: Pairs, width: float) -> Array:
    """Return (K, D) the drift that brings pairs closest together, by damped Newton steps.

    The second derivative is that of knots that move stiffly with what is nearest to them: pairs
    tie knots together as springs do.
    """
    apart, weights = pairs.apart, pairs.weights
    shape = (weights.shape[1], apart.shape[1])
    drift = np.zeros(shape)
    if not len(apart):
        return drift
    back = weights.T.tocsr()
    stiff = _stiffness(shape[0], STIFFNESS * len(apart) / shape[0])
    damping, near = 1.0, apart
    pull = _pull(near, width)
    for _ in range(MAX_STEPS):
        force = back @ (near * pull[:, None]) - stiff @ drift
        springs = [
            _springs(pairs, pull * (1 + damping - (along / width) ** 2), shape[0]) + stiff
            for along in near.T
        ]
        step = np.stack(
            [_solve(spring, along) for spring, along in zip(springs, force.T, strict=True)], axis=1
        )
        tried = drift + step
        tried_near = apart - weights @ tried
        tried_pull = _pull(tried_near, width)
        if tried_pull.sum() - _energy(stiff, tried, width) < pull.sum() - _energy(
            stiff, drift, width
        ):
            damping = 4 * damping + 0.1
            if damping > MAX_DAMPING:
                break
            continue
        drift, near, pull, damping = tried, tried_near, tried_pull, damping / 4
        if np.abs(step).max() < CONVERGED * width:
            break
    return np.asarray(drift - drift[0])


def _pull(near: Array, width: float) -> Array:
    return np.asarray(np.exp(np.einsum("pd,pd->p", near, near) * (-0.5 / width**2)))


def _springs(pairs: Pairs, strength: Array, n_knots: int) -> Array:
    ties = np.bincount(pairs.tie, strength, minlength=n_knots**2).reshape(n_knots, n_knots)
    ties = ties + ties.T
    return np.asarray(np.diag(ties.sum(axis=0)) - ties)


def _stiffness(n_knots: int, strength: float) -> Array:
    bend = np.diff(np.eye(n_knots), 2, axis=0)
    return np.asarray(strength * bend.T @ bend)


def _energy(stiff: Array, drift: Array, width: float) -> float:
    return float(np.einsum("kd,km,md->", drift, stiff, drift)) / (2 * width**2)


def _solve(spring: Array, force: Array) -> Array:
    """Return the step of all knots; the whole may not move, as nothing holds it."""
    n = len(spring)
    held = spring + np.abs(np.diag(spring)).mean() * (np.eye(n) * 1e-6 + 1e-3 / n)
    return np.asarray(np.linalg.solve(held, force - force.mean()))
