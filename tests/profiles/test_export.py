from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from tests.profiles.conftest import gaussian, profile_across, ridge

from napari_deepsmlm.profiles import PixelGrid, fit_profile
from napari_deepsmlm.profiles.export import (
    MeasuredLine,
    curves_table,
    profile_figure,
    results_table,
    save_profile_figure,
    save_table,
    summary,
)

if TYPE_CHECKING:
    from pathlib import Path

    from napari_deepsmlm.profiles import Model


def measured(name: str = "image", model: Model = "gauss", unit: str = "nm") -> MeasuredLine:
    grid = PixelGrid.of_pixels(10)
    image, middle, across = ridge(grid, 0.3, gaussian(30))
    profile = profile_across(image, grid, middle, across, 200)
    return MeasuredLine(name, "1", profile, fit_profile(profile, model), unit=unit)


FAILED = MeasuredLine("dark", "1", None, None, "The line has no length.")


def test_a_row_says_all_with_units() -> None:
    one = measured()
    assert one.fit is not None
    table = results_table([one, FAILED])
    assert table["fwhm_nm"][0] == one.fit.fwhm_nm
    assert (table["fwhm_ci_low_nm"][0], table["fwhm_ci_high_nm"][0]) == one.fit.fwhm_ci_nm
    assert table["length_nm"][0] == pytest.approx(400)
    assert table["remarks"].tolist() == ["", "The line has no length."]
    assert pd.isna(table["fwhm_nm"][1])
    mixed = results_table([one, measured(unit="px")])
    assert mixed["fwhm_px"].notna().tolist() == [False, True]
    assert mixed["fwhm_nm"].notna().tolist() == [True, False]


def test_curves_are_samples_fit_and_what_is_left() -> None:
    one = measured()
    assert one.profile is not None
    table = curves_table([one, FAILED])
    np.testing.assert_array_equal(table["position_nm"], one.profile.position_nm)
    np.testing.assert_allclose(table["fitted"] + table["residual"], one.profile.value)
    assert curves_table([FAILED]).empty


@pytest.mark.parametrize("name", ["=1+1", "+a", "-b", "@c"])
def test_no_name_becomes_a_formula(tmp_path: Path, name: str) -> None:
    save_table(tmp_path / "t.csv", results_table([measured(name)]))
    read = pd.read_csv(tmp_path / "t.csv")
    assert read["image"].tolist() == [f"'{name}"]
    assert read["fwhm_nm"][0] == pytest.approx(70.6, abs=0.1)


def test_the_figure_has_points_curves_and_a_key() -> None:
    figure = profile_figure([measured("a"), measured("b"), FAILED], is_normalised=True)
    (axes,) = figure.axes
    assert len(axes.lines) == 4
    assert axes.get_xlabel() == "position along the line (nm)"
    keys = [text.get_text() for text in axes.get_legend().get_texts()]
    assert [key[:21] for key in keys] == ["a, 1: FWHM 70.64 nm (", "b, 1: FWHM 70.64 nm ("]


def test_a_figure_of_nothing_or_of_another_kind_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Nothing was measured"):
        profile_figure([FAILED])
    with pytest.raises(ValueError, match=r"a\.gif: figures are \.png, \.svg, \.pdf"):
        save_profile_figure(tmp_path / "a.gif", [measured()])


def test_a_line_of_text_has_what_the_model_measures() -> None:
    assert "distance" in summary(measured(model="two-gauss"))
    assert "diameter" in summary(measured(model="ring"))
    assert "width" in summary(measured(model="flat"))
    assert summary(measured(unit="px")).startswith("FWHM 70.64 px (")
    assert summary(FAILED) == "The line has no length."
