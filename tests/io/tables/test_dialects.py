"""Tables as people have them: every dialect opens right, with a word on what was done."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest

from napari_deepsmlm.io import (
    UnitNeeded,
    looks_like_localizations,
    read_table,
    table_pixel_size,
    write_localizations,
)
from napari_deepsmlm.io.tables._text_layout import HEAD_BYTES
from napari_deepsmlm.localizations import Localizations

if TYPE_CHECKING:
    from pathlib import Path

HEAD = '"id","frame","x [nm]","y [nm]","intensity [photon]","uncertainty_xy [nm]"\n'
ROWS = "1,1,110.5,210.5,900,9\n2,2,310.25,260.75,800,10\n3,3,510,710,700,11\n"
X, Y = [110.5, 310.25, 510.0], [210.5, 260.75, 710.0]
UM_ROWS = "1,1,0.1105,0.2105\n2,2,0.31025,0.26075\n3,3,0.51,0.71\n"


def written(tmp_path: Path, name: str, text: str, encoding: str = "utf-8") -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return path


def check(table: Localizations) -> None:
    np.testing.assert_allclose(table.x_nm, X, atol=1e-9)
    np.testing.assert_allclose(table.y_nm, Y, atol=1e-9)
    assert table.frame.tolist() == [0, 1, 2]


DIALECTS: dict[str, tuple[str, str, str]] = {  # name: ending, text, encoding
    "tabs": (".xls", (HEAD + ROWS).replace(",", "\t"), "utf-8"),
    "bars": (".txt", (HEAD + ROWS).replace(",", "|"), "utf-8"),
    "spaces": (
        ".txt",
        "frame x [nm] y [nm]\n1 110.5 210.5\n2  310.25 260.75\n3 510 710\n",
        "utf-8",
    ),
    "latin-1": (".csv", "id,frame,x [µm],y [µm]\n" + UM_ROWS, "latin-1"),
    "mojibake": (".csv", "id,frame,x [Âµm],y [Âµm]\n" + UM_ROWS, "utf-8"),
    "greek mu": (".csv", "id,frame,x (μm),y (μm)\n" + UM_ROWS, "utf-8"),
    "decimal commas in a later row": (
        ".csv",
        "id;frame;x [nm];y [nm]\n3;3;510;710\n1;1;110,5;210,5\n2;2;310,25;260,75\n",
        "utf-8",
    ),
    "a sep= line": (
        ".csv",
        "sep=;\nid;frame;x [nm];y [nm]\n1;1;110,5;210,5\n2;2;310,25;260,75\n3;3;510;710\n",
        "utf-8",
    ),
    "a header quoted as a whole": (
        ".csv",
        '"id,""frame"",""x [nm]"",""y [nm]"""\n1,1,110.5,210.5\n2,2,310.25,260.75\n3,3,510,710\n',
        "utf-8",
    ),
    "rows quoted as a whole": (
        ".csv",
        '"frame,x [nm],y [nm]"\n"1,110.5,210.5"\n"2,310.25,260.75"\n"3,510,710"\n',
        "utf-8",
    ),
    "units behind a sign": (
        ".csv",
        "frame,x_nm,y-nm\n1,110.5,210.5\n2,310.25,260.75\n3,510,710\n",
        "utf-8",
    ),
    "units glued on": (
        ".csv",
        "frame,xnm,ynm,locprecnm\n1,110.5,210.5,9\n2,310.25,260.75,9\n3,510,710,9\n",
        "utf-8",
    ),
    "comments": (".csv", "# made by X\n# pixel 100 nm\n" + HEAD + ROWS, "utf-8"),
    "a comment with a single quotation mark": (".csv", '# 5" disk\n' + HEAD + ROWS, "utf-8"),
    "lines before the header": (
        ".csv",
        "Exported by X, version 3\nROI: all\n" + HEAD + ROWS,
        "utf-8",
    ),
    "a header that is a comment": (
        ".txt",
        "# frame x_nm y_nm\n1 110.5 210.5\n2 310.25 260.75\n3 510 710\n",
        "utf-8",
    ),
    "names in brackets alone": (
        ".txt",
        "# x[nm]\ty[nm]\t[frame]\n110.5\t210.5\t1\n310.25\t260.75\t2\n510\t710\t3\n",
        "utf-8",
    ),
    "slices of ImageJ": (
        ".csv",
        " ,Slice,X (nm),Y (nm)\n1,1,110.5,210.5\n2,2,310.25,260.75\n3,3,510,710\n",
        "utf-8",
    ),
    "separators at the end": (".csv", HEAD + ROWS.replace("\n", ",\n"), "utf-8"),
    "separators at the end of all lines": (".csv", (HEAD + ROWS).replace("\n", ",,\n"), "utf-8"),
    "utf-16": (".txt", (HEAD + ROWS).replace(",", "\t"), "utf-16"),
    "utf-16 without a mark": (".txt", (HEAD + ROWS).replace(",", "\t"), "utf-16-le"),
    "other names": (
        ".csv",
        "Frame Number,X Position [nm],Y Position [nm],Precision [nm]\n"
        "1,110.5,210.5,9\n2,310.25,260.75,9\n3,510,710,9\n",
        "utf-8",
    ),
}


@pytest.mark.parametrize("name", DIALECTS)
def test_a_dialect_opens_at_the_right_places_without_a_remark(tmp_path: Path, name: str) -> None:
    ending, text, encoding = DIALECTS[name]
    path = written(tmp_path, f"t{ending}", text, encoding)
    table = read_table(path)
    check(table.localizations if "later" not in name else table.localizations.sort("frame"))
    assert table.remarks == ()
    assert looks_like_localizations(path)


def test_a_decimal_comma_far_below_the_first_rows_is_found(tmp_path: Path) -> None:
    row = "1;100;200\n"
    n_rows = 2 * HEAD_BYTES // len(row)
    text = "frame;x [nm];y [nm]\n" + row * n_rows + "2;310,25;260\n" + row * n_rows
    table = read_table(written(tmp_path, "t.csv", text)).localizations
    assert len(table) == 2 * n_rows + 1
    assert table.x_nm[n_rows] == 310.25


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16"])
def test_a_footer_is_left_out_and_counted(tmp_path: Path, encoding: str) -> None:
    text = (HEAD + ROWS).replace(",", "\t") + "\nPixel: 0.1 µm\nROI: all\n"
    table = read_table(written(tmp_path, "t.txt", text, encoding))
    check(table.localizations)
    assert table.remarks == ("2 lines behind the rows were left out.",)


@pytest.mark.parametrize("end", ["", "\n"])
@pytest.mark.parametrize("many", [False, True])
def test_a_last_row_that_was_cut_is_left_out_with_a_sentence(
    tmp_path: Path, end: str, many: bool
) -> None:
    rows = ROWS * (3000 if many else 1)  # longer than what is looked at
    table = read_table(written(tmp_path, "t.csv", HEAD + rows + "4,4,100" + end))
    check(table.localizations[:3])
    assert len(table.localizations) == rows.count("\n")
    assert table.remarks == ("The last row is incomplete and was left out.",)


def test_rows_without_a_position_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = ROWS + "4,4,NaN,1,1,1\n5,5,1,,1,1\n6,6,Infinity,1,1,1\n7,7,1,2,NaN,NaN\n"
    table = read_table(written(tmp_path, "t.csv", HEAD + rows))
    assert len(table.localizations) == 4
    assert table.remarks == (
        "3 of 7 rows have no frame or position and were left out (row 4 of 'x [nm]' is empty or "
        "NaN).",
    )
    assert np.isnan(table.localizations["photons"]).tolist() == [False, False, False, True]


def test_frames_from_zero_are_seen_and_said(tmp_path: Path) -> None:
    text = HEAD + ROWS.replace("1,1,", "1,0,", 1)
    table = read_table(written(tmp_path, "t.csv", text))
    assert table.localizations.frame.tolist() == [0, 2, 3]
    assert table.remarks == ("Frames were counted from 0.",)


def test_mean_frames_are_rounded_and_kept(tmp_path: Path) -> None:
    text = "frame,x [nm],y [nm]\n1.25,1,2\n7.75,3,4\n9,5,6\n"
    table = read_table(written(tmp_path, "t.csv", text))
    assert table.localizations.frame.tolist() == [0, 7, 8]
    assert table.localizations["mean_frame"].tolist() == [0.25, 6.75, 8]
    assert "2 of 3 rows have a mean frame" in table.remarks[0]


def test_numbers_we_have_no_name_for_are_kept_through_a_round_trip(tmp_path: Path) -> None:
    text = (
        "frame,x [nm],y [nm],chi2,intensity [ADU],Channel,note\n1,2,3,4.5,6,1,a\n2,3,4,5.5,7,0,b\n"
    )
    table = read_table(written(tmp_path, "t.csv", text))
    assert table.remarks == (
        "Column 'intensity [ADU]' has the unit 'adu' but 'photons [photon]' is needed; it was kept "
        "as it is.",
        "Column 'note' was not kept because it has text.",
    )
    for name in ("again.csv", "again.hdf5"):
        write_localizations(table.localizations, tmp_path / name, pixel_size_nm=100)
        back = read_table(tmp_path / name).localizations
        assert back["chi2"].tolist() == [4.5, 5.5]
        assert back["intensity [ADU]"].tolist() == [6, 7]
        assert back["Channel"].tolist() == [1, 0]


def test_a_header_that_a_spreadsheet_takes_for_a_formula_is_written_as_text(tmp_path: Path) -> None:
    table = Localizations.from_columns(
        {"frame": [0], "x_nm": [1.0], "y_nm": [2.0], '=cmd("x"),1': [3.0]}
    )
    write_localizations(table, tmp_path / "t.csv")
    header = (tmp_path / "t.csv").read_text().splitlines()[0]
    assert header == '"id","frame","x [nm]","y [nm]","\'=cmd(\'x\') 1"'
    assert len(read_table(tmp_path / "t.csv").localizations) == 1


def test_nm_is_taken_where_a_position_is_there_in_pixels_too(tmp_path: Path) -> None:
    text = "Frame,X (pix),Y (pix),X (nm),Y (nm)\n1,1.105,2.105,110.5,210.5\n"
    table = read_table(written(tmp_path, "t.csv", text)).localizations
    assert (table.x_nm[0], table["X (pix)"][0]) == (110.5, 1.105)


# -- what the file does not say -----------------------------------------------------------------


def test_a_unit_that_the_header_denies_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("frame,x [nm],y [nm]\n1,100,200\n")
    with pytest.raises(ValueError, match=r"'x \[nm\]' says itself that it is in nm, not in um"):
        read_table(path, unit="um")
    assert read_table(path, unit="nm").localizations.x_nm.tolist() == [100.0]
    path.write_text("frame,x [px],y [px],x [nm],y [nm]\n1,1,2,100,200\n")  # one of them is meant
    assert read_table(path, unit="nm", pixel_size_nm=99).localizations.x_nm.tolist() == [100.0]


def test_a_table_without_units_asks_for_them(tmp_path: Path) -> None:
    path = written(tmp_path, "t.csv", "frame,x,y,z\n1,0.1105,0.2105,0\n")
    with pytest.raises(
        UnitNeeded, match=r"'x' has no unit but 'x \[nm\]' is needed; say in wh"
    ) as e:
        read_table(path)
    assert not e.value.is_pixel
    assert read_table(path, unit="um").localizations.x_nm[0] == pytest.approx(110.5)
    assert read_table(path, unit="px", pixel_size_nm=1000).localizations.x_nm[0] == pytest.approx(
        110.5
    )
    with pytest.raises(ValueError, match=r"Unknown unit 'mile'\. Available: nm, um, px"):
        read_table(path, unit="mile")


def test_a_table_in_pixels_asks_for_their_size(tmp_path: Path) -> None:
    path = written(tmp_path, "t.csv", "frame,x [px],y [px]\n1,1.105,2.105\n")
    with pytest.raises(UnitNeeded, match=r"'x \[px\]' is in pixels; give the pixel size") as error:
        read_table(path)
    assert error.value.is_pixel
    assert read_table(path, pixel_size_nm=100).localizations.x_nm[0] == pytest.approx(110.5)


@pytest.mark.parametrize(
    ("start", "kind"),
    [(b"PK\x03\x04", "Excel workbook or ZIP"), (b"\xd0\xcf\x11\xe0", "Excel workb")],
)
def test_a_workbook_is_named_as_one(tmp_path: Path, start: bytes, kind: str) -> None:
    (tmp_path / "t.xls").write_bytes(start + bytes(500))
    with pytest.raises(ValueError, match=rf"is an? {kind}.*; save the table as CSV"):
        read_table(tmp_path / "t.xls")


# -- programs that are known by their headers ---------------------------------------------------

ELYRA = (
    "Index\tFirst Frame\tNumber Frames\tFrames Missing\tPosition X [nm]\tPosition Y [nm]\t"
    "Precision [nm]\tNumber Photons\tBackground variance\tChannel\tPSF half width [nm]\r\n"
    "1\t1\t1\t0\t110.5\t210.5\t9\t900\t1\t1\t150\r\n2\t2\t1\t0\t310.25\t260.75\t10\t800\t1\t1\t150"
    "\r\n3\t3\t2\t0\t510\t710\t11\t700\t1\t1\t150\r\n\0\r\r\nVoxelSizeX : 0.1 \xb5m\r\r\nSizeX : 64"
)
NSTORM = (
    "Channel Name\tX\tY\tFrame\tLength\tZ\tPhotons\tLateral Localization Accuracy\n"
    "647\t110.5\t210.5\t1\t1\t0\t900\t9\n647\t310.25\t260.75\t2\t1\t5\t800\t10\n"
    "647\t510\t710\t3\t1\t0\t700\t11\n"
)
ONI = (
    "Channel,Frame,X (nm),Y (nm),Z (nm),X precision (nm),Y precision (nm),Photons,Background,"
    "PSF Sigma X (pix)\n0,1,110.5,210.5,0,9,9,900,1,1.1\n0,2,310.25,260.75,0,9,9,800,1,1.1\n"
    "0,3,510,710,0,9,9,700,1,1.1\n"
)
RAPIDSTORM = (
    '# <localizations insequence="true"><field identifier="Position-0-0" unit="nanometer" '
    'min="0 m" /><field identifier="Position-1-0" unit="nanometer" /><field identifier='
    '"ImageNumber-0-0" unit="frame" min="0 fr" /><field identifier="Amplitude-0-0" unit='
    '"A/D count" /></localizations>\n'
    "110.5 210.5 0 3000.5\n310.25 260.75 1 2000\n510 710 2 1000\n"
)
DECODE = (
    '# DECODE EmitterSet\n# {"version": "v0.10"}\n# {"xy_unit": "px", "px_size": [100.0, 100.0]}\n'
    "x,y,z,phot,frame_ix,id,prob,bg,x_cr,x_sig,y_sig\n"
    "1.605,0.605,-3,900,0,-1,0.9,5,,0.1,0.2\n2.1075,2.6025,7,800,1,-1,0.9,5,,0.1,0.2\n"
    "6.6,4.6,0,700,2,-1,0.9,5,,0.1,0.2\n"
)
PROGRAMS = {
    "Elyra": (ELYRA, "latin-1", {"photons": 800, "uncertainty_x_nm": 10, "detections": 1}),
    "N-STORM": (NSTORM, "utf-8", {"photons": 800, "uncertainty_y_nm": 10, "z_nm": 5}),
    "Nanoimager": (ONI, "utf-8", {"photons": 800, "background": 1, "uncertainty_x_nm": 9}),
    "rapidSTORM": (RAPIDSTORM, "utf-8", {"Amplitude-0-0": 2000}),
    "DECODE": (
        DECODE,
        "utf-8",
        {"z_nm": 7, "probability": 0.9, "uncertainty_x_nm": 20, "uncertainty_y_nm": 10},
    ),
    "SMAP": (
        "frame,xnm,ynm,locprecnm,phot\n1,110.5,210.5,9,900\n2,310.25,260.75,10,800\n3,510,710,9,7\n",
        "utf-8",
        {"photons": 800, "uncertainty_x_nm": 10},
    ),
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_is_known_by_its_header(tmp_path: Path, program: str) -> None:
    text, encoding, values = PROGRAMS[program]
    path = written(tmp_path, "t.txt", text, encoding)
    table = read_table(path)
    assert table.program == program
    check(table.localizations)
    for name, value in values.items():
        assert table.localizations[name][1] == pytest.approx(value)
    assert looks_like_localizations(path)
    assert "x_cr" not in table.localizations.names or program != "DECODE"


def test_what_a_program_leaves_unsaid_is_said(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, "t.csv", DECODE))
    assert table.pixel_size_nm == table_pixel_size(tmp_path / "t.csv") == 100
    assert table.remarks == (
        "It is a table of DECODE; positions were taken to be in camera pixels.",
        "DECODE counts x down the rows; x and y were exchanged.",
    )
    table = read_table(written(tmp_path, "n.txt", NSTORM))
    assert table.remarks == ("It is a table of N-STORM; positions were taken to be in nm.",)


def decode_file(path: Path, **attributes: Any) -> Path:
    with h5py.File(path, "w") as file:
        file.create_group("meta").attrs.update(attributes)
        file.create_group("decode").attrs["version"] = "v0.10"
        data = file.create_group("data")
        xyz = [[1.605, 0.605, -3], [2.1075, 2.6025, 7], [6.6, 4.6, 0]]
        data["xyz"] = np.array(xyz)
        data.create_dataset("xyz_sig", data=h5py.Empty("f"))
        data["frame_ix"] = np.arange(3)
        data["prob"] = np.full(3, 0.9)
        data["phot"] = np.array([900.0, 800, 700])
    return path


def test_a_table_of_decode_in_hdf5_lies_on_its_frames(tmp_path: Path) -> None:
    path = decode_file(tmp_path / "e.h5", xy_unit="px", px_size=np.array([100.0, 100.0]))
    table = read_table(path)
    check(table.localizations)
    assert table.localizations["z_nm"].tolist() == [-3, 7, 0]
    assert (table.program, table.pixel_size_nm, table_pixel_size(path)) == ("DECODE", 100, 100)
    assert looks_like_localizations(path)
    with pytest.raises(UnitNeeded, match="has no unit"):
        read_table(decode_file(tmp_path / "f.h5", px_size=100.0))


@pytest.mark.parametrize("ending", [".csv", ".h5"])
def test_what_is_written_for_decode_is_what_decode_writes(tmp_path: Path, ending: str) -> None:
    table = Localizations.from_columns(
        {
            "frame": np.array([0, 4, 9]),
            "x_nm": np.array([110.5, 310.25, 510.0]),
            "y_nm": np.array([210.5, 260.75, 710.0]),
            "z_nm": np.array([-3.0, 7.0, 0.0]),
            "photons": np.array([900.0, 800.0, 700.0]),
            "probability": np.array([0.9, 0.8, 0.7]),
            "uncertainty_x_nm": np.array([9.0, 10.0, 11.0]),
            "uncertainty_y_nm": np.array([19.0, 20.0, 21.0]),
        }
    )
    path = tmp_path / f"t{ending}"
    write_localizations(table, path, kind="decode", pixel_size_nm=130.0)
    back = read_table(path)
    assert (back.program, back.pixel_size_nm) == ("DECODE", 130.0)
    for name in table.names:
        np.testing.assert_allclose(back.localizations[name], table[name], atol=2e-3, err_msg=name)
    assert "background" not in back.localizations.names
    # A molecule in the middle of the pixel in row 2 and column 5 is at x = 2, y = 5 for DECODE.
    one = Localizations(frame=[3], x_nm=[550.0], y_nm=[250.0])
    write_localizations(one, path, kind="decode", pixel_size_nm=100.0)
    if ending == ".h5":
        with h5py.File(path) as file:
            assert file["data/xyz"][0].tolist() == [2.0, 5.0, 0.0]
            assert file["data/frame_ix"][0] == 3
            assert file["data/xyz_cr"].shape is None
    else:
        lines = path.read_text().splitlines()
        assert lines[0] == "# DECODE EmitterSet"
        assert lines[4].startswith("2,5,0,NaN,3,-1")
    write_localizations(Localizations.empty(), path, kind="decode")
    assert len(read_table(path).localizations) == 0


def test_a_table_of_smap_in_matlab_7_3_is_read(tmp_path: Path) -> None:
    path = tmp_path / "cell_sml.mat"
    columns = {"xnm": X, "ynm": Y, "frame": [1, 2, 3], "locprecnm": [9, 9, 9], "phot": [1, 2, 3]}
    with h5py.File(path, "w", userblock_size=512) as file:
        group = file.create_group("saveloc/loc")
        for name, values in columns.items():
            group[name] = np.array([values], float)
    table = read_table(path)
    check(table.localizations)
    assert (table.program, table.localizations["uncertainty_x_nm"][0]) == ("SMAP", 9)
    assert looks_like_localizations(path)
    (tmp_path / "old.mat").write_bytes(b"MATLAB 5.0 MAT-file" + bytes(600))
    with pytest.raises(ValueError, match=r"old\.mat: is no MATLAB 7\.3 file; save the table of SM"):
        read_table(tmp_path / "old.mat")


# -- Picasso ------------------------------------------------------------------------------------


def locs(n_rows: int, **columns: Any) -> np.ndarray:
    kinds = {"frame": "<u4", "x": "<f4", "y": "<f4", "photons": "<f4", "lpx": "<f4", "lpy": "<f4"}
    kinds |= {name: np.asarray(values).dtype.str for name, values in columns.items()}
    rows = np.zeros(n_rows, list(kinds.items()))
    rows["lpx"] = rows["lpy"] = 0.05
    for name, values in columns.items():
        rows[name] = values
    return rows


def picasso_file(path: Path, rows: np.ndarray, header: str = "Pixelsize: 130\n") -> Path:
    with h5py.File(path, "w") as file:
        file["locs"] = rows
    path.with_suffix(".yaml").write_text(header)
    return path


def test_molecules_of_picasso_with_mean_frames_open(tmp_path: Path) -> None:
    rows = locs(
        2, frame=np.array([100.25, 8908.75], "<f4"), x=np.array([1.0, 2.0], "<f4"), n=[12, 3]
    )
    table = read_table(picasso_file(tmp_path / "cell_mols.hdf5", rows))
    assert table.localizations.frame.tolist() == [100, 8909]
    assert table.localizations["mean_frame"].tolist() == [100.25, 8908.75]
    assert table.localizations["n"].tolist() == [12, 3]
    np.testing.assert_allclose(table.localizations.x_nm, [195, 325])
    assert "2 of 2 rows have a mean frame" in table.remarks[0]


def test_a_diverged_fit_of_picasso_is_left_out_and_counted(tmp_path: Path) -> None:
    x = np.arange(1000, dtype="<f4")
    x[500] = np.nan
    lpx = np.full(1000, 0.02, "<f4")
    lpx[[501, 502, 503]] = np.inf, -1, np.nan
    table = read_table(picasso_file(tmp_path / "a.hdf5", locs(1000, x=x, lpx=lpx)))
    assert len(table.localizations) == 999
    assert table.remarks == (
        "1 of 1,000 rows has no frame or position and was left out (row 501 of 'x' is empty or "
        "NaN).",
    )


TAGGED = (
    "Pixelsize: 130\nStructure.CX: !!python/object/apply:numpy.core.multiarray.scalar\n"
    "  - !!python/object/apply:numpy.dtype\n    args: [f8, false, true]\n"
    "  - !!binary AAAAAAAA8D8=\n"
    "Size: !!python/tuple [32, 48]\nRun: !!python/object/apply:os.system ['touch ran']\n"
)


def test_tags_in_picassos_yaml_are_passed_over_and_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = picasso_file(tmp_path / "a.hdf5", locs(3), TAGGED)
    assert read_table(path).pixel_size_nm == 130
    assert not (tmp_path / "ran").exists()


def test_the_pixel_of_a_simulation_counts_too(tmp_path: Path) -> None:
    path = picasso_file(tmp_path / "a.hdf5", locs(3), "Camera.Pixelsize: 160\n---\nBox Size: 7\n")
    assert read_table(path).pixel_size_nm == 160
    with pytest.raises(UnitNeeded, match=r"neither it nor b\.yaml states") as error:
        read_table(picasso_file(tmp_path / "b.hdf5", locs(3), "Width: 32\n"))
    assert error.value.is_pixel


def test_the_embedded_pixel_of_picasso_is_read(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["locs"] = locs(2)
        file["metadata"] = json.dumps([{"Pixelsize": 99}, {"Pixelsize": 108.0}])
    assert read_table(tmp_path / "a.hdf5").pixel_size_nm == 108
