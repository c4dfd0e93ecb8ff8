"""`deepsmlm models`: the built-in models, and the networks that can be trained."""

from __future__ import annotations

import json
from contextlib import suppress
from textwrap import shorten
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from napari_deepsmlm.cli._console import out, print_json
from napari_deepsmlm.cli._options import JsonFlag

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from napari_deepsmlm.models import ModelCard


def list_models(as_json: JsonFlag = False) -> None:
    """List the built-in models, those adapted to your data, and the networks to train."""
    from napari_deepsmlm.models import (
        adapted_models,
        available_models,
        built_in_models,
        untrained_cards,
    )

    cards, adapted = _cards(built_in_models()), _cards(adapted_models())
    untrained = untrained_cards()
    networks = available_models()
    if as_json:
        built_in, own, without = (
            [_info(n, c) for n, c in each.items()] for each in (cards, adapted, untrained)
        )
        lists = {"built_in": built_in, "adapted": own, "without_network": without}
        print_json({**lists, "networks": [*networks]})
        return
    table = Table("model", "pixel nm", "upsampling", "trained on")
    for name, card in (cards | adapted | untrained).items():
        info = _info(name, card)
        upsampling = "" if card.upsampling is None else str(card.upsampling)
        pixel = f"{card.pixel_size_nm:g}" if card.is_trained else "any"
        table.add_row(name, pixel, upsampling, _in_brief(info["trained_on"]))
    out.print(table)
    out.print("Networks to train: " + ", ".join(sorted(networks)))


def model_info(
    name: Annotated[str, typer.Argument(help="Built-in model, network or file.")],
    as_json: JsonFlag = False,
) -> None:
    """Say what a model is, what it was trained on and how good it is."""
    from napari_deepsmlm.models import find_model

    found = find_model(name)
    info = _info(found.name, found.card, parameters=found.load().n_parameters)
    if as_json:
        print_json(info)
        return
    table = Table("field", "value", show_header=False)
    for key, value in info.items():
        text = value if isinstance(value, str) else json.dumps(value, indent=1)
        table.add_row(key, text)
    out.print(table)


def _cards(paths: Mapping[str, Path]) -> dict[str, ModelCard]:
    """Return the cards of model files; damaged ones are left out."""
    from napari_deepsmlm.models import read_card

    cards = {}
    for name, path in paths.items():
        with suppress(ValueError, OSError):
            cards[name] = read_card(path)
    return cards


def _in_brief(text: str) -> str:
    """Return the first sentence, cut after a word where it is longer than 60 characters."""
    sentence, stop, _ = text.partition(". ")
    return shorten(sentence + stop.strip(), 60, placeholder=" …")


def _info(name: str, card: ModelCard, parameters: int | None = None) -> dict[str, Any]:
    return {
        "name": name,
        "network": card.network,
        **({} if parameters is None else {"parameters": parameters}),
        "pixel_size_nm": card.pixel_size_nm,
        "psf": card.psf,
        "trained_on": card.trained_on,
        "training_record": card.training_record,
        "metrics": card.metrics,
        **({"adaptation": card.adaptation} if card.is_adapted else {}),
    }
