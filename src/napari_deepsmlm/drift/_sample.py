"""What drift is measured from: frames and positions of a table, cut into pieces of time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_deepsmlm._words import counted
from napari_deepsmlm.localizations import count_frames, known_places, require_molecules

if TYPE_CHECKING:
    from napari_deepsmlm.localizations import Localizations

    Array = np.ndarray[Any, Any]

AXES = ("x_nm", "y_nm", "z_nm")
FEWEST_MOLECULES = 200
FEWEST_FRAMES = 20
MOLECULES_PER_SEGMENT = 400
MAX_SEGMENTS = 40
_HALF_TILE_NM = 2000.0
_MAX_COUNTED = 1 << 25
_FEWEST_TILES = 8
MAX_MOLECULES = 2_000_000
"""More, drawn at random from all, would tell no more than a fraction of a nanometre."""


class Sample(NamedTuple):
    """Positions over time, and two halves that have no molecule in common."""

    frame: Array
    """(N,) ascending, from 0."""
    xyz_nm: Array
    """(N, 2) or (N, 3) nm."""
    is_second: Array
    """(N,) whether a row is of the second half of the molecules."""
    n_segments: int
    precision_nm: float
    """Typical uncertainty of a position, nm."""

    @property
    def n_frames(self) -> int:
        """From the first frame of the movie to the last that has a molecule."""
        return int(self.frame[-1]) + 1

    @property
    def is_3d(self) -> bool:
        """Whether depth is measured too."""
        return bool(self.xyz_nm.shape[1] == 3)

    def moved(self, by_nm: Array) -> Sample:
        """Return the sample with a drift (N, D) taken off."""
        return self._replace(xyz_nm=self.xyz_nm - by_nm)

    def thinned(self, n: int = MAX_MOLECULES) -> Sample:
        """Return about n molecules of the sample, all of it if it has no more."""
        if len(self.frame) <= n:
            return self
        kept = np.random.default_rng(0).random(len(self.frame)) < n / len(self.frame)
        kept[-1] = True  # the last frame is how long the movie is
        frame, xyz_nm, is_second = self.frame[kept], self.xyz_nm[kept], self.is_second[kept]
        return self._replace(frame=frame, xyz_nm=xyz_nm, is_second=is_second)


def sample_of(table: Localizations, segment_frames: int | None = None) -> Sample:
    """Return what of a table shows its drift.

    Parameters
    ----------
    segment_frames : of one piece of time; by default as many pieces as have enough molecules.

    Raises
    ------
    ValueError
        If there are too few molecules or frames to see a movement.
    """
    require_molecules(table, "measure drift by")
    table = table.to_numpy()
    names = [name for name in AXES if name in table]
    xyz = np.stack([np.asarray(table[name], float) for name in names], axis=1)
    is_somewhere = known_places(table) & (table.frame >= 0)
    if is_somewhere.sum() < FEWEST_MOLECULES:
        raise ValueError(
            f"Too few for a drift: {counted(int(is_somewhere.sum()), 'molecule')} with a position, "
            f"{FEWEST_MOLECULES} are needed; give the table of the whole movie."
        )
    if len(names) == 3 and np.ptp(xyz[is_somewhere, 2]) == 0:
        xyz = xyz[:, :2]  # a column of zeros is no depth
    frame, xyz = table.frame[is_somewhere], xyz[is_somewhere]
    order = np.argsort(frame, kind="stable")
    frame, xyz = frame[order], xyz[order]
    n_frames = count_frames(table)
    if n_frames - int(frame[0]) < FEWEST_FRAMES:
        raise ValueError(
            f"The molecules are in {counted(n_frames - int(frame[0]), 'frame')}, too few to show a "
            f"drift: {FEWEST_FRAMES} are needed; give the table of the whole movie."
        )
    n = min(len(frame) // MOLECULES_PER_SEGMENT, n_frames // 5, MAX_SEGMENTS)
    if segment_frames is not None:
        n = min(round(n_frames / segment_frames), 2 * MAX_SEGMENTS)
    return Sample(frame, xyz, _halves(xyz), max(n, 3), _precision_nm(table))


def at_frames(knots: Array, values: Array, frame: Array) -> Array:
    """Return (N, D) values at frames: a natural cubic spline, straight beyond its ends."""
    from scipy.interpolate import CubicSpline

    inside = np.clip(frame, knots[0], knots[-1])
    spline = CubicSpline(knots, values, bc_type="natural")
    slope = spline(inside, 1) * (np.asarray(frame) - inside)[:, None]
    return np.asarray(spline(inside) + slope)


def numbered(keys: Array) -> tuple[Array, Array]:
    """Return (N,) the number of each row's key among all keys, from 0, and how often each is.

    Parameters
    ----------
    keys : (N,) whole numbers from 0. Where they are small they are counted, which is far faster
        than to sort them.
    """
    if len(keys) and keys.max() >= max(_MAX_COUNTED, 4 * len(keys)):
        _, number, counts = np.unique(keys, return_inverse=True, return_counts=True)
        return number, counts
    counts = np.bincount(keys)
    is_there = counts > 0
    return (np.cumsum(is_there) - 1)[keys], counts[is_there]


def _halves(xyz: Array) -> Array:
    """Return (N,) whether a row is of the second half: squares of the field that alternate.

    A molecule and its neighbours are in one half, so the halves share no error.
    """
    tile = np.floor(xyz[:, :2] / _HALF_TILE_NM).astype(np.int64)
    tile -= tile.min(axis=0)
    where, counts = numbered(tile[:, 0] * (tile[:, 1].max() + 1) + tile[:, 1])
    if len(counts) < _FEWEST_TILES:
        return np.random.default_rng(0).random(len(xyz)) < 0.5
    rank = np.empty(len(counts), np.int64)
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    return np.asarray(np.isin(rank % 4, (1, 2))[where])  # 0 1 1 0: both get as many


def _precision_nm(table: Localizations) -> float:
    for name in ("uncertainty_x_nm", "uncertainty_y_nm"):
        if name in table:
            values = np.asarray(table[name], float)
            values = values[np.isfinite(values) & (values > 0)]
            if len(values):
                return float(np.clip(np.median(values), 3.0, 50.0))
    return 15.0
