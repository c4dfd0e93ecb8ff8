"""Localization tables: exact headers, every value kept, one sentence for each bad table."""

from __future__ import annotations

import logging
import random
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_deepsmlm.io import LocalizationWriter, read_localizations, write_localizations
from napari_deepsmlm.io.tables._csv import format_rows
from napari_deepsmlm.localizations import Localizations

if TYPE_CHECKING:
    from pathlib import Path

PRECISION = 0.5e-5  # five decimals


def table_of(n: int, seed: int = 0, **extra: Any) -> Localizations:
    chance = np.random.default_rng(seed)
    return Localizations(
        frame=np.sort(chance.integers(0, 1000, n)),
        x_nm=chance.uniform(0, 25_600, n),
        y_nm=chance.uniform(0, 25_600, n),
        photons=chance.uniform(0, 5_000, n),
        **extra,
    )


def write_text(tmp_path: Path, text: str, encoding: str = "utf-8") -> Path:
    path = tmp_path / "table.csv"
    path.write_bytes(text.encode(encoding))
    return path


def first_line(path: Path) -> str:
    return path.read_text().splitlines()[0]


# -- writing ---------------------------------------------------------------------------------


def test_the_2d_header_is_that_of_thunderstorm(tmp_path: Path) -> None:
    ones = np.ones(3)
    table = table_of(
        3,
        sigma_nm=ones,
        background=ones,
        background_std=ones,
        uncertainty_x_nm=ones,
        uncertainty_y_nm=ones,
        detections=np.array([1, 2, 3]),
        probability=ones / 2,
    )
    write_localizations(table, tmp_path / "t.csv")
    assert first_line(tmp_path / "t.csv") == (
        '"id","frame","x [nm]","y [nm]","sigma [nm]","intensity [photon]","offset [photon]",'
        '"bkgstd [photon]","uncertainty_xy [nm]","detections","probability"'
    )


def test_the_3d_header_has_z_two_sigmas_and_uncertainty_z(tmp_path: Path) -> None:
    ones = np.ones(3)
    table = table_of(3, z_nm=ones, sigma_nm=ones, sigma_y_nm=ones, uncertainty_z_nm=ones)
    write_localizations(table, tmp_path / "t.csv")
    assert first_line(tmp_path / "t.csv") == (
        '"id","frame","x [nm]","y [nm]","z [nm]","sigma1 [nm]","sigma2 [nm]",'
        '"intensity [photon]","uncertainty_z [nm]"'
    )
    assert set(read_localizations(tmp_path / "t.csv").names) == {*table.names, "id"}


def test_frames_count_from_1_in_the_file_and_from_0_in_memory(tmp_path: Path) -> None:
    table = Localizations(frame=[0, 4], x_nm=[50.0, 75.25], y_nm=[50.0, -3.0])
    write_localizations(table, tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text().splitlines()[1:] == ["1,1,50,50", "2,5,75.25,-3"]
    assert read_localizations(tmp_path / "t.csv").frame.tolist() == [0, 4]


def test_uncertainties_are_written_as_their_root_mean_square_and_each(tmp_path: Path) -> None:
    table = table_of(1, uncertainty_x_nm=np.array([3.0]), uncertainty_y_nm=np.array([4.0]))
    write_localizations(table, tmp_path / "t.csv")
    assert first_line(tmp_path / "t.csv").endswith(
        '"uncertainty_xy [nm]","uncertainty_x [nm]","uncertainty_y [nm]"'
    )
    common = (tmp_path / "t.csv").read_text().splitlines()[1].split(",")[-3]
    assert float(common) == pytest.approx(12.5**0.5, abs=PRECISION)
    back = read_localizations(tmp_path / "t.csv")
    assert (back["uncertainty_x_nm"][0], back["uncertainty_y_nm"][0]) == (3.0, 4.0)


def test_one_uncertainty_for_both_axes_is_one_column(tmp_path: Path) -> None:
    same = np.array([3.0])
    write_localizations(
        table_of(1, uncertainty_x_nm=same, uncertainty_y_nm=same.copy()), tmp_path / "t.csv"
    )
    assert "uncertainty_x [nm]" not in first_line(tmp_path / "t.csv")
    back = read_localizations(tmp_path / "t.csv")
    assert back["uncertainty_x_nm"][0] == back["uncertainty_y_nm"][0] == 3.0


def test_columns_without_a_place_are_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_localizations(table_of(2, drift_x_nm=np.zeros(2)), tmp_path / "t.csv")
    assert "ThunderSTORM has no column for ['drift_x_nm']" in caplog.text


def test_pieces_are_appended_with_running_numbers(tmp_path: Path) -> None:
    table = table_of(1000)
    with LocalizationWriter(tmp_path / "t.csv", table.names) as writer:
        for start in range(0, 1000, 130):
            writer.append(table[start : start + 130])
        writer.append(Localizations.empty("photons"))
        assert not (tmp_path / "t.csv").exists()
    assert writer.n_written == 1000
    back = read_localizations(tmp_path / "t.csv")
    assert back["id"].tolist() == list(range(1, 1001))
    assert np.abs(back.x_nm - table.x_nm).max() <= PRECISION * 1.001


def test_ids_of_a_table_are_kept(tmp_path: Path) -> None:
    write_localizations(table_of(3, id=np.array([7, 9, 11])), tmp_path / "t.csv")
    assert read_localizations(tmp_path / "t.csv")["id"].tolist() == [7, 9, 11]


def test_an_error_while_writing_leaves_the_old_file(tmp_path: Path) -> None:
    write_localizations(table_of(5), tmp_path / "t.csv")
    before = (tmp_path / "t.csv").read_bytes()
    with (
        pytest.raises(ValueError, match=r"no column for 'intensity \[photon\]'.*found: frame"),
        LocalizationWriter(tmp_path / "t.csv", ["frame", "x_nm", "y_nm", "photons"]) as writer,
    ):
        writer.append(Localizations(frame=[0], x_nm=[1.0], y_nm=[1.0]))
    assert (tmp_path / "t.csv").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["t.csv"]


def test_wrong_uses_of_the_writer_are_errors(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="needs the columns x_nm, y_nm too"):
        LocalizationWriter(tmp_path / "t.csv", ["frame"])
    with pytest.raises(ValueError, match="in a `with` block"):
        LocalizationWriter(tmp_path / "t.csv", ["frame", "x_nm", "y_nm"]).append(table_of(1))
    with pytest.raises(ValueError, match=r"unknown table format '\.xyz'\. Available: \.csv"):
        write_localizations(table_of(1), tmp_path / "t.xyz")


def test_writing_is_fast_enough_for_ten_million_rows(tmp_path: Path) -> None:
    table = table_of(200_000, sigma_nm=np.full(200_000, 120.5), probability=np.full(200_000, 0.5))
    begin = time.process_time()
    write_localizations(table, tmp_path / "t.csv")
    assert 200_000 / (time.process_time() - begin) > 2e5  # 1.5e6 on an idle core


# -- round trips -----------------------------------------------------------------------------

finite = st.floats(-1e6, 1e6, allow_nan=False)
FUZZY = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@FUZZY
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 10**6), finite, finite, finite, st.floats(0, 1), finite),
        max_size=30,
    )
)
def test_a_round_trip_keeps_every_value(tmp_path: Path, rows: list[tuple[float, ...]]) -> None:
    columns = np.array(rows, dtype=float).reshape(-1, 6).T
    names = ("frame", "x_nm", "y_nm", "z_nm", "probability", "photons")
    table = Localizations.from_columns(dict(zip(names, columns, strict=True)))
    write_localizations(table, tmp_path / "t.csv")
    back = read_localizations(tmp_path / "t.csv")
    assert len(back) == len(table)
    for name in names:
        np.testing.assert_allclose(back[name], table[name], rtol=1e-12, atol=PRECISION * 1.001)
    write_localizations(back, tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "t.csv").read_bytes()


@FUZZY
@given(values=st.lists(st.floats(), min_size=1, max_size=40))
def test_numbers_are_formatted_as_python_reads_them(values: list[float]) -> None:
    text = format_rows([np.array(values)], decimals=5).decode().split()
    for value, word in zip(values, text, strict=True):
        if np.isfinite(value):
            assert float(word) == pytest.approx(value, rel=1e-12, abs=PRECISION * 1.001)
        else:
            assert str(float(word)) == str(value)


@given(values=st.lists(st.integers(-(2**62), 2**62), min_size=1))
def test_whole_numbers_are_exact(values: list[int]) -> None:
    assert [int(w) for w in format_rows([np.array(values)], decimals=5).split()] == values


def test_nan_in_other_columns_survives(tmp_path: Path) -> None:
    table = table_of(3, uncertainty_x_nm=np.array([1.0, np.nan, 3.0]))
    write_localizations(table, tmp_path / "t.csv")
    back = read_localizations(tmp_path / "t.csv")["uncertainty_x_nm"]
    assert np.isnan(back).tolist() == [False, True, False]


# -- reading what others wrote -----------------------------------------------------------------


@pytest.mark.parametrize("header", ["uncertainty [nm]", "uncertainty_xy [nm]"])
def test_both_spellings_of_the_uncertainty_are_read(tmp_path: Path, header: str) -> None:
    path = write_text(tmp_path, f'"frame","x [nm]","y [nm]","{header}"\n1,2,3,4\n')
    table = read_localizations(path)
    assert (table["uncertainty_x_nm"][0], table["uncertainty_y_nm"][0]) == (4, 4)


def test_case_spaces_blank_lines_and_a_byte_order_mark_do_not_matter(tmp_path: Path) -> None:
    path = write_text(tmp_path, "\n ID , Frame,X[nm],  Y  [ NM ]\r\n1, 3.0, 5,6\r\n", "utf-8-sig")
    table = read_localizations(path)
    assert (table.frame.tolist(), table.x_nm.tolist(), table.y_nm.tolist()) == ([2], [5], [6])


@pytest.mark.parametrize("mark", [";", "\t"])
def test_decimal_commas_are_read_where_the_separator_is_another(tmp_path: Path, mark: str) -> None:
    path = write_text(tmp_path, f"frame{mark}x [nm]{mark}y [nm]\n1{mark}67,843{mark}2484,5\n")
    assert read_localizations(path).x_nm.tolist() == [67.843]


def test_micrometres_and_pixels_become_nm(tmp_path: Path) -> None:
    path = write_text(tmp_path, "frame,x [px],y [µm],sigma [px]\n1,1.5,0.2,2\n")
    table = read_localizations(path, pixel_size_nm=100)
    assert (table.x_nm[0], table.y_nm[0], table["sigma_nm"][0]) == pytest.approx((150, 200, 200))


def test_a_header_alone_is_an_empty_table(tmp_path: Path) -> None:
    table = read_localizations(write_text(tmp_path, '"frame","x [nm]","y [nm]"'))
    assert (len(table), table.frame.dtype) == (0, np.int64)
    write_localizations(table, tmp_path / "again.csv")
    assert len(read_localizations(tmp_path / "again.csv")) == 0


def test_one_row_is_a_table(tmp_path: Path) -> None:
    assert len(read_localizations(write_text(tmp_path, "frame,x [nm],y [nm]\n1,2,3"))) == 1


def test_what_was_done_to_a_table_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_text(tmp_path, "frame,x [nm],y [nm],chi2,intensity [ADU]\n1,2,3,4,5\n")
    with caplog.at_level(logging.WARNING):
        names = set(read_localizations(path).names)
    assert names == {"frame", "x_nm", "y_nm", "chi2", "intensity [ADU]"}
    assert "table.csv: Column 'intensity [ADU]' has the unit 'adu' but" in caplog.text


def test_the_published_training_table_is_read(shared_data: Path) -> None:
    table = read_localizations(shared_data / "deepstorm_training_positions.csv")
    assert len(table) == 4956
    assert (table.frame.min(), table.frame.max()) == (0, 19)
    assert table.x_nm[0] == pytest.approx(67.843)
    assert 0 <= table.x_nm.min() < table.x_nm.max() <= 6400


# -- bad tables --------------------------------------------------------------------------------

HEAD = "frame,x [nm],y [nm]\n"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", r"table\.csv: the file is empty; export the table again\."),
        ("\n \n\n", r"table\.csv: the file is empty"),
        ("frame,x [nm],y [nm],error [nm]\n1,2,3,4\n", r"is a drift curve, .* --apply table\.csv"),
        ("frame,y [nm]\n1,2\n", r"missing columns: x \[nm\]; found: frame, y \[nm\]; export"),
        ("1,2,3\n4,5,6\n", r"missing columns: frame, x \[nm\], y \[nm\]; found: 1, 2, 3"),
        ("frame,x,y [nm]\n1,2,3\n", r"column 'x' has no unit but 'x \[nm\]' is needed; say in"),
        ("frame,x [s],y [nm]\n1,2,3\n", r"column 'x \[s\]' has the unit 's' but 'x \[nm\]' is"),
        ("frame,x [px],y [px]\n1,2,3\n", r"column 'x \[px\]' is in pixels; give the pixel size in"),
        ("frame,x [nm],X[nm],y [nm]\n1,2,3,4\n", r"'x \[nm\]' and 'X\[nm\]' both give x_nm; remo"),
        (
            HEAD + "1,67,8,24,5\n",
            r"row 1 has 5 cells but the header has 3; if the numbers have dec",
        ),
        (HEAD + '1,"67,8","24,5"\n', r"row 1 of 'x \[nm\]' is '67,8', not a number; export it wi"),
        (HEAD + "1,2,3\n1,two,3\n", r"row 2 of 'x \[nm\]' is 'two', not a number; correct or rem"),
        (HEAD + "1,NaN,3\n", r"row 1 of 'x \[nm\]' is empty or NaN, and no row has a frame and"),
        (HEAD + "1,inf,3\n", r"row 1 of 'x \[nm\]' is infinite"),
        (HEAD + "1,2,3\n1,2,3,4\n", r"its rows are damaged \(Expected 3 fields in line 3, saw 4\)"),
        (HEAD + "-3,2,3\n", r"row 1 has frame -3; frames must be numbers from"),
        (HEAD + "1e300,2,3\n", r"row 1 has frame 1e\+300; frames must be numbers below 9"),
        ("II*\0\0\0", r"is not a text file; export the table as CSV"),
        ('"frame,x [nm],y [nm]\n1,2,3\n', r"row 1 has 3 cells but the header has 1"),
    ],
)
def test_a_bad_table_ends_in_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as caught:
        read_localizations(write_text(tmp_path, text))
    assert str(caught.value).startswith("table.csv: ")


def test_a_missing_table_a_folder_and_an_unknown_ending_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.csv: no such file"):
        read_localizations(tmp_path / "none.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(ValueError, match="this is a folder"):
        read_localizations(tmp_path / "folder.csv")
    with pytest.raises(ValueError, match="unknown table format"):
        read_localizations(tmp_path / "table.xyz")
    with pytest.raises(ValueError, match="between 1 and 10000 nm"):
        read_localizations(write_text(tmp_path, HEAD), pixel_size_nm=0)


@pytest.mark.filterwarnings("error")
def test_damaged_tables_end_in_documented_errors_only(tmp_path: Path) -> None:
    chance = random.Random(3)
    write_localizations(table_of(20, probability=np.full(20, 0.5)), tmp_path / "good.csv")
    good, path = (tmp_path / "good.csv").read_bytes(), tmp_path / "fuzz.csv"
    outcomes = {"read": 0, "refused": 0}
    for _ in range(500):
        data = bytearray(good)
        for _ in range(chance.randint(1, 8)):
            where = chance.randrange(len(data))
            pieces = [b'"', b",", b";", b"\n", b"\r", b"\xff", b"\0", b"", b"e9", b"NaN", b"x" * 99]
            data[where : where + chance.choice([0, 1, 1, 30])] = chance.choice(pieces)
        path.write_bytes(data[: chance.choice([len(data), chance.randrange(len(data) + 1)])])
        try:
            read_localizations(path)
        except ValueError as error:
            outcomes["refused"] += 1
            message = str(error)
            assert message.startswith("fuzz.csv: "), message
            assert "\n" not in message
        else:
            outcomes["read"] += 1
    assert min(outcomes.values()) > 20
