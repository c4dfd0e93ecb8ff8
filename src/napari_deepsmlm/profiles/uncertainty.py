"""Uncertainty of a fit whose noise is neither even nor independent from sample to sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    Floats = np.ndarray[Any, np.dtype[np.float64]]

CONFIDENCE = 0.95
_MAX_CORRELATED = 0.9
_MAX_REACH = 10.0  # times the number itself


def covariance_of(slopes: Floats, residual: Floats) -> Floats:
    """Return the (k, k) covariance of fitted numbers; NaN for those that the values do not tell.

    Photons and molecules are noisiest where there are most of them, so each sample's noise is
    taken from its own residual (HC3: MacKinnon and White 1985,
    doi:10.1016/0304-4076(85)90158-7). Where molecules are drawn as spots, neighbours share their
    noise: variances are multiplied by (1 + rho) / (1 - rho), with rho the correlation of neighbours
    (Bayley and Hammersley 1946, doi:10.2307/2983560).

    Parameters
    ----------
    slopes : (n, k) derivatives of the curve.
    residual : (n,) what the curve leaves.
    """
    scale = np.linalg.norm(slopes, axis=0)
    is_told = scale > 1e-9 * scale.max()
    free = slopes[:, is_told] / scale[is_told]
    bread = np.linalg.pinv(free.T @ free, rcond=1e-12, hermitian=True)
    leverage = np.einsum("ij,jk,ik->i", free, bread, free)
    pulls = free * (residual / np.maximum(1 - leverage, 1e-3))[:, None]
    robust = bread @ (pulls.T @ pulls) @ bread
    rho = _correlation(residual, len(scale))
    robust *= (1 + rho) / (1 - rho)
    covariance = np.full((len(scale), len(scale)), np.nan)
    told = np.ix_(is_told, is_told)
    covariance[told] = robust / np.outer(scale[is_told], scale[is_told])
    return covariance


def standard_error(slopes: Floats, covariance: Floats) -> float:
    """Return the standard error of a function of the numbers with (k,) slopes (delta method)."""
    is_used = np.abs(slopes) > 1e-9
    used = slopes[is_used]
    return float(np.sqrt(used @ covariance[np.ix_(is_used, is_used)] @ used))


def derivatives(function: Callable[[Floats], Any], numbers: Floats) -> Floats:
    """Return (..., k) central differences of a function of k numbers, each of about 1."""
    columns = []
    for i, step in enumerate(1e-4 * np.maximum(np.abs(numbers), 0.1)):
        shift = np.zeros(len(numbers))
        shift[i] = step
        up, down = function(numbers + shift), function(numbers - shift)
        columns.append((np.asarray(up) - np.asarray(down)) / (2 * step))
    return np.stack(columns, -1)


def interval(value: float, error: float, degrees_of_freedom: int) -> tuple[float, float]:
    """Return the limits between which a number that cannot be negative is in 95 % of cases.

    They are NaN where the error is so large that nothing is known of the number.
    """
    from scipy.stats import t

    reach = float(t.ppf((1 + CONFIDENCE) / 2, degrees_of_freedom)) * error
    if not reach < _MAX_REACH * value:
        return float("nan"), float("nan")
    return max(value - reach, 0.0), value + reach


def _correlation(residual: Floats, n_fitted: int) -> float:
    """Return the correlation of neighbours, 0 or more; a fit of k numbers lowers it by k / n."""
    power = float(residual @ residual)
    if power == 0:
        return 0.0
    rho = float(residual[1:] @ residual[:-1]) / power + n_fitted / len(residual)
    return min(max(rho, 0.0), _MAX_CORRELATED)
