"""`deepsmlm models`: the built-in models, and the networks that can be trained."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from napari_deepsmlm._words import counted
from napari_deepsmlm.cli._console import NamesTable, out, print_json
from napari_deepsmlm.cli._options import JsonFlag, read_stack_shape

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_deepsmlm.models import ModelCard


def list_models(as_json: JsonFlag = False) -> None:
    """List the built-in models, your adapted and imported ones, and the networks to train."""
    from napari_deepsmlm.models import (
        adapted_models,
        available_models,
        built_in_models,
        imported_models,
        untrained_cards,
    )

    cards, adapted = _cards(built_in_models()), _cards(adapted_models())
    imported = _cards(imported_models())
    untrained = untrained_cards()
    networks = available_models()
    if as_json:
        kinds = {
            "built_in": cards, "adapted": adapted, "imported": imported,
            "without_network": untrained,
        }  # fmt: skip
        lists = {kind: [_info(n, c) for n, c in each.items()] for kind, each in kinds.items()}
        print_json({**lists, "networks": [*networks]})
        return
    table = NamesTable("model", "pixel nm", "finer", "depth", "trained on", names="model")
    for name, card in (cards | adapted | imported | untrained).items():
        info = _info(name, card)
        finer = "" if card.upsampling is None else f"×{card.upsampling}"
        pixel = "any" if card.is_for_any_pixel else f"{card.pixel_size_nm:g}"
        trained_on = _in_brief(info["trained_on"])
        if card.is_trained and card.is_for_any_pixel:
            trained_on += " of many microscopes"
        table.add_row(name, pixel, finer, _depth(card), trained_on)
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
        table.add_row(key, escape(text))
    out.print(table)


def export_model(
    name: Annotated[str, typer.Argument(help="Built-in model, network or file.")],
    out_file: Annotated[Path, typer.Option("--out", help="File to write.")],
    kind: Annotated[str, typer.Option("--format", help="onnx or bioimageio.")] = "onnx",
    camera: Annotated[
        str | None,
        typer.Option(
            help="Put this camera into the graph, a preset or YAML: the input is then ADU; "
            "without one it is photons."
        ),
    ] = None,
    frame_size: Annotated[
        str | None,
        typer.Option(
            help="ROWSxCOLUMNS of the frames, for networks that look for a frame's background; "
            "64x64 if not given. Others take any size."
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Write a model for other programs, and run it there first.

    ONNX is checked by onnxruntime (1e-4 of the peak), a BioImage Model Zoo package by
    bioimageio.core. Both need the extra `export` of the package.
    """
    from napari_deepsmlm.camera import find_camera
    from napari_deepsmlm.export import ExportedGraph, export_bioimageio, export_onnx
    from napari_deepsmlm.models import find_model

    endings = {"onnx": ".onnx", "bioimageio": ".zip"}
    if kind not in endings:
        raise ValueError(f"--format takes onnx or bioimageio, got '{kind}'.")
    if out_file.suffix != endings[kind]:
        raise ValueError(f"--out needs the ending {endings[kind]} for {kind}, got '{out_file}'.")
    graph = ExportedGraph(
        find_model(name),
        None if camera is None else find_camera(camera),
        read_stack_shape(frame_size, "--frame-size"),
    )
    told: dict[str, Any] = {"file": str(out_file), "format": kind, **graph.statement()}
    if kind == "onnx":
        told["largest_difference"] = export_onnx(graph, out_file).largest_difference
    else:
        told["bioimageio"] = export_bioimageio(graph, out_file)
    del told["card"]
    if as_json:
        print_json(told)
    else:
        size = (
            "frames of any size"
            if told["frame_px"] == "any"
            else (f"frames of {told['frame_px']} pixels and no others (--frame-size)")
        )
        out.print(
            f"{graph.found.name} in {out_file}; takes {size}; input: {told['input']}.",
            soft_wrap=True,
        )


def import_model(
    file: Annotated[Path, typer.Argument(help="A .safetensors model, or an exported .zip.")],
    name: Annotated[
        str | None, typer.Option(help="Such as deep-storm:mine; default: that of the file.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace one of that name.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Keep a model of this package under a name that all commands and panels know."""
    from napari_deepsmlm.export import import_model as keep

    kept = keep(file, name, overwrite=force)
    if as_json:
        print_json({"name": kept})
    else:
        out.print(f"Imported as {kept}.")


def show_models_folder(
    folder: Annotated[
        Path | None,
        typer.Argument(help="Import into this one from now on, and find what others put there."),
    ] = None,
    own: Annotated[bool, typer.Option("--own", help="Go back to the folder of your own.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Say in which folder imported models lie, or choose one, such as a folder on a share."""
    from napari_deepsmlm.models import (
        choose_models_folder,
        imported_models,
        models_folder,
        own_models_folder,
    )

    if own and folder is not None:
        raise ValueError("Give a folder or --own, not both.")
    if own or folder is not None:
        choose_models_folder(folder)
    shown = models_folder()
    names = [name for name, path in imported_models().items() if path.parent == shown]
    if as_json:
        print_json({"folder": str(shown), "is_there": shown.is_dir(), "models": names})
        return
    is_away = not shown.is_dir() and shown != own_models_folder()
    state = "its drive is away" if is_away else counted(len(names), "model")
    out.print(f"{shown}: {state}", soft_wrap=True)


def _cards(paths: Mapping[str, Path]) -> dict[str, ModelCard]:
    """Return the cards of model files; damaged ones are left out."""
    from napari_deepsmlm.models import read_card

    cards = {}
    for name, path in paths.items():
        with suppress(ValueError, OSError):
            cards[name] = read_card(path)
    return cards


def _depth(card: ModelCard) -> str:
    """Return what tells depth, nothing if nothing does."""
    is_of_planes = (card.psf or {}).get("kind") == "multiplane"
    return "PSF" if card.reads_depth else "planes" if is_of_planes else ""


def _in_brief(text: str) -> str:
    """Return the words before the first stop of any kind, without brackets, 60 characters or less.

    Examples
    --------
    >>> _in_brief("Trained on simulated tubes (half) and uniform molecules, 660 nm: some. More.")
    'tubes and uniform molecules'
    """
    begin = re.split(r"[:,.](?: |$)", text.removeprefix("Trained on "), maxsplit=1)[0]
    return shorten(re.sub(r"simulated | \([^)]*\)", "", begin), 60, placeholder=" …")


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
