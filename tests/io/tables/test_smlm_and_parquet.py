"""SMLM 0.2 and Parquet: every value and column is kept, and bad files are one sentence."""

from __future__ import annotations

import importlib.util
import json
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_deepsmlm.io import read_table, table_pixel_size, write_localizations
from napari_deepsmlm.localizations import Localizations

if TYPE_CHECKING:
    from pathlib import Path

has_pyarrow = importlib.util.find_spec("pyarrow") is not None
ENDINGS = [
    ".smlm",
    pytest.param(
        ".parquet", marks=pytest.mark.skipif(not has_pyarrow, reason="needs the extra parquet")
    ),
]
NUMBER = st.floats(-1e6, 1e6, allow_nan=False)
ROWS = st.lists(st.tuples(st.integers(0, 2**31), NUMBER, NUMBER, NUMBER), min_size=1, max_size=20)


@pytest.mark.parametrize("ending", ENDINGS)
@given(rows=ROWS)
@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_a_round_trip_keeps_every_value_and_column(
    tmp_path: Path, ending: str, rows: list[tuple[float, ...]]
) -> None:
    frame, x, y, own = map(np.array, zip(*rows, strict=True))
    table = Localizations(
        frame=frame, x_nm=x, y_nm=y, photons=abs(own), uncertainty_x_nm=abs(own), my_column=own
    )
    path = tmp_path / f"table{ending}"
    write_localizations(table, path)
    again = read_table(path).localizations
    assert set(again.names) >= {"frame", "x_nm", "y_nm", "photons", "my_column"}
    for name in table.names:
        np.testing.assert_array_equal(again[name], table[name])


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_empty_table_survives(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"table{ending}"
    write_localizations(Localizations.empty("photons"), path)
    assert len(read_table(path).localizations) == 0


@pytest.mark.skipif(not has_pyarrow, reason="needs the extra parquet")
def test_parquet_keeps_the_camera_pixel(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    write_localizations(Localizations(frame=[0], x_nm=[1.0], y_nm=[2.0]), path, pixel_size_nm=130)
    assert table_pixel_size(path) == 130


@pytest.mark.skipif(has_pyarrow, reason="the extra parquet is there")
def test_without_pyarrow_the_extra_is_named(tmp_path: Path) -> None:
    table = Localizations(frame=[0], x_nm=[1.0], y_nm=[2.0])
    with pytest.raises(ValueError, match=r"napari-deepsmlm\[parquet\]"):
        write_localizations(table, tmp_path / "table.parquet")


def archive(path: Path, dtype: list[str], units: list[str], data: bytes, **entry: object) -> Path:
    """An archive as other programs write it."""
    form = {"type": "table", "mode": "binary", "headers": ["frame", "x", "y"]}
    form |= {"dtype": dtype, "shape": [1, 1, 1], "units": units}
    one = {"name": "t.bin", "type": "table", "format": "f", **entry}
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("manifest.json", json.dumps({"formats": {"f": form}, "files": [one]}))
        file.writestr("t.bin", data)
    return path


def test_units_offsets_and_types_of_others_are_understood(tmp_path: Path) -> None:
    rows = np.zeros(2, np.dtype([("frame", "<u4"), ("x", "<f4"), ("y", "<f4")]))
    rows["frame"], rows["x"], rows["y"] = [1, 5], [0.5, 1.0], [2.0, 3.0]
    kinds = ["uint32", "float32", "float32"]
    path = archive(tmp_path / "a.smlm", kinds, ["", "um", "um"], rows.tobytes(), offset={"x": 1})
    read = read_table(path)
    assert read.program == "SMLM"
    np.testing.assert_allclose(read.localizations.x_nm, [1500, 2000])
    assert read.localizations.frame.tolist() == [0, 4]


def test_bad_archives_end_in_one_sentence(tmp_path: Path) -> None:
    kinds, path = ["uint32", "float32", "float32"], tmp_path / "a.smlm"
    for make, words in (
        (lambda: archive(path, kinds, [], b"123"), "cut short"),
        (lambda: archive(path, ["object"] * 3, [], b""), "type that is not known"),
        (lambda: archive(path, kinds, [], b"", name="../x"), "has no ../x"),
        (lambda: archive(path, kinds, [], b"", type="image"), "holds no table"),
        (lambda: path.write_bytes(b"PK\x03\x04 nothing"), "no readable SMLM archive"),
    ):
        make()
        with pytest.raises(ValueError, match=words):
            read_table(path)
