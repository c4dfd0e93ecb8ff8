"""Networks: each file here that defines `MODEL` is one, found without a list to edit."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

from napari_deepsmlm.models._catalog import (
    FoundModel,
    adapted_folder,
    adapted_models,
    built_in_models,
    choose_models_folder,
    find_model,
    imported_models,
    models_folder,
    models_folder_to_write,
    own_models_folder,
    untrained_cards,
)
from napari_deepsmlm.models._checkpoint import load_model, read_card, save_model, take_over
from napari_deepsmlm.models.base import ImageModel, ModelConfig, SMLMModel
from napari_deepsmlm.models.card import ModelCard
from napari_deepsmlm.models.fit import SingleMolecules

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "FoundModel",
    "ImageModel",
    "ModelCard",
    "ModelConfig",
    "SMLMModel",
    "SingleMolecules",
    "adapted_folder",
    "adapted_models",
    "available_models",
    "build_model",
    "built_in_models",
    "choose_models_folder",
    "find_model",
    "imported_models",
    "load_model",
    "model_class",
    "models_folder",
    "models_folder_to_write",
    "own_models_folder",
    "read_card",
    "save_model",
    "take_over",
    "untrained_cards",
    "untrained_models",
]

ENTRY_POINT_GROUP = "napari_deepsmlm.models"


def available_models() -> Mapping[str, type[SMLMModel]]:
    """Return the networks by name: those of this folder, then other packages' entry points."""
    return {model.name: model for model in (*_own_models(), *_installed_models())}


def untrained_models() -> Mapping[str, type[SMLMModel]]:
    """Return by name what localizes without a network: it has no file, and nothing to train."""
    return {SingleMolecules.name: SingleMolecules}


def model_class(name: str) -> type[SMLMModel]:
    """Return the network of that name, or what localizes without one.

    Raises
    ------
    ValueError
        If there is none; the message lists those there are.
    """
    networks = available_models()
    models = {**networks, **untrained_models()}
    if name not in models:
        raise ValueError(f"Unknown network '{name}'. Available: {', '.join(sorted(networks))}.")
    return models[name]


def build_model(name: str, config: Any = None, *, source: str = "model") -> SMLMModel:
    """Return an untrained model; `config` is its `Config` or the plain values of one."""
    network = model_class(name)
    if not isinstance(config, ModelConfig):
        config = network.Config.from_dict(config or {}, source=source)
    return network(config)


def _own_models() -> list[type[SMLMModel]]:
    modules = [
        import_module(f"{__name__}.{found.name}")
        for found in iter_modules(__path__)
        if not found.name.startswith("_")
    ]
    return [module.MODEL for module in modules if hasattr(module, "MODEL")]


@cache
def _installed_models() -> tuple[type[SMLMModel], ...]:
    return tuple(point.load() for point in entry_points(group=ENTRY_POINT_GROUP))
