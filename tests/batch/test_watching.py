"""Watching: a file that grows is waited for, new ones are taken, until somebody stops it."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import numpy as np
import tifffile
from tests.batch.conftest import write_movie

from napari_deepsmlm.batch import BatchFinished, BatchJob, StackEnded, Waiting

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_deepsmlm.batch import Recipe

SETTLE_S = 0.6
PATIENCE_S = 100


def acquire(day: Path, whole: bytes) -> None:
    """Write one movie page by page, a second one in pieces, then a third one."""
    frame = np.random.default_rng(0).integers(100, 900, (16, 16)).astype(np.uint16)
    for number in range(30):
        tifffile.imwrite(day / "pages.tif", frame + number, append=True, resolution=(1e5, 1e5, 3))
        with (day / "pieces.tif").open("ab") as file:
            start, stop = (len(whole) * n // 30 for n in (number, number + 1))
            file.write(whole[start:stop])
        time.sleep(0.05)
    write_movie(day / "third.tif", 9)


def test_a_growing_file_is_waited_for_and_an_acquisition_followed(
    recipe: Callable[..., Recipe], day: Path, tmp_path: Path
) -> None:
    whole = write_movie(tmp_path / "elsewhere" / "pieces.tif", n_frames=30).read_bytes()
    job = BatchJob(recipe(), tmp_path / "out", watch=True, settle_s=SETTLE_S)
    camera = threading.Thread(target=acquire, args=(day, whole))
    growing: set[str] = set()
    deadline = time.monotonic() + PATIENCE_S
    for event in job.run():
        if isinstance(event, StackEnded) and not camera.ident:
            camera.start()
        if isinstance(event, Waiting):
            growing |= {path.name for path in event.growing}
            done = {row.folder: row.frames for row in event.rows if row.state == "done"}
            if len(done) == 5 and not event.growing:
                job.stop()
        assert time.monotonic() < deadline
    camera.join()
    assert isinstance(event, BatchFinished)
    assert event.is_stopped
    frames = {row.folder: row.frames for row in event.rows if row.state == "done"}
    assert frames == {"cell_1": 10, "cell_2": 10, "pages": 30, "pieces": 30, "third": 10}
    assert {"pages.tif", "pieces.tif"} <= growing


def test_what_is_broken_is_said_once_and_tried_again_when_it_changes(
    recipe: Callable[..., Recipe], day: Path, tmp_path: Path
) -> None:
    (day / "cell_2.tif").write_bytes(b"II*\0garbage")
    job = BatchJob(recipe(), tmp_path / "out", watch=True, settle_s=0.3)
    states = []
    for event in job.run():
        if isinstance(event, StackEnded) and event.row.folder == "cell_2":
            states.append(event.row.state)
        if isinstance(event, Waiting) and len(event.rows) == 2 and not event.growing:
            if states == ["failed"]:
                write_movie(day / "cell_2.tif", 2)
            elif states:
                job.stop()
    assert states == ["failed", "done"]


def test_a_folder_that_is_still_empty_is_watched(
    recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    empty = tmp_path / "today"
    empty.mkdir()
    made = recipe().replace(inputs=(str(empty), str(tmp_path / "later" / "*.tif")))
    job = BatchJob(made, tmp_path / "out", watch=True, settle_s=0.2)
    ended = []
    for event in job.run():
        if isinstance(event, Waiting) and not event.rows:
            write_movie(empty / "a.tif")
            write_movie(tmp_path / "later" / "b.tif", 2)
        if isinstance(event, StackEnded):
            ended.append(event.row.folder)
            if len(ended) == 2:
                job.stop()
    assert sorted(ended) == ["a", "b"]
