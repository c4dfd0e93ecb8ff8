"""Marks: what a built-in model has to reach on a microscope that nobody described to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from judging.judge import Row
    from judging.sums import SumRow

STANDS_OUT = 8.0
"""Standard deviations of its noise by which a molecule's brightest pixel is above the rest."""
SPARSE_JACCARD, CROWDED_JACCARD = 0.95, 0.80
SPARSE_DENSITY, CROWDED_DENSITY = 0.2, 3.3
"""Up to these densities (per area of a spot of 110 nm) the marks hold."""
RMSE_OVER_BOUND = 1.25
FALSE_PER_UM2 = 0.01
SLACK_POINTS = 1.0
"""Of efficiency: what chance moves on the few molecules of one stack."""
TRAP_SHARE = 0.95
"""Of the molecules found without a trap those that are to be found with it."""

SOUND_PRECISION = 0.5
"""Of less than this a recall is worth nothing."""


@dataclass(frozen=True)
class Mark:
    """One demand on one condition."""

    condition: str
    demand: str
    got: float
    wanted: float
    miss_percent: float
    """How far it is missed, 0 (reached) to 100."""

    @property
    def is_reached(self) -> bool:
        """Whether the demand is met."""
        return self.miss_percent == 0


def marks_of(row: Row) -> Iterator[Mark]:
    """Yield the marks of a row."""
    name = row.condition if row.seed == 1 else f"{row.condition} ({row.seed})"
    scores, fitter = row.scores, row.fitter
    if row.trap.startswith("empty"):
        false = scores["false_per_um2"]
        yield Mark(name, "false on empty frames", false, FALSE_PER_UM2, above(false, FALSE_PER_UM2))
        return
    reached, wanted = row.efficiency, float(np.clip(np.nan_to_num(fitter["efficiency"]), 0, 100))
    miss = wanted - reached if wanted - reached > SLACK_POINTS else 0.0
    yield Mark(name, "efficiency of the fitter", reached, wanted, miss)
    if row.trap:
        yield from _trap_marks(name, row)
        return
    if row.stands_out >= STANDS_OUT:
        density = row.density_at_110_nm
        least = SPARSE_JACCARD if density <= SPARSE_DENSITY else CROWDED_JACCARD
        if density <= CROWDED_DENSITY:
            jaccard = float(np.nan_to_num(scores["jaccard"]))
            yield Mark(name, "Jaccard", jaccard, least, below(jaccard, least))
    if row.density_at_110_nm <= SPARSE_DENSITY:
        largest, lone_nm = RMSE_OVER_BOUND * row.lone_bound_nm, scores["lone_rmse_nm"]
        yield Mark(name, "RMSE of lone molecules, nm", lone_nm, largest, above(lone_nm, largest))


def _trap_marks(name: str, row: Row) -> Iterator[Mark]:
    before = float(np.nan_to_num(row.without_trap["recall"]))
    wanted, recall = TRAP_SHARE * before, float(np.nan_to_num(row.scores["recall"]))
    # Who finds nothing without the trap either, or names every pixel, has not withstood it.
    is_sound = before > 0 and float(np.nan_to_num(row.scores["precision"])) >= SOUND_PRECISION
    miss = below(recall, wanted) if is_sound else 100.0
    yield Mark(name, "recall of the sample without the trap", recall, wanted, miss)


def image_marks(row: SumRow) -> Iterator[Mark]:
    """Yield the mark of a summed image: no worse than one drawn from the fitter's molecules."""
    got, wanted = row.nmse_percent, row.fitter_nmse_percent + SLACK_POINTS
    yield Mark(row.condition, "NMSE of the fitter's image, %", got, wanted, above(got, wanted))


def worst_of(marks: Iterable[Mark]) -> tuple[str, float]:
    """Return the condition that misses a mark by most, and by how many percent."""
    worst = max(marks, key=lambda mark: mark.miss_percent, default=None)
    return ("", 0.0) if worst is None else (worst.condition, worst.miss_percent)


def below(got: float, wanted: float) -> float:
    """Return by how many percent a value is too small."""
    return max(0.0, 100 * (1 - got / wanted)) if wanted > 0 else 0.0


def above(got: float, wanted: float) -> float:
    """Return by how many percent a value is too large; one that is not known is all wrong."""
    if not (np.isfinite(got) and np.isfinite(wanted)):
        return 100.0
    return max(0.0, 100 * (1 - wanted / got)) if got > 0 else 0.0
