"""Evaluation of files: scores, tables, pictures, and one sentence for each mistake."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import tifffile
from typer.testing import CliRunner, Result

from napari_deepsmlm.cli import app
from napari_deepsmlm.io import write_localizations
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.metrics import field_of, match, without_border

if TYPE_CHECKING:
    from pathlib import Path


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["evaluate", *map(str, arguments)])


def scores_of(*arguments: object) -> dict[str, Any]:
    result = call(*arguments, "--json")
    assert result.exit_code == 0, result.output

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    scores: dict[str, Any] = json.loads(result.stdout, parse_constant=refuse)
    return scores


def molecules(seed: int, *, is_3d: bool = True) -> Localizations:
    rng = np.random.default_rng(seed)
    columns = {name: rng.uniform(0, 6400, 300).round(3) for name in ("x_nm", "y_nm")}
    z = {"z_nm": rng.uniform(-300, 300, 300).round(3)} if is_3d else {}
    photons = rng.uniform(100, 2000, 300).round(3)
    return Localizations(frame=np.arange(300) // 10, **columns, **z, photons=photons)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Tables: `truth`, `moved` by 30 nm in x, in 2-D (`flat`), `far`, and without any rows."""
    truth = molecules(0)
    tables = {
        "truth": truth,
        "moved": truth.with_columns(x_nm=truth.x_nm + 30),
        "flat": truth.without("z_nm", "photons"),
        "far": truth.with_columns(y_nm=truth.y_nm + 1e5),
        "none": truth[:0],
        "hole": truth.with_columns(z_nm=np.where(np.arange(300) == 5, np.nan, truth["z_nm"])),
    }
    for name, table in tables.items():
        write_localizations(table, tmp_path / f"{name}.csv")
    ramp = np.arange(40 * 40, dtype=np.float32).reshape(40, 40)
    tifffile.imwrite(tmp_path / "image.tif", ramp)
    tifffile.imwrite(tmp_path / "wide.tif", ramp[:, :30])
    (tmp_path / "text.tif").write_bytes((tmp_path / "truth.csv").read_bytes())
    return tmp_path


def test_the_contract_holds_and_a_shift_is_found(files: Path) -> None:
    scores = scores_of(files / "moved.csv", "--truth", files / "truth.csv")
    fractions = {"jaccard", "precision", "recall", "f1"}
    errors = {"rmse_lateral_nm", "rmse_per_axis_nm", "rmse_axial_nm"}
    efficiencies = {"efficiency_lateral", "efficiency_axial", "efficiency_3d"}
    counts = {"n_true_positive", "n_false_positive", "n_false_negative"}
    assert fractions | errors | efficiencies | counts <= set(scores)
    assert all(isinstance(scores[name], int) for name in counts)
    assert scores["rmse_lateral_nm"] == pytest.approx(30, rel=1e-3)
    assert scores["bias_x_nm"] == pytest.approx(30, rel=1e-3)
    assert scores["bias_z_nm"] == pytest.approx(0, abs=1e-3)


def test_a_row_that_is_nowhere_is_left_out_and_said(files: Path) -> None:
    result = call(files / "hole.csv", "--truth", files / "truth.csv", "--json")
    assert json.loads(result.stdout)["n_true_positive"] == 299
    told = "hole.csv: 1 row without a position that is possible left out"
    assert told in " ".join(result.stderr.split())


def test_what_is_not_defined_is_null(files: Path) -> None:
    for name, said in (("far", "Nothing matched"), ("none", "none.csv holds no molecules")):
        result = call(files / f"{name}.csv", "--truth", files / "truth.csv", "--json")
        assert said in " ".join(result.stderr.split())
        scores = scores_of(files / f"{name}.csv", "--truth", files / "truth.csv")
        assert scores["jaccard"] == 0
        assert scores["rmse_lateral_nm"] is None
        assert scores["efficiency_3d"] is None
    assert scores["precision"] is None
    image = scores_of(files / "image.tif", "--truth", files / "image.tif")
    assert image["nmse_percent"] == 0
    assert image["psnr_db"] is None
    assert image["ms_ssim"] is None


def test_a_flat_prediction_is_scored_in_x_and_y_and_says_so(files: Path) -> None:
    result = call(files / "flat.csv", "--truth", files / "truth.csv", "--json")
    assert "flat.csv: has no z, so only x and y were matched" in " ".join(result.stderr.split())
    scores = json.loads(result.stdout)
    assert scores["rmse_lateral_nm"] == 0
    assert scores["rmse_axial_nm"] is None


def test_options_reach_the_matching(files: Path) -> None:
    found, truth = molecules(1), molecules(0)
    write_localizations(found, files / "other.csv")
    paths = files / "other.csv", "--truth", files / "truth.csv"
    words = ["--tolerance", 800, "--axial-tolerance", 200, "--min-photons", 500]
    more = ["--method", "optimal", "--border", 450]
    field = ["--stack-shape", "64x64", "--pixel-size", 100]
    inner = [without_border(table, 450, (0, 0, 6400, 6400)) for table in (found, truth)]
    expected = match(*inner, lateral_nm=800, axial_nm=200, least_photons=500, method="optimal")
    scores = scores_of(*paths, *words, *more, *field)
    assert scores["rmse_lateral_nm"] == pytest.approx(expected.scores()["rmse_lateral_nm"])
    assert scores["n_true_positive"] == len(expected.true) > 10
    # Without the shape of the frames the field is the box around the truth: a little smaller.
    boxed = scores_of(*paths, *more)
    inner = [without_border(table, 450, field_of(truth)) for table in (found, truth)]
    assert boxed["n_true_positive"] + boxed["n_false_negative"] == len(inner[1])
    assert boxed["n_true_positive"] + boxed["n_false_positive"] == len(inner[0])


@pytest.mark.parametrize("by", ["frame", "density", "z"])
def test_tables_come_with_their_picture(by: str, files: Path) -> None:
    scores = scores_of(
        files / "moved.csv", "--truth", files / "truth.csv", "--by", by, "--out", files / "out"
    )
    table = pd.read_csv(files / "out" / f"scores_by_{by}.csv")
    assert {"n_true", "recall", "precision", "jaccard", "rmse_axial_nm"} <= set(table)
    assert table["n_true_positive"].sum() == scores["n_true_positive"] == 300
    assert (files / "out" / f"scores_by_{by}.png").read_bytes().startswith(b"\x89PNG")


def test_an_experiment_puts_the_bound_beside_the_errors(files: Path) -> None:
    truth = molecules(0)[:40].with_columns(background=np.full(40, 20.0))
    write_localizations(truth, files / "lit.csv")
    words = ["--by", "frame", "--out", files / "out", "--experiment", "lines-50nm"]
    scores_of(files / "moved.csv", "--truth", files / "lit.csv", *words)
    table = pd.read_csv(files / "out" / "scores_by_frame.csv")
    # Ten molecules in each of the first four frames; in 2-D the frames tell nothing of z.
    assert (table["crlb_lateral_nm"] > 1).sum() == 4
    assert table["crlb_axial_nm"].isna().all()


def test_an_image_is_compared_with_molecules_or_with_an_image(files: Path) -> None:
    image = files / "image.tif"
    scores = scores_of(image, "--truth", files / "truth.csv", "--pixel-size", 160)
    assert scores["snr_db"] == pytest.approx(-10 * math.log10(scores["nmse_percent"] / 100))
    result = call(image, "--truth", files / "truth.csv", "--pixel-size", 160)
    assert "40 x 40 pixels are too few for ms_ssim" in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("prediction", "truth", "words", "sentence"),
    [
        ("moved.csv", "flat.csv", "--min-photons 5", "The truth has no photons"),
        (
            "moved.csv",
            "none.csv",
            "",
            "none.csv holds no molecules: there is nothing to compare with",
        ),
        ("moved.csv", "image.tif", "", "image.tif: is an image; localizations are compared with"),
        ("moved.csv", "truth.csv", "--tolerance -5", "'lateral_nm': must be greater than"),
        ("moved.csv", "truth.csv", "--tolerance nan", "'lateral_nm'"),
        ("moved.csv", "truth.csv", "--method best", "'greedy' or 'optimal'"),
        ("moved.csv", "truth.csv", "--border -1", "'border_nm'"),
        ("moved.csv", "truth.csv", "--border 3300", "leaves nothing of a field"),
        ("moved.csv", "truth.csv", "--border 9 --stack-shape 64", "such as 64x64; got '64'"),
        ("moved.csv", "truth.csv", "--border 9 --stack-shape 0x9", "such as 64x64; got '0x9'"),
        ("moved.csv", "truth.csv", "--border 9 --stack-shape 64x64", "give --pixel-size"),
        ("moved.csv", "truth.csv", "--stack-shape 64x64 --pixel-size 100", "give --border in nm"),
        ("moved.csv", "truth.csv", "--by frame", "--by and --out go together"),
        ("flat.csv", "truth.csv", "--by z --out out", "one of them has no z"),
        ("moved.csv", "truth.csv", "--by z --out out --experiment lines-50nm", "has no background"),
        ("moved.csv", "truth.csv", "--experiment lines-50nm", "give --by and --out too"),
        ("moved.csv", "truth.csv", "--experiment lines-5nm", "neither a file nor a preset"),
        ("image.tif", "truth.csv", "--by z --out out", "--by needs localizations"),
        ("image.tif", "truth.csv", "", "states no pixel size; give --pixel-size"),
        ("image.tif", "far.csv", "--pixel-size 100", "no molecule lies in the 40 x 40 pixels"),
        ("image.tif", "wide.tif", "", "Images of different shapes: (40, 40) and (40, 30)"),
        ("image.tif", "text.tif", "", "is text, not a TIFF"),
        ("image.tif", "truth.csv", "--pixel-size 100 --blur -1", "'blur_sigma_px'"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(
    prediction: str,
    truth: str,
    words: str,
    sentence: str,
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(files)
    result = call(prediction, "--truth", truth, *words.split())
    assert result.exit_code == 2, result.output
    assert sentence in " ".join(result.stderr.split())
    assert not (files / "out").exists()
