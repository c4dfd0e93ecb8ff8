"""Rows that no movie has, and files that would replace each other: one sentence, nothing lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from tests.cli.conftest import call

from napari_deepsmlm.io import read_localizations, write_localizations
from napari_deepsmlm.localizations import Localizations

if TYPE_CHECKING:
    from pathlib import Path


def table(n: int = 400, **columns: np.ndarray) -> Localizations:
    rng = np.random.default_rng(0)
    known = {
        "frame": np.sort(rng.integers(0, 100, n)),
        "x_nm": rng.uniform(0, 3000, n),
        "y_nm": rng.uniform(0, 3000, n),
        "uncertainty_x_nm": np.full(n, 10.0),
        "uncertainty_y_nm": np.full(n, 10.0),
    }
    return Localizations.from_columns(known | columns)


@pytest.mark.parametrize("command", ["drift", "link"])
def test_a_frame_that_no_movie_has_is_one_sentence(command: str, tmp_path: Path) -> None:
    good = table()
    frame = np.append(good.frame[:-1], 4_000_000_000)
    write_localizations(good.with_columns(frame=frame), tmp_path / "t.csv")
    done = call(command, tmp_path / "t.csv", "--out", tmp_path / "o.csv")
    assert done.exit_code == 2
    assert "a molecule in frame 4,000,000,001, and no movie has more" in done.output


def test_a_replay_of_a_frame_that_no_movie_has_is_refused(tmp_path: Path) -> None:
    damaged = Localizations(frame=[0, 4_000_000_000], x_nm=[5.0, 5.0], y_nm=[5.0, 5.0])
    damaged = damaged.with_columns(photons=np.array([900.0, 900.0]))
    write_localizations(damaged, tmp_path / "t.csv")
    out = tmp_path / "movie"
    done = call("simulate", "deep-storm-demo", "--activations", tmp_path / "t.csv", "--out", out)
    assert done.exit_code == 2
    assert "no movie has more" in done.output
    assert not out.exists()


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_rows_that_are_nowhere_are_left_out(bad: float, tmp_path: Path) -> None:
    depth = np.linspace(-300, 300, 400)
    depth[::4] = bad
    write_localizations(table(z_nm=depth), tmp_path / "t.csv")
    clustered = call("cluster", tmp_path / "t.csv", "--out", tmp_path / "c.csv", "--radius", 500)
    assert clustered.exit_code == 0, clustered.output
    assert 0 < len(read_localizations(tmp_path / "c.csv")) <= 300
    linked = call("link", tmp_path / "t.csv", "--out", tmp_path / "l.csv", "--distance", 20)
    assert linked.exit_code == 0, linked.output
    assert "100 rows without a position that is possible left out" in linked.output
    assert np.isfinite(read_localizations(tmp_path / "l.csv")["z_nm"]).all()


@pytest.mark.parametrize("bad", [np.inf, 1e9])
def test_a_fit_that_failed_along_one_axis_is_drawn_in_bounds(bad: float, tmp_path: Path) -> None:
    uncertain = np.full(400, 10.0)
    uncertain[0] = bad
    write_localizations(table(uncertainty_x_nm=uncertain), tmp_path / "t.hdf5", pixel_size_nm=100)
    out = tmp_path / "image.tif"
    done = call("render", tmp_path / "t.hdf5", "--out", out, "--kind", "gaussian")
    assert done.exit_code == 0, done.output
    assert tifffile.imread(out).sum() == pytest.approx(400, rel=0.1)


def test_a_volume_holds_its_molecules_and_says_who_has_no_depth(tmp_path: Path) -> None:
    depth = np.random.default_rng(1).uniform(-300, 300, 400)
    depth[:50] = np.nan
    rows = table(z_nm=depth, uncertainty_z_nm=np.full(400, 40.0))
    inside = (np.abs(rows.x_nm - 1500) < 1400) & (np.abs(rows.y_nm - 1500) < 1400)
    write_localizations(rows[inside], tmp_path / "t.csv")
    out = tmp_path / "v.tif"
    done = call("render", tmp_path / "t.csv", "--out", out, "--volume", "--kind", "gaussian")
    assert done.exit_code == 0, done.output
    n_flat = int(np.isnan(depth[inside]).sum())
    assert f"{n_flat} molecules without depth left out" in done.output
    assert tifffile.imread(out).sum() == pytest.approx(inside.sum() - n_flat, rel=0.005)


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("filter", ("--where", "x < 1000")),
        ("drift", ()),
        ("link", ()),
        ("cluster", ()),
        ("convert", ()),
    ],
)
def test_the_table_that_is_read_is_not_replaced(
    command: str, options: tuple[str, ...], tmp_path: Path
) -> None:
    path = tmp_path / "t.csv"
    write_localizations(table(), path)
    before = path.read_bytes()
    done = call(command, path, *options, "--out", path)
    assert done.exit_code == 2
    assert "one of the files that are read" in " ".join(done.output.split())
    assert path.read_bytes() == before
    wrong = call(command, path, *options, "--out", tmp_path / "t.docx")
    assert wrong.exit_code == 2
    assert "unknown table format '.docx'" in " ".join(wrong.output.split())


@pytest.mark.parametrize(("command", "option"), [("drift", "--curve"), ("cluster", "--table")])
def test_two_outputs_need_two_files(command: str, option: str, tmp_path: Path) -> None:
    write_localizations(table(), tmp_path / "t.csv")
    out = tmp_path / "o.csv"
    done = call(command, tmp_path / "t.csv", "--out", out, option, out)
    assert done.exit_code == 2
    assert "is named twice" in done.output
    assert not out.exists()


def test_a_table_of_another_movie_is_not_judged(tmp_path: Path) -> None:
    write_localizations(table(), tmp_path / "t.csv")
    tifffile.imwrite(tmp_path / "stack.tif", np.full((12, 16, 16), 100, np.uint16))
    words = ("--frames", tmp_path / "stack.tif", "--pixel-size", 100, "--out", tmp_path / "trust")
    done = call("trust", tmp_path / "t.csv", *words, "--model", "dilated-loc:2d-100nm")
    assert done.exit_code == 2
    assert "the last one in frame 100 of 12: give the stack" in " ".join(done.output.split())
