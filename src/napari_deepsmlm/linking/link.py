"""Linking: the rows of a molecule in several frames become one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from pydantic import Field

from napari_deepsmlm._base import FrozenModel
from napari_deepsmlm._words import counted
from napari_deepsmlm.linking.merge import merged
from napari_deepsmlm.linking.pairs import near_pairs
from napari_deepsmlm.linking.propose import Z_RATIO, propose, repeated_share
from napari_deepsmlm.localizations import at_known_places, count_frames

if TYPE_CHECKING:
    from napari_deepsmlm.localizations import Localizations

    Array = np.ndarray[Any, Any]

LEAST_SAID = 0.02


class LinkOptions(FrozenModel):
    """Which rows are one molecule."""

    distance_nm: float | None = Field(
        None, gt=0, le=2000, description="Largest distance; default: by the measured precision."
    )
    dark_frames: int | None = Field(
        None,
        ge=0,
        le=10_000,
        description="Frames that a molecule may be dark in between; default: by the data.",
    )
    duplicates_nm: float | None = Field(
        None,
        gt=0,
        le=2000,
        description="Rows of one frame that are nearer are one molecule found twice: the surer "
        "one is kept; default: none are removed.",
    )


class LinkResult(NamedTuple):
    """A table of molecules and how it was made."""

    table: Localizations
    """One row for each molecule, at its first frame."""
    n_before: int
    n_duplicates: int
    distance_nm: float
    dark_frames: int
    nena_nm: float | None
    """Precision of the rows before, along x and y, nm."""
    nena_after_nm: float | None
    repeated: float | None
    """Share of the rows that seem to be molecules that were counted before."""
    remarks: tuple[str, ...]

    def report(self) -> dict[str, Any]:
        """Return the numbers by their names on the command line."""
        values = self._asdict()
        del values["table"], values["remarks"]
        values["molecules"] = len(self.table)
        values["mean_detections"] = self.mean_detections
        return {**values, "remarks": list(self.remarks)}

    @property
    def mean_detections(self) -> float:
        """Rows per molecule."""
        return (self.n_before - self.n_duplicates) / max(1, len(self.table))

    def sentence(self) -> str:
        """Return what was done, for a person."""
        text = (
            f"{counted(self.n_before, 'localization is', 'localizations are')} "
            f"{counted(len(self.table), 'molecule')}, "
            f"{self.mean_detections:.2f} each (within {self.distance_nm:.3g} nm, up to "
            f"{counted(self.dark_frames, 'dark frame')})"
        )
        if self.nena_nm is not None:
            text += f"; precision by NeNA {self.nena_nm:.1f} nm"
        return text + "."


def link(table: Localizations, options: LinkOptions | None = None) -> LinkResult:
    """Return one row for each molecule: photons added, positions weighted by their certainty.

    A row belongs to the one that comes next within the distance and the dark frames; where several
    could, the soonest and then the nearest does. Drift is to be taken off first.

    Raises
    ------
    ValueError
        If a frame is one that no movie has.
    """
    options = options or LinkOptions()
    table = table.to_numpy().sort()
    count_frames(table)  # refuses what no movie has
    table, remarks = at_known_places(table)
    n_before = len(table)
    if options.duplicates_nm is not None:
        table = without_duplicates(table, options.duplicates_nm)
    found = propose(table, options.distance_nm, options.dark_frames)
    molecule = _molecules(table, found.distance_nm, found.dark_frames)
    linked = merged(table, molecule)
    repeated = repeated_share(linked, found.distance_nm)
    remarks += found.remarks
    if repeated is not None and repeated >= LEAST_SAID:
        remarks.append(
            f"About {repeated:.0%} of the molecules seem to be counted more than once: they come "
            f"back after more than {counted(found.dark_frames, 'dark frame')}, so numbers of rows "
            "are no numbers of molecules."
        )
    return LinkResult(
        linked,
        n_before,
        n_before - len(table),
        found.distance_nm,
        found.dark_frames,
        found.nena_nm,
        None if found.nena_nm is None else found.nena_nm / np.sqrt(n_before / len(linked)),
        repeated,
        tuple(remarks),
    )


def without_duplicates(table: Localizations, within_nm: float) -> Localizations:
    """Return a table without the less certain of rows that are one molecule of one frame.

    The more probable row is kept, without probabilities the brighter one, else the first.
    """
    table = table.to_numpy()
    first, second, apart = near_pairs(table, within_nm, 0, min_gap=0, z_scale=1 / Z_RATIO)
    surer = next((n for n in ("probability", "photons") if n in table), None)
    rank = -np.asarray(table[surer], float) if surer else np.zeros(len(table))
    place = np.empty(len(table), np.int64)
    place[np.lexsort((np.arange(len(table)), rank))] = np.arange(len(table))
    kept = np.ones(len(table), bool)
    better = np.where(place[first] < place[second], first, second)
    worse = np.where(place[first] < place[second], second, first)
    for k in np.argsort(place[better], kind="stable"):
        if kept[better[k]]:
            kept[worse[k]] = False
    return table[kept]


def _molecules(table: Localizations, distance_nm: float, dark_frames: int) -> Array:
    """Return (N,) which molecule each row is of, numbered as they appear."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(table)
    first, second, apart = near_pairs(table, distance_nm, dark_frames + 1, z_scale=1 / Z_RATIO)
    frame = np.asarray(table.frame)
    # of those that are as soon and as near, the first rows: whichever way they were found
    order = np.lexsort((second, first, apart, frame[second] - frame[first]))
    first, second = _one_to_one(first[order], second[order], n)
    links = coo_array((np.ones(len(first), bool), (first, second)), shape=(n, n))
    _, label = connected_components(links, directed=False)
    _, where, number = np.unique(label, return_index=True, return_inverse=True)
    rank = np.empty(len(where), np.int64)
    rank[np.argsort(where)] = np.arange(len(where))
    return np.asarray(rank[number])


def _one_to_one(first: Array, second: Array, n: int) -> tuple[Array, Array]:
    """Return pairs, the best first, so that each row has one successor and one predecessor.

    That is the greedy choice, made for all pairs at once that are the best of both their rows.
    """
    kept: list[tuple[Array, Array]] = []
    while len(first):
        rank = np.arange(len(first))[::-1]
        best_next, best_before = np.zeros(n, np.int64), np.zeros(n, np.int64)
        best_next[first[::-1]] = rank[::-1]
        best_before[second[::-1]] = rank[::-1]
        is_best = (best_next[first] == rank) & (best_before[second] == rank)
        kept.append((first[is_best], second[is_best]))
        has_next, has_before = np.zeros(n, bool), np.zeros(n, bool)
        has_next[first[is_best]] = True
        has_before[second[is_best]] = True
        is_free = ~has_next[first] & ~has_before[second]
        first, second = first[is_free], second[is_free]
    if not kept:
        return first, second
    return np.concatenate([a for a, _ in kept]), np.concatenate([b for _, b in kept])
