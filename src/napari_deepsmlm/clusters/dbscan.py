"""Clusters: molecules that lie densely together, by DBSCAN, and a table of what each is like.

Ester et al. 1996: a molecule with enough others around it is a core; cores within reach of each
other are one cluster, and so are the molecules at its rim. A molecule in reach of two clusters goes
to the one with the first core, as in scikit-learn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from napari_deepsmlm._base import FrozenModel
from napari_deepsmlm.localizations import known_places

if TYPE_CHECKING:
    import pandas as pd

    from napari_deepsmlm.localizations import Localizations

    Array = np.ndarray[Any, Any]

NOBODY = -1
MAX_PAIRS = 200_000_000
"""scikit-learn keeps all neighbours of all molecules: 8 bytes each."""


class ClusterOptions(FrozenModel):
    """What is a cluster."""

    radius_nm: float = Field(50.0, gt=0, le=10_000, description="Reach of a molecule (ε).")
    min_molecules: int = Field(
        10, ge=1, le=1_000_000, description="Molecules within the reach of a core, itself included."
    )


def clusters(table: Localizations, options: ClusterOptions | None = None) -> Array:
    """Return (N,) the number of each molecule's cluster from 0, -1 for none; 3-D if the table is.

    Clusters are numbered in the order of their first cores.

    Raises
    ------
    ValueError
        If so many molecules lie within reach of each other that memory would not do.

    Examples
    --------
    >>> from napari_deepsmlm.localizations import Localizations
    >>> table = Localizations(frame=[0] * 5, x_nm=[0, 1, 2, 90, 91], y_nm=[0.0] * 5)
    >>> clusters(table, ClusterOptions(radius_nm=5, min_molecules=3))
    array([ 0,  0,  0, -1, -1])
    """
    from scipy.spatial import cKDTree
    from sklearn.cluster import DBSCAN

    options = options or ClusterOptions()
    axes = [name for name in ("x_nm", "y_nm", "z_nm") if name in table]
    xyz = np.stack([np.asarray(table.to_numpy()[name], float) for name in axes], axis=1)
    label = np.full(len(xyz), NOBODY)
    known = known_places(table, axes)
    if not known.all():  # who is nowhere is in no cluster
        label[known] = clusters(table[known], options)
        return label
    if not len(xyz):
        return label
    n_near = cKDTree(xyz).query_ball_point(xyz, options.radius_nm, return_length=True)
    if n_near.sum() > MAX_PAIRS:
        raise ValueError(
            f"On average {n_near.mean():,.0f} molecules lie within {options.radius_nm:g} nm of "
            "each other, too many; choose a smaller radius, or a region."
        )
    search = DBSCAN(eps=options.radius_nm, min_samples=options.min_molecules)
    return np.asarray(search.fit(xyz).labels_)


def cluster_table(table: Localizations, label: Array) -> pd.DataFrame:
    """Return one row for each cluster, with the columns that Picasso gives its clusters.

    `group`, `n_locs`, `frame` and `std_frame` (mean and spread, from 0), `x`, `y` (and `z`) in nm,
    their spreads `std_x`, `std_y` (`std_z`), `photons` in sum, `area` in um^2 or `volume` in um^3
    of two spreads around the middle, and `convexhull` in um^2.
    """
    import pandas as pd

    table = table.to_numpy()
    kept = label >= 0
    group, n = label[kept], int(label.max()) + 1 if kept.any() else 0
    counts = np.bincount(group, minlength=n)
    columns: dict[str, Array] = {"group": np.arange(n), "n_locs": counts}
    axes = {"frame": "frame", "x": "x_nm", "y": "y_nm", "z": "z_nm"}
    for short, name in axes.items():
        if name in table:
            values = np.asarray(table[name], float)[kept]
            mean = np.bincount(group, values, minlength=n) / counts
            spread = np.bincount(group, (values - mean[group]) ** 2, minlength=n) / counts
            columns |= {short: mean, f"std_{short}": np.sqrt(spread)}
    if "photons" in table:
        columns["photons"] = np.bincount(group, np.asarray(table["photons"])[kept], minlength=n)
    across = columns["std_x"] + columns["std_y"] if n else np.zeros(0)
    columns["area"] = np.pi * across**2 / 1e6
    if "std_z" in columns:
        radii = columns["std_x"] * columns["std_y"] * columns["std_z"]
        columns["volume"] = 4 / 3 * np.pi * 8 * radii / 1e9
    columns["convexhull"] = _hulls(table.x_nm[kept], table.y_nm[kept], group, n)
    return pd.DataFrame(columns)


def _hulls(x: Array, y: Array, group: Array, n: int) -> Array:
    from scipy.spatial import ConvexHull, QhullError

    areas = np.zeros(n)
    order = np.argsort(group, kind="stable")
    ends = np.cumsum(np.bincount(group, minlength=n))
    for k, rows in enumerate(np.split(order, ends[:-1]) if n else []):
        if len(rows) < 3:  # no area
            continue
        try:
            areas[k] = ConvexHull(np.column_stack([x[rows], y[rows]])).volume / 1e6
        except QhullError:  # all on a line
            areas[k] = 0.0
    return areas
