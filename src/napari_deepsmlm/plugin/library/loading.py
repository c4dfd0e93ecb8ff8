"""Library: what there is to choose from, found in another thread: importing torch takes seconds."""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from napari_deepsmlm.plugin.library.choices import ModelChoice
from napari_deepsmlm.plugin.memory.settings import runs_folder
from napari_deepsmlm.runs import trained_models

if TYPE_CHECKING:
    import threading
    from collections.abc import Generator, Iterator

    from napari_deepsmlm.batch import Recipe
    from napari_deepsmlm.reconstruction import ReconstructOptions

MAX_TRAINED = 20


@dataclass(frozen=True)
class Library:
    """Options with their ranges, models, devices, and cameras."""

    options: type[ReconstructOptions]
    models: tuple[ModelChoice, ...]
    pixel_tolerance: float
    devices: tuple[str, ...]
    cameras: tuple[str, ...]
    recipe: type[Recipe]


def load_library(stopping: threading.Event) -> Generator[Library, None, None]:
    """Import torch, look for what there is, and yield it."""
    load_torch_beside_python()
    from napari_deepsmlm._devices import available_devices, choose_compute
    from napari_deepsmlm.batch import Recipe
    from napari_deepsmlm.camera import camera_presets
    from napari_deepsmlm.reconstruction import PIXEL_TOLERANCE, ReconstructOptions

    models = known_models()
    choose_compute()  # starts the driver of a GPU, which takes its time
    yield Library(
        options=ReconstructOptions,
        models=models,
        pixel_tolerance=PIXEL_TOLERANCE,
        devices=tuple(available_devices()),
        cameras=tuple(camera_presets()),
        recipe=Recipe,
    )


def known_models() -> tuple[ModelChoice, ...]:
    """Return the built-in models, what needs no network, the user's own, and the latest runs'."""
    from napari_deepsmlm.models import built_in_models, untrained_cards

    models = [ModelChoice.from_file(path, name) for name, path in built_in_models().items()]
    untrained = [
        ModelChoice.from_card(card, name, card.title) for name, card in untrained_cards().items()
    ]
    return (*models, *untrained, *_own(), *_trained_by_user())


def _own() -> Iterator[ModelChoice]:
    """Yield models that were taken over from others, and the latest adapted to the user's data."""
    from napari_deepsmlm.models import adapted_models, imported_models

    adapted = list(adapted_models().items())[:MAX_TRAINED]
    for name, path in (*imported_models().items(), *adapted):
        with suppress(ValueError, OSError):  # damaged, or of another version
            yield ModelChoice.from_file(path, name)


def _trained_by_user() -> Iterator[ModelChoice]:
    """Yield the models of the latest runs of the Train panel."""
    for path in trained_models(runs_folder())[:MAX_TRAINED]:
        with suppress(ValueError, OSError):  # damaged, or of another version
            yield ModelChoice.from_file(path)


def load_torch_beside_python() -> None:
    """Map torch's big libraries before its import does, which would hold up the window.

    An import keeps Python's lock while the system loads a library (measured: 0.2 to 0.4 s); a
    function called through ctypes does not. Where this does nothing, the import does it all.
    """
    torch = None if "torch" in sys.modules else find_spec("torch")
    if torch is None or torch.origin is None or sys.platform != "linux":
        return
    dlopen = ctypes.CDLL(None).dlopen
    dlopen.argtypes, dlopen.restype = (ctypes.c_char_p, ctypes.c_int), ctypes.c_void_p
    folder = Path(torch.origin).parent / "lib"
    dlopen(os.fsencode(folder / "libtorch_global_deps.so"), os.RTLD_LAZY | os.RTLD_GLOBAL)
    dlopen(os.fsencode(folder / "libtorch.so"), os.RTLD_LAZY)
