"""Every table and figure of the papers can be made, from nothing, at the smallest scale."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from napari_deepsmlm.reproduction import (
    Bench,
    Done,
    all_figures,
    find_figures,
    read_outcome,
    reproduce,
)

if TYPE_CHECKING:
    from pathlib import Path

DEMANDED = {
    "deep-storm": {
        "density", "line-width", "line-pairs", "experimental", "run-time", "sparse-recovery",
    },
    "drsn-storm": {"nmse", "sums", "run-time", "upsampling", "ablation"},
    "dilated-loc": {
        "table-1", "table-2", "table-3", "throughput", "bound", "density", "context",
    },
    "voxel-wise": {"table-4", "table-5", "errors", "density", "drift", "speed", "movie"},
}  # fmt: skip
QUICK = ("dilated-loc:table-3", "dilated-loc:throughput", "voxel-wise:speed", "voxel-wise:movie")


def test_all_tables_and_figures_are_there() -> None:
    keys = {f"{paper}:{name}" for paper, names in DEMANDED.items() for name in names}
    assert set(all_figures()) == keys


def _made(key: str, folder: Path) -> None:
    bench = Bench(folder / "models", "tiny", "cpu")
    *_, done = reproduce(find_figures([key]), folder, bench)
    assert isinstance(done, Done)
    record = read_outcome(folder / f"{key.replace(':', '-')}.json")
    assert record["key"] == key
    assert record["rows"]
    assert all(row.why for row in record["rows"])
    assert all_figures()[key].trains == any(record["networks"].values())
    with (folder / f"{key.replace(':', '-')}.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["quantity"] for row in rows] == [row.quantity for row in record["rows"]]
    with Image.open(folder / f"{key.replace(':', '-')}.png") as picture:
        assert picture.size == (840, 504)


@pytest.mark.parametrize("key", QUICK)
def test_a_figure_is_made(key: str, tmp_path: Path) -> None:
    _made(key, tmp_path)


@pytest.mark.slow  # networks are trained for a step, and PSFs of 71 pixels are tabulated
@pytest.mark.parametrize("key", sorted(set(all_figures()) - set(QUICK)))
def test_every_other_figure_is_made(key: str, tmp_path: Path) -> None:
    _made(key, tmp_path)


def test_a_quick_run_counts_the_multiply_adds_of_the_published_network(tmp_path: Path) -> None:
    _made("dilated-loc:table-3", tmp_path)
    rows = read_outcome(tmp_path / "dilated-loc-table-3.json")["rows"]
    (counted,) = [row for row in rows if row.quantity.startswith("multiply-adds of")]
    assert counted.paper == 2.024e10
    assert counted.ours == pytest.approx(2.0112e10, rel=1e-4)
