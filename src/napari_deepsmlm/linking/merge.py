"""Merging: what becomes of each column where several rows are one molecule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_deepsmlm.localizations import Localizations

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]

LAST_FRAME = "last_frame"
_SUMMED = ("photons",)
_FIRST = ("frame", "molecule", "id")
_POSITIONS = ("x_nm", "y_nm", "z_nm")
_TAKES_MAX = ("probability",)


def merged(table: Localizations, molecule: Array) -> Localizations:
    """Return one row for each molecule.

    Photons are added. A position is the mean weighted by 1/σ² of that axis, and its uncertainty
    1/√(Σ 1/σ²); without uncertainties the weights are the photons, or all one. `detections` counts
    rows, `last_frame` is the last, the probability the largest; other columns are means.

    Parameters
    ----------
    table : (N,) rows in the order of their frames.
    molecule : (N,) numbers from 0 in the order in which molecules appear.
    """
    n = int(molecule.max()) + 1 if len(molecule) else 0
    counts = np.bincount(molecule, minlength=n)
    head = np.zeros(n, np.int64)
    head[molecule[::-1]] = np.arange(len(molecule))[::-1]
    columns: dict[str, Any] = {}
    for name in table.names:
        values = np.asarray(table[name])
        if name in _FIRST:
            columns[name] = values[head]
        elif name in _SUMMED:
            columns[name] = np.bincount(molecule, values, minlength=n)
        elif name in _POSITIONS:
            columns[name] = _weighted(values, _weights(table, name), molecule, n)
        elif name.startswith("uncertainty_"):
            columns[name] = _combined(values, molecule, n)
        elif name in _TAKES_MAX:
            largest = np.full(n, -np.inf)
            np.maximum.at(largest, molecule, values)
            columns[name] = largest
        elif name != "detections":
            mean = np.bincount(molecule, values.astype(float), minlength=n) / counts
            columns[name] = mean
    detections = table["detections"] if "detections" in table else np.ones(len(table))
    columns["detections"] = np.rint(np.bincount(molecule, detections, minlength=n)).astype(np.int64)
    last = np.zeros(n, np.int64)
    np.maximum.at(last, molecule, np.asarray(table.frame))
    columns[LAST_FRAME] = last
    return Localizations.from_columns(columns)


def _weights(table: Localizations, name: str) -> Array:
    sigma = f"uncertainty_{name}"
    if sigma in table:
        values = np.asarray(table[sigma], float)
        usable = np.isfinite(values) & (values > 0)
        if usable.any():
            return 1 / np.where(usable, values, values[usable].max()) ** 2
    if "photons" in table:
        photons = np.asarray(table["photons"], float)
        if (photons > 0).all():
            return photons
    return np.ones(len(table))


def _weighted(values: Array, weights: Array, molecule: Array, n: int) -> Array:
    # about the whole's mean: sums of large numbers would lose digits
    middle = float(np.mean(values)) if len(values) else 0.0
    total = np.bincount(molecule, weights, minlength=n)
    return np.asarray(
        middle + np.bincount(molecule, weights * (values - middle), minlength=n) / total
    )


def _combined(sigma: Array, molecule: Array, n: int) -> Array:
    sigma = sigma.astype(float)
    usable = np.isfinite(sigma) & (sigma > 0)
    information = np.bincount(molecule[usable], sigma[usable] ** -2.0, minlength=n)
    with np.errstate(divide="ignore"):
        return np.where(information > 0, 1 / np.sqrt(information), np.nan)
