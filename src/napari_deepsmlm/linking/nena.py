"""NeNA: the precision of positions from molecules that shine in two frames in a row.

Endesfelder et al. 2014, doi:10.1007/s00418-014-1192-3; here with all pairs of neighbouring frames
instead of nearest neighbours, so that chance pairs grow exactly as their distance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_deepsmlm.linking.pairs import near_pairs, sampled

if TYPE_CHECKING:
    from napari_deepsmlm.localizations import Localizations

    Array = np.ndarray[Any, Any]

MAX_APART_NM = 200.0
FEWEST_PAIRS = 50
REACH = 7.0
"""Widths that are looked at: far enough to see the level of chance."""
_BINS = 60


def nena(table: Localizations) -> float | None:
    """Return the precision along x and y, nm; None where too few molecules stay on.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_deepsmlm.localizations import Localizations
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.uniform(0, 50_000, (2, 2000, 1)) + rng.normal(0, 10, (2, 2000, 2))
    >>> table = Localizations(frame=np.tile([0, 1], 2000), x_nm=x.ravel(), y_nm=y.ravel())
    >>> round(nena(table))
    10
    """
    return nena_of_sample(sampled(table))


def nena_of_sample(table: Localizations) -> float | None:
    """Return the same of rows that are a sample already."""
    _, _, apart = near_pairs(table.without("z_nm"), MAX_APART_NM, 1)
    if len(apart) < FEWEST_PAIRS:
        return None
    reach, sigma = MAX_APART_NM, None
    for _ in range(4):
        sigma = _fit(apart[apart < reach], reach)
        if sigma is None:
            return None
        closer = min(MAX_APART_NM, max(REACH * sigma, 10.0))
        if abs(closer - reach) < 0.05 * reach:
            break
        reach = closer
    return sigma


def _fit(apart: Array, reach: float) -> float | None:
    """Return the width of true pairs' distances: A r/2σ² exp(-r²/4σ²) + C r."""
    from scipy.optimize import minimize_scalar

    counts, edges = np.histogram(apart, bins=_BINS, range=(0.0, reach))
    if counts.sum() < FEWEST_PAIRS:
        return None

    def solve(log_sigma: float) -> tuple[Array, float]:
        sigma = np.exp(log_sigma)
        true = -np.diff(np.exp(-(edges**2) / (4 * sigma**2)))
        design = np.stack([true, np.diff(edges**2) / reach**2], axis=1)
        root = 1 / np.sqrt(counts + 1.0)
        amounts, *_ = np.linalg.lstsq(design * root[:, None], counts * root, rcond=None)
        amounts = np.clip(amounts, 0, None)
        return amounts, float((((counts - design @ amounts) * root) ** 2).sum())

    bounds = (np.log(0.5), np.log(reach / 3))
    found = minimize_scalar(lambda s: solve(s)[1], bounds=bounds, method="bounded")
    amounts, _ = solve(found.x)
    if amounts[0] < max(FEWEST_PAIRS / 2, 3 * np.sqrt(counts.sum())):
        return None
    return float(np.exp(found.x))
