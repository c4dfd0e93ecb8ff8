"""Which movies files, folders and patterns stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tifffile
from tests.batch.conftest import write_movie

from napari_deepsmlm.batch import StackFinder

if TYPE_CHECKING:
    from pathlib import Path


def names(finder: StackFinder) -> list[str]:
    return [stack.path.name for stack in finder.find().stacks]


def test_a_folder_stands_for_its_movies_in_natural_order(tmp_path: Path) -> None:
    for name in ("c10.tif", "c2.tif", ".hidden.tif"):
        write_movie(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no frames")
    assert names(StackFinder([str(tmp_path)])) == ["c2.tif", "c10.tif"]


def test_a_snapshot_is_left_out_and_said_but_what_is_damaged_is_not(tmp_path: Path) -> None:
    write_movie(tmp_path / "a.tif")
    write_movie(tmp_path / "snapshot.tif", n_frames=1)
    (tmp_path / "broken.tif").write_bytes(b"II*\0garbage")
    (tmp_path / "empty.tif").touch()
    found = StackFinder([str(tmp_path)]).find()
    assert [stack.path.name for stack in found.stacks] == ["a.tif", "broken.tif", "empty.tif"]
    assert [path.name for path in found.left_out] == ["snapshot.tif"]


def test_a_pattern_finds_files_and_folders_and_a_name_with_brackets_is_a_name(
    tmp_path: Path,
) -> None:
    for name in ("day1/a.tif", "day2/b.tif", "day2/[c].tif"):
        write_movie(tmp_path / name)
    assert names(StackFinder([str(tmp_path / "*/?.tif")])) == ["a.tif", "b.tif"]
    assert names(StackFinder([str(tmp_path / "day*")])) == ["a.tif", "[c].tif", "b.tif"]
    assert names(StackFinder([str(tmp_path / "day2/[c].tif")])) == ["[c].tif"]
    assert names(StackFinder([str(tmp_path / "**/b.tif")])) == ["b.tif"]


def test_results_are_no_inputs_and_nothing_is_listed_twice(tmp_path: Path) -> None:
    a = write_movie(tmp_path / "a.tif")
    for name in ("reconstruction.tif", "rendered.tif"):
        write_movie(tmp_path / "earlier" / "a" / name)
    (tmp_path / "earlier" / "a" / "batch.json").write_text("{}")
    inputs = [str(tmp_path / "**/*.tif"), str(a), str(tmp_path)]
    assert names(StackFinder(inputs)) == ["a.tif"]


def test_single_images_are_one_movie_of_all_of_them(tmp_path: Path) -> None:
    for number in range(12):
        image = np.full((16, 16), number, np.uint16)
        tifffile.imwrite(tmp_path / f"img_{number}.tif", image)
    for inputs in ([str(tmp_path)], [str(tmp_path / "*.tif")]):
        (stack,) = StackFinder(inputs).find().stacks
        assert [path.name for path in stack.paths] == [f"img_{n}.tif" for n in range(12)]
        assert len(stack.files()) == 12


def test_planes_are_one_stack_where_the_recipe_says_so(tmp_path: Path) -> None:
    for name in ("cell_plane1.tif", "cell_plane2.tif", "other.tif"):
        write_movie(tmp_path / name)
    found = StackFinder([str(tmp_path)], planes=True).find()
    assert [len(stack.paths) for stack in found.stacks] == [2, 1]
    assert found.stacks[0].source().shape == (10, 2, 16, 16)
    assert len(StackFinder([str(tmp_path)]).find().stacks) == 3


def test_the_header_of_a_raw_movie_is_one_of_its_files(tmp_path: Path) -> None:
    for name in ("a.raw", "a.yaml"):
        (tmp_path / name).touch()
    (stack,) = StackFinder([str(tmp_path)]).find().stacks
    assert stack.files() == [tmp_path / "a.raw", tmp_path / "a.yaml"]
