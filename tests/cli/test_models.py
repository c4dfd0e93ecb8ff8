"""`deepsmlm models`: a short list, and all about one model."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rich.console import Console
from tests.cli.conftest import call

from napari_deepsmlm.cli import models
from napari_deepsmlm.models import built_in_models, read_card

if TYPE_CHECKING:
    import pytest


def test_models_list_has_the_built_in_models() -> None:
    listed = json.loads(call("models", "list", "--json").stdout)
    assert "deep-storm" in listed["networks"]
    assert "deep-storm:2d-100nm" in {model["name"] for model in listed["built_in"]}
    assert [model["name"] for model in listed["without_network"]] == ["fit"]
    assert "fit" not in listed["networks"]


def test_models_list_says_which_models_are_for_any_pixel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "out", Console(width=100))
    rows = [row.split("│") for row in call("models", "list").stdout.splitlines() if "│" in row]
    pixel_of = {row[1].strip(): row[2].strip() for row in rows}
    assert pixel_of["dilated-loc:2d"] == pixel_of["fit"] == "any"
    assert pixel_of["dilated-loc:2d-100nm"] == "100"


def test_a_model_takes_two_lines_of_the_list_and_info_has_the_whole_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(models, "out", Console(width=100))
    rows = call("models", "list").stdout.split("┡")[1].split("└")[0].splitlines()[1:]
    assert len(rows) <= 2 * (len(built_in_models()) + 1)
    name, path = next(iter(built_in_models().items()))
    told, whole = (
        " ".join(call("models", *words).stdout.replace("│", " ").split())
        for words in (["list"], ["info", name])
    )
    text = read_card(path).trained_on
    assert text in whole
    assert text not in told


def test_models_list_says_which_models_give_depth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "out", Console(width=120))
    rows = [row.split("│") for row in call("models", "list").stdout.splitlines() if "│" in row]
    depth, brief = ({row[1].strip(): row[n].strip() for row in rows} for n in (4, 5))
    assert depth["dilated-loc:tetrapod-3um"] == "PSF"
    assert depth["voxel-regression:quad-plane-192nm"] == "planes"
    assert depth["dilated-loc:2d"] == depth["fit"] == ""
    assert brief["dilated-loc:2d"] == "frames of many microscopes"
    assert brief["drsn-storm:2d-x8"] == "sums of 1-60 frames of many microscopes"
    assert not any("…" in words for words in brief.values())


def test_names_of_models_are_whole_in_a_narrow_terminal() -> None:
    shown = call("models", "list").stdout  # 80 columns, as where there is no terminal
    assert [name for name in built_in_models() if name not in shown] == []
    assert {line[-1] for line in shown.splitlines() if line[0] in "┃│"} == {"┃", "│"}
