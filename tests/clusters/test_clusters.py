"""Clusters: what was planted is found, numbered, and described."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from tests.cli.conftest import call

from napari_deepsmlm.clusters import ClusterOptions, cluster_table, clusters, dbscan
from napari_deepsmlm.io import read_localizations, write_localizations
from napari_deepsmlm.localizations import Localizations

if TYPE_CHECKING:
    from pathlib import Path

RNG = np.random.default_rng(0)
N, EACH = 30, 40


def planted() -> tuple[Localizations, np.ndarray]:
    grid = np.stack(np.meshgrid(np.arange(6), np.arange(5)), -1).reshape(-1, 2) * 1000.0 + 500
    which = np.repeat(np.arange(N), EACH)
    near = grid[which] + RNG.normal(size=(N * EACH, 2)) * 12
    x, y = np.concatenate([near, RNG.uniform(0, 6000, (300, 2))]).T
    truth = np.concatenate([which, np.full(300, -1)])
    photons = np.full(len(x), 100.0)
    return Localizations(frame=np.arange(len(x)), x_nm=x, y_nm=y, photons=photons), truth


def brute(xy: np.ndarray, radius: float, least: int) -> tuple[np.ndarray, np.ndarray]:
    """DBSCAN as its definition says, from every row: labels, and how many clusters reach each."""
    near = np.hypot(*(xy[:, None] - xy[None]).transpose(2, 0, 1)) <= radius
    core = near.sum(1) >= least
    label, n = np.full(len(xy), -1), 0
    for start in np.flatnonzero(core):
        if label[start] >= 0:
            continue
        label[start], waiting = n, [start]
        while waiting:
            for other in np.flatnonzero(near[waiting.pop()] & core & (label < 0)):
                label[other] = n
                waiting.append(other)
        n += 1
    reached = near @ (core[:, None] & (label[:, None] == np.arange(n)))  # (N, n) by which clusters
    rim = ~core & reached.any(1)
    label[rim] = reached[rim].argmax(1)
    return label, reached.sum(1)


def test_planted_clusters_are_found() -> None:
    table, truth = planted()
    label = clusters(table, ClusterOptions(radius_nm=20, min_molecules=6))
    assert label.max() + 1 == N
    inside = truth >= 0
    assert (label[inside] == truth[inside]).mean() > 0.97
    assert (label[~inside] == -1).mean() > 0.95


def test_clusters_are_those_of_the_definition_and_a_rim_between_two_goes_to_the_first() -> None:
    xy = np.random.default_rng(0).uniform(0, 1000, (400, 2))
    table = Localizations(frame=np.zeros(400, int), x_nm=xy[:, 0], y_nm=xy[:, 1])
    expected, n_reaching = brute(xy, 60, 7)
    assert expected.max() > 3
    assert (n_reaching > 1).any()
    np.testing.assert_array_equal(
        clusters(table, ClusterOptions(radius_nm=60, min_molecules=7)), expected
    )


def test_more_neighbours_than_memory_holds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dbscan, "MAX_PAIRS", 99)
    table = Localizations(frame=np.zeros(10, int), x_nm=np.zeros(10), y_nm=np.zeros(10))
    with pytest.raises(ValueError, match="On average 10 molecules lie within 50 nm"):
        clusters(table)


def test_a_table_of_clusters_holds_their_measures() -> None:
    table, _ = planted()
    label = clusters(table, ClusterOptions(radius_nm=25, min_molecules=6))
    rows = cluster_table(table, label)
    assert list(rows["group"]) == list(range(N))
    assert rows["n_locs"].sum() == (label >= 0).sum()
    assert rows["std_x"].mean() == pytest.approx(12, rel=0.1)
    assert rows["photons"].sum() == pytest.approx(100 * rows["n_locs"].sum())
    first = label == 0
    assert rows["x"][0] == pytest.approx(table.x_nm[first].mean())
    assert 0 < rows["convexhull"][0] < 0.02


def test_nothing_is_no_cluster() -> None:
    assert len(clusters(Localizations.empty())) == 0
    one = Localizations(frame=[0], x_nm=[0.0], y_nm=[0.0])
    assert clusters(one).tolist() == [-1]
    assert len(cluster_table(one, clusters(one))) == 0


def test_depth_counts() -> None:
    z = np.repeat([0.0, 500.0], 20)
    table = Localizations(frame=np.zeros(40, int), x_nm=np.zeros(40), y_nm=np.zeros(40), z_nm=z)
    assert clusters(table, ClusterOptions(radius_nm=50)).max() == 1


def test_the_command_writes_both_tables(tmp_path: Path) -> None:
    table, _ = planted()
    source, out, rows = (tmp_path / name for name in ("locs.csv", "in.csv", "clusters.csv"))
    write_localizations(table, source)
    options = ("--radius", 25, "--least", 6, "--table", rows)
    result = call("cluster", source, "--out", out, *options, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["clusters"] == N
    assert len(pd.read_csv(rows)) == N
    assert read_localizations(out)["group"].max() == N - 1
    wrong = call("cluster", source, "--out", out, "--table", tmp_path / "c.txt")
    assert wrong.exit_code == 2
