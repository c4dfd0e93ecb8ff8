"""Deep-learning super-resolution of blinking (SMLM) stacks, in napari, Python and a shell."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_deepsmlm.batch import run_batch
    from napari_deepsmlm.estimation import estimate
    from napari_deepsmlm.experiment import Experiment
    from napari_deepsmlm.localizations import Localizations
    from napari_deepsmlm.profiles import fit_profile, line_profile
    from napari_deepsmlm.reconstruction import reconstruct

# Public names and where they live; loaded at first use, so that importing the package is quick.
_HOMES = {
    "Experiment": "experiment",
    "Localizations": "localizations",
    "estimate": "estimation",
    "fit_profile": "profiles",
    "line_profile": "profiles",
    "reconstruct": "reconstruction",
    "run_batch": "batch",
}

__all__ = [
    "Experiment",
    "Localizations",
    "__version__",
    "estimate",
    "fit_profile",
    "line_profile",
    "reconstruct",
    "run_batch",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("napari-deepsmlm")
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
