"""Tables as layers: what napari opens and saves, where it lies, and what is left to others."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
from napari.layers import Image, Points
from napari.utils.notifications import notification_manager

from napari_deepsmlm.io import read_localizations, write_localizations
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.plugin.layers import localizations
from napari_deepsmlm.plugin.layers.localizations import sr_pixel_for
from napari_deepsmlm.plugin.layers.tables import origin_of, table_of
from napari_deepsmlm.plugin.opening.table_readers import get_table_reader
from napari_deepsmlm.plugin.opening.table_writer import write_table
from napari_deepsmlm.plugin.reconstruct.overlay import Overlay

if TYPE_CHECKING:
    from pathlib import Path

PLUGIN = "napari-deepsmlm"
NM = {"scale": (1, 130, 130), "units": ("pixel", "nm", "nm"), "axis_labels": ("t", "y", "x")}


@pytest.fixture
def table() -> Localizations:
    chance = np.random.default_rng(0)
    return Localizations(
        frame=np.arange(50),
        x_nm=chance.uniform(100, 2000, 50),
        y_nm=chance.uniform(100, 1000, 50),
        photons=chance.uniform(100, 900, 50),
        uncertainty_x_nm=chance.uniform(5, 15, 50),
        uncertainty_y_nm=chance.uniform(5, 15, 50),
    )


@pytest.mark.parametrize("name", ["mine.csv", "mine.hdf5", "challenge.csv"])
def test_a_small_table_opens_as_points_in_nm_with_its_columns(
    viewer: Any, tmp_path: Path, table: Localizations, name: str
) -> None:
    kind = "challenge" if name.startswith("challenge") else None
    write_localizations(table, tmp_path / name, kind=kind, pixel_size_nm=130)
    (layer,) = viewer.open(str(tmp_path / name), plugin=PLUGIN)
    assert isinstance(layer, Points)
    assert layer.name == name.partition(".")[0]
    assert {str(unit) for unit in layer.units} == {"nanometer"}
    half = 65 if name.endswith("hdf5") else 0
    in_world = layer.data * layer.scale + layer.translate
    np.testing.assert_allclose(in_world[:, 1], table.x_nm - half, atol=0.01)
    np.testing.assert_allclose(in_world[:, 0], table.y_nm - half, atol=0.01)
    kept = table_of(layer)
    assert kept is not None
    np.testing.assert_allclose(kept["photons"], table["photons"], atol=0.01)
    assert origin_of(layer) == (-half, -half)


def test_a_table_lies_on_the_frames_that_are_there(
    viewer: Any, tmp_path: Path, table: Localizations
) -> None:
    viewer.add_image(np.zeros((5, 16, 16), np.uint16), translate=(0, 260, 0), **NM)
    write_localizations(table, tmp_path / "a.csv")
    (layer,) = viewer.open(str(tmp_path / "a.csv"), plugin=PLUGIN)
    np.testing.assert_allclose(layer.translate, (260 - 65, -65))


@pytest.mark.parametrize("most", [10, 100])
def test_a_table_of_an_unknown_pixel_moves_onto_the_frames_opened_later(
    viewer: Any, tmp_path: Path, table: Localizations, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(localizations, "MAX_POINTS", most)
    write_localizations(table, tmp_path / "a.csv")
    write_localizations(table, tmp_path / "b.hdf5", pixel_size_nm=90)
    (layer,) = viewer.open(str(tmp_path / "a.csv"), plugin=PLUGIN)
    (stated,) = viewer.open(str(tmp_path / "b.hdf5"), plugin=PLUGIN)
    before, placed = np.array(layer.translate), np.array(stated.translate)
    frames = viewer.add_image(np.zeros((5, 16, 16), np.uint16), name="frames")  # no size yet
    np.testing.assert_allclose(layer.translate, before)
    Overlay(viewer, frames, 130.0, "SR")
    np.testing.assert_allclose(layer.translate, before - 65)
    assert origin_of(layer) == (-65, -65)
    viewer.add_image(np.zeros((5, 16, 16), np.uint16), translate=(0, 999, 999), **NM)
    np.testing.assert_allclose(layer.translate, before - 65)  # it lies on its frames
    np.testing.assert_allclose(stated.translate, placed)


def test_frames_in_nm_place_a_table_at_once(
    viewer: Any, tmp_path: Path, table: Localizations
) -> None:
    write_localizations(table, tmp_path / "a.csv")
    (layer,) = viewer.open(str(tmp_path / "a.csv"), plugin=PLUGIN)
    viewer.add_image(np.zeros((5, 16, 16), np.uint16), translate=(0, 260, 0), **NM)
    np.testing.assert_allclose(layer.translate, (260 - 65, -65))


def test_a_large_table_opens_as_an_image_that_keeps_it(
    viewer: Any, tmp_path: Path, table: Localizations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(localizations, "MAX_POINTS", 10)
    notification_manager.records.clear()
    write_localizations(table, tmp_path / "a.hdf5", pixel_size_nm=130)
    (layer,) = viewer.open(str(tmp_path / "a.hdf5"), plugin=PLUGIN)
    assert isinstance(layer, Image)
    assert layer.data.sum() == 50
    kept = table_of(layer)
    assert kept is not None
    assert len(kept) == 50
    assert "50 molecules are shown as an image" in notification_manager.records[-1].message
    row, column = np.argwhere(layer.data)[0]
    y, x = np.array([row, column]) * layer.scale + layer.translate  # the pixel's centre
    distance = np.hypot(kept.y_nm - 65 - y, kept.x_nm - 65 - x)
    assert distance.min() <= layer.scale[0] / 2**0.5
    viewer.layers[0].save(str(tmp_path / "b.csv"), plugin=PLUGIN)
    np.testing.assert_allclose(read_localizations(tmp_path / "b.csv").x_nm, kept.x_nm, atol=1e-5)


def test_points_are_saved_as_the_table_they_show(
    viewer: Any, tmp_path: Path, table: Localizations
) -> None:
    write_localizations(table, tmp_path / "a.csv")
    (layer,) = viewer.open(str(tmp_path / "a.csv"), plugin=PLUGIN)
    layer.selected_data = {0, 1}
    layer.remove_selected()
    for name in ("b.csv", "b.hdf5"):
        layer.save(str(tmp_path / name), plugin=PLUGIN)
        saved = read_localizations(tmp_path / name)
        np.testing.assert_allclose(saved.x_nm, table.x_nm[2:], atol=0.01)
        np.testing.assert_allclose(saved["photons"], table["photons"][2:], atol=0.01)


def test_points_of_others_are_saved_by_napari(viewer: Any, tmp_path: Path) -> None:
    layer = viewer.add_points(np.zeros((3, 2)))
    layer.save(str(tmp_path / "points.csv"))
    text = (tmp_path / "points.csv").read_text()
    assert text.startswith("index,axis-0,axis-1")
    assert get_table_reader(str(tmp_path / "points.csv")) is None
    data, attributes, _ = layer.as_layer_data_tuple()
    with pytest.raises(RuntimeError, match="has no table of localizations; choose another file t"):
        write_table(str(tmp_path / "other.csv"), data, attributes)


def test_a_table_that_cannot_be_written_is_one_sentence_and_nothing_is_lost(
    viewer: Any, tmp_path: Path, table: Localizations, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_localizations(table, tmp_path / "a.csv")
    (layer,) = viewer.open(str(tmp_path / "a.csv"), plugin=PLUGIN)
    kept = (tmp_path / "a.csv").read_bytes()
    features = layer.features
    layer.features = features.drop(columns="x_nm")
    with pytest.raises(RuntimeError, match="has no table"):  # napari itself would only warn
        layer.save(str(tmp_path / "a.csv"), plugin=PLUGIN)
    layer.features = features
    with pytest.raises(RuntimeError, match=r"^b.csv was not written: [^\n]+\.$"):
        layer.save(str(tmp_path / "a.csv" / "b.csv"), plugin=PLUGIN)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RuntimeError, match=r"^a.csv was not written: No space left on device\.$"):
        layer.save(str(tmp_path / "a.csv"), plugin=PLUGIN)
    assert (tmp_path / "a.csv").read_bytes() == kept
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["a.csv"]


@pytest.mark.parametrize(
    "text",
    [
        "index,axis-0,axis-1\n0,1,2\n",
        "index,shape-type,vertex-index,axis-0\n",
        "frame,intensity\n1,2\n",
        "a b c\n",
        "",
        "name;value\n",
    ],
)
def test_other_tables_are_left_to_other_readers(tmp_path: Path, text: str) -> None:
    (tmp_path / "other.csv").write_text(text)
    assert get_table_reader(str(tmp_path / "other.csv")) is None


def test_other_hdf5_files_are_left_to_other_readers(tmp_path: Path, table: Localizations) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["data"] = np.zeros(5)
    assert get_table_reader(str(tmp_path / "other.h5")) is None
    assert get_table_reader(str(tmp_path / "missing.csv")) is None
    assert get_table_reader([]) is None
    write_localizations(table, tmp_path / "mine.h5")
    assert get_table_reader(str(tmp_path / "mine.h5")) is not None
    assert get_table_reader([str(tmp_path / "mine.h5"), str(tmp_path / "other.h5")]) is None


def test_a_damaged_table_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("frame,x [nm],y [nm]\n1,2,two\n")
    reader = get_table_reader(str(tmp_path / "bad.csv"))
    assert reader is not None
    with pytest.raises(ValueError, match=r"^bad.csv: row 1 of 'y \[nm\]' is 'two', not a number"):
        reader(str(tmp_path / "bad.csv"))


@pytest.mark.parametrize(
    ("extent", "expected"), [(0, 1), (900, 1), (12_800, 10), (25_600, 20), (1e6, 500), (np.inf, 10)]
)
def test_the_pixel_of_an_image_is_round_and_suits_the_field(extent: float, expected: float) -> None:
    assert sr_pixel_for(Localizations(frame=[0], x_nm=[extent], y_nm=[0.0])) == expected
