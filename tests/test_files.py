"""Writing where disks are full, file systems know little, and processes have died."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from napari_deepsmlm import _locks
from napari_deepsmlm._boundary import reading
from napari_deepsmlm._files import atomic_write, folder_lock, is_in_use
from napari_deepsmlm._hdf5 import ShieldedFile

if TYPE_CHECKING:
    from pathlib import Path

posix_only = pytest.mark.skipif(os.name == "nt", reason="a matter of POSIX file systems")


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    # Without what measures coverage, which could not write either.
    own = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=own,
    )


@posix_only
@pytest.mark.parametrize("kilobytes", [0, 1, 64, 300])
def test_a_picasso_table_on_a_full_disk_is_one_error_and_no_crash(
    tmp_path: Path, kilobytes: int
) -> None:
    code = """
import resource, signal, sys
import numpy as np
from napari_deepsmlm.io import write_localizations
from napari_deepsmlm.localizations import Localizations
table = Localizations(frame=np.arange(200_000), x_nm=np.ones(200_000), y_nm=np.ones(200_000))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
size = 1024 * int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
try:
    write_localizations(table, sys.argv[1], pixel_size_nm=100)
except OSError as error:
    sys.exit(f"errno {error.errno}")
"""
    done = run(code, str(tmp_path / "t.hdf5"), str(kilobytes))
    assert (done.returncode, done.stderr.split("\n")[-2:]) == (1, [f"errno {errno.EFBIG}", ""])
    assert list(tmp_path.iterdir()) == []


def test_a_shielded_file_keeps_the_first_error_and_reads_zeros_after_it(tmp_path: Path) -> None:
    with (tmp_path / "a").open("w+b") as file:
        shield = ShieldedFile(file)
        assert shield.write(b"abcd") == 4
        file.close()
        assert shield.write(b"more") == 4
        shield.flush()
        assert shield.seek(0) == 0
        assert shield.read(4) == bytes(4)
        with pytest.raises(ValueError, match="closed file"):
            shield.check()


# -- file systems that know little -------------------------------------------------------------


@posix_only
def test_files_are_written_where_there_are_no_rights_and_no_syncs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(number: int):
        def refused(*_: object) -> None:
            raise OSError(number, os.strerror(number))

        return refused

    monkeypatch.setattr(os, "chmod", refuse(errno.EPERM))
    monkeypatch.setattr(os, "fsync", refuse(errno.EINVAL))
    with atomic_write(tmp_path / "a") as file:
        file.write(b"x")
    assert (tmp_path / "a").read_bytes() == b"x"
    monkeypatch.setattr(os, "fsync", refuse(errno.EIO))
    with pytest.raises(OSError, match=os.strerror(errno.EIO)), atomic_write(tmp_path / "a") as file:
        file.write(b"y")
    assert (tmp_path / "a").read_bytes() == b"x"


@pytest.fixture
def no_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system whose answer to every lock is that it has none."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(_locks.FileLock, "acquire", refuse)


def test_a_file_in_the_place_of_a_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "deeper"):
        said = pytest.raises(NotADirectoryError, match="there is a file in its place")
        with said as caught, folder_lock(folder):
            pass
        assert str(folder) in str(caught.value)


@pytest.mark.usefixtures("no_locks")
def test_a_folder_is_held_without_locks_too(tmp_path: Path) -> None:
    with folder_lock(tmp_path):
        assert is_in_use(tmp_path)
        with pytest.raises(FileExistsError, match="in use by another run"), folder_lock(tmp_path):
            pass
        assert is_in_use(tmp_path)
    assert not is_in_use(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("no_locks")
@pytest.mark.parametrize(
    ("owner", "is_free"),
    [
        ({"boot": "another"}, True),
        ({"process": 2**22 + 12345}, True),  # above what Linux gives out
        ({"host": "elsewhere"}, False),
        ({}, False),
        (None, True),
    ],
)
def test_what_a_dead_process_left_does_not_hold_a_folder(
    tmp_path: Path, owner: dict[str, object] | None, is_free: bool
) -> None:
    text = "damaged" if owner is None else json.dumps({**_locks._own_name(), **owner})
    (tmp_path / _locks.OWNER).write_text(text)
    assert is_in_use(tmp_path) is not is_free
    if is_free:
        with folder_lock(tmp_path):
            pass
    else:
        with pytest.raises(FileExistsError), folder_lock(tmp_path):
            pass


@posix_only
def test_what_a_killed_run_left_is_cleared_by_the_next(tmp_path: Path) -> None:
    code = """
import os, sys
from napari_deepsmlm._files import atomic_write
with atomic_write(sys.argv[1]) as file:
    file.write(b"half")
    file.flush()
    if sys.argv[2] == "dies":
        os.kill(os.getpid(), 9)
    print("writing", flush=True)
    sys.stdin.read()
"""
    path = tmp_path / "result.csv"
    run(code, str(path), "dies")
    (left,) = tmp_path.iterdir()
    command = [sys.executable, "-c", code, str(path), "waits"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"writing\n"
        (held,) = set(tmp_path.iterdir()) - {left}
        neighbour = tmp_path / ".result.csv.not-ours"
        neighbour.write_text("mine")
        for other in tmp_path.iterdir():
            os.utime(other, (time.time() - 60, time.time() - 60))
        with atomic_write(path) as file:
            file.write(b"whole")
        assert not left.exists()
        assert held.exists()
        process.communicate(b"")
    assert neighbour.read_text() == "mine"
    assert sorted(p.name for p in tmp_path.iterdir()) == [neighbour.name, "result.csv"]


# -- the boundary of a reader ----------------------------------------------------------------


@pytest.mark.parametrize(
    "error", [KeyError("x"), TypeError("a\nb"), RecursionError(), MemoryError()]
)
def test_every_error_of_a_reader_names_the_file_in_one_line(error: Exception) -> None:
    sentence = r"^a\.tif: .*; copy or export it again\.$"
    with pytest.raises(ValueError, match=sentence) as caught, reading("folder/a.tif"):
        raise error
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match=r"^a\.tif: too small$"), reading("folder/a.tif"):
        raise ValueError("a.tif: too small")
    with pytest.raises(ValueError, match=r"^a\.yaml: bad$"), reading("folder/a.tif"):
        raise ValueError("a.yaml: bad")
    with pytest.raises(FileNotFoundError, match="gone"), reading("a.tif"):
        raise FileNotFoundError("gone")
