from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from napari_deepsmlm import known_cameras
from napari_deepsmlm.known_cameras import recall, remember, switch

if TYPE_CHECKING:
    from pathlib import Path


def test_what_was_entered_comes_back_for_its_kind_alone() -> None:
    remember("iXon", camera={"kind": "ideal", "baseline": 200.0, "gain": 4.0})
    remember("iXon", pixel_size_nm=160)
    kept = recall("iXon")
    assert kept.camera == {"kind": "ideal", "baseline": 200.0, "gain": 4.0}
    assert kept.pixel_size_nm == 160
    assert recall("Orca") is None


def test_the_latest_kinds_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_cameras, "MAX_KINDS", 2)
    for kind in "abc":
        remember(kind, pixel_size_nm=100)
    assert [recall(kind) is None for kind in "abc"] == [True, False, False]


def test_switched_off_nothing_is_remembered_nor_recalled() -> None:
    remember("iXon", camera="scmos-qe95")
    switch(is_on=False)
    assert recall("iXon") is None
    remember("Orca", camera="scmos-qe95")
    switch(is_on=True)
    assert recall("iXon").camera == "scmos-qe95"
    assert recall("Orca") is None


@pytest.mark.parametrize("damage", ["", "[1, 2]", "a: b: c", "iXon: {pixel_size_nm: -1}", "\0"])
def test_a_damaged_file_is_forgotten(damage: str) -> None:
    path = known_cameras.data_folder() / known_cameras.FILE
    path.parent.mkdir(parents=True)
    path.write_text(damage)
    assert recall("iXon") is None
    remember("iXon", pixel_size_nm=100)
    assert recall("iXon").pixel_size_nm == 100


def test_a_disk_that_cannot_be_written_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a file").touch()
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "a file"))
    remember("iXon", pixel_size_nm=100)
    switch(is_on=False)
    assert recall("iXon") is None
