"""Cards: what a header says comes back, and a damaged one is refused in one sentence."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError
from safetensors import safe_open
from safetensors.torch import save_file

from napari_deepsmlm.models import (
    ModelCard,
    built_in_models,
    find_model,
    load_model,
    model_class,
    read_card,
    save_model,
)
from napari_deepsmlm.models._checkpoint import HEADER_KEY

if TYPE_CHECKING:
    from pathlib import Path

    from napari_deepsmlm.models.deep_storm import DeepStorm

BUILT_IN = built_in_models()


def header_text(path: Path) -> str:
    with safe_open(path, framework="pt") as file:
        return file.metadata()[HEADER_KEY]


def change(path: Path, **values: Any) -> None:
    """Write other values into the header of a model; None takes one out."""
    header = {**json.loads(header_text(path)), **values}
    kept = {key: value for key, value in header.items() if value is not None}
    replace_header(path, json.dumps(kept))


def replace_header(path: Path, text: str) -> None:
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file(tensors, path, {HEADER_KEY: text})


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_card_of_a_built_in_model_is_written_as_it_was_read(name: str) -> None:
    card, text = read_card(BUILT_IN[name]), header_text(BUILT_IN[name])
    assert json.dumps(card.to_header()) == text
    assert ModelCard.from_dict(json.loads(text)) == card
    assert card == load_model(BUILT_IN[name])[1] == find_model(name).card


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_built_in_model_saved_again_has_the_header_that_it_had(name: str, tmp_path: Path) -> None:
    model, card = load_model(BUILT_IN[name])
    save_model(tmp_path / "again.safetensors", model, card)
    before, after = (
        json.loads(header_text(path)) for path in (BUILT_IN[name], tmp_path / "again.safetensors")
    )
    assert after.pop("n_planes") == model.n_planes
    before.pop("n_planes", None)  # the oldest file does not state it, nor all of the choices
    assert type(model.config).from_dict(before["config"]) == model.config
    assert after["config"] == model.config.model_dump(mode="json")
    for header in (before, after):
        del header["config"]
        del header["sha256"]  # of weights in half, now in single precision
    assert list(after.items()) == list(before.items())


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_card_knows_what_its_model_is(name: str) -> None:
    model, card = load_model(BUILT_IN[name])
    assert card.pixel_size_nm == model.config.pixel_size_nm
    assert card.upsampling == getattr(model.config, "upsampling", None)
    assert card.n_planes == model.n_planes
    assert card.title == model.title
    assert card.reads_depth == (model.is_3d and model.n_planes == 1)
    assert card.reads_neighbours == (model.context > 0)
    is_general = re.fullmatch(r"[\w-]+:2d(-x\d)?", name) is not None
    assert card.is_for_any_pixel == ("variety" in card.experiment and is_general)
    assert not card.is_adapted
    assert card.psf is not None
    assert card.psf == card.experiment["psf"]


def test_keys_of_a_later_version_are_kept_and_written_again(
    model_file: Path, tmp_path: Path
) -> None:
    change(model_file, licence="CC0", related=[{"doi": "10.1/x"}])
    model, card = load_model(model_file)
    save_model(tmp_path / "copy.safetensors", model, card.replace(trained_on="beads"))
    header = json.loads(header_text(tmp_path / "copy.safetensors"))
    assert header["licence"] == "CC0"
    assert header["related"] == [{"doi": "10.1/x"}]
    assert header["trained_on"] == "beads"
    assert "metrics" not in header  # what nobody stated is not invented


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"network": None}, "header has no 'network'"),
        ({"config": None}, "header has no 'config'"),
        ({"network": 5}, "header is damaged: 'network'"),
        ({"config": [1, 2]}, "header is damaged: 'config'"),
        ({"config": {"pixel_size_nm": "wide"}}, "pixel_size_nm above 0"),
        ({"config": {"pixel_size_nm": -100}}, "pixel_size_nm above 0"),
        ({"config": {"pixel_size_nm": 10**400}}, "cannot be used"),
        ({"config": {"upsampling": 0}}, "whole upsampling"),
        ({"config": {"upsampling": 2.5}}, "whole upsampling"),
        ({"n_planes": "four"}, "'n_planes'.*found 'four'"),
        ({"n_planes": 0}, "'n_planes'"),
        ({"experiment": "a preset"}, "'experiment'"),
        ({"metrics": [0.5]}, "'metrics'"),
        ({"adaptation": 7}, "'adaptation'"),
    ],
)
def test_a_damaged_card_is_refused_in_one_sentence(
    model_file: Path, values: dict[str, Any], sentence: str
) -> None:
    change(model_file, **values)
    for read in (read_card, load_model, find_model):
        with pytest.raises(ValueError, match=sentence) as caught:
            read(model_file)
        assert str(caught.value).startswith(model_file.name)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["[]", "5", '"card"', "{", "[" * 100_000])
def test_a_header_that_is_no_card_is_refused(model_file: Path, text: str) -> None:
    replace_header(model_file, text)
    with pytest.raises(ValueError, match=r"safetensors: the model's header is damaged"):
        read_card(model_file)


def test_a_model_is_not_written_with_a_card_that_cannot_be_read(
    deep_storm: DeepStorm, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="'metrics'"):
        save_model(tmp_path / "m.safetensors", deep_storm, {"metrics": [1.0]})
    assert not list(tmp_path.iterdir())


def test_the_weights_decide_what_a_saved_card_says_of_the_network(
    deep_storm: DeepStorm, tmp_path: Path
) -> None:
    card = read_card(BUILT_IN["voxel-regression:quad-plane-192nm"])
    save_model(tmp_path / "m.safetensors", deep_storm, card)
    model, found = load_model(tmp_path / "m.safetensors")
    assert (found.network, found.n_planes, found.title) == ("deep-storm", 1, model.title)
    assert found.experiment == card.experiment


def test_a_card_cannot_be_changed_in_place() -> None:
    card = ModelCard(network="deep-storm", config={})
    with pytest.raises(ValidationError, match="frozen"):
        card.network = "drsn-storm"
    assert card.replace(network="drsn-storm").title == model_class("drsn-storm").title


def test_a_bare_card_says_what_is_usual() -> None:
    card = ModelCard(network="new-network", config={"frames": 3})
    assert (card.pixel_size_nm, card.upsampling, card.n_planes) == (100.0, None, 1)
    assert (card.psf, card.blinking, card.title) == (None, None, "new-network")
    assert card.reads_neighbours
    assert card.to_header() == {"network": "new-network", "config": {"frames": 3}}
