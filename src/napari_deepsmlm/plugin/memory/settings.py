"""Settings: what the user set under File > Preferences > Deep SMLM, kept by napari.

They are declared in `napari.yaml` (`configurations`), which gives napari its page; this reads them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from npe2 import PluginManager
from pydantic import Field

from napari_deepsmlm._base import FrozenModel
from napari_deepsmlm.known_cameras import data_folder

if TYPE_CHECKING:
    from collections.abc import Collection

PLUGIN = "napari-deepsmlm"


class Settings(FrozenModel):
    """All settings; the defaults are those of the page."""

    device: str = Field("auto", description="Where to compute when a panel opens.")
    precision: Literal["auto", "fp32", "bf16"] = Field("auto", description="Number format.")
    runs_folder: str = Field("", description="Where training runs are kept; empty: with my data.")
    default_camera: str = Field("not known", description="Camera preset of new kinds of stacks.")
    remember_cameras: bool = Field(True, description="Offer pixel size and camera again.")
    remember_choices: bool = Field(True, description="Open panels as they were left.")


def read_settings() -> Settings:
    """Return the settings; the defaults where napari does not know the plugin.

    A value that is of no use, as a hand can write it into the file, is the default as well.
    """
    values: dict[str, Any] = {}
    for group in _groups():
        for name in Settings.model_fields:
            if hasattr(group, name):
                values[name] = getattr(group, name)
    try:
        return Settings.from_dict(values, source="Preferences")
    except ValueError:
        return Settings()


def compute_settings(devices: Collection[str]) -> dict[str, str]:
    """Return device and precision to begin with; a device that is not here is left to `auto`."""
    settings = read_settings()
    device = settings.device if settings.device in devices else "auto"
    return {"device": device, "precision": settings.precision}


def runs_folder() -> Path:
    """Return where training runs are kept."""
    chosen = read_settings().runs_folder.strip()
    return Path(chosen).expanduser() if chosen else data_folder() / "runs"


def _groups() -> list[Any]:
    """Return what napari keeps for the groups of the manifest."""
    from napari.settings import get_plugin_settings

    try:
        manifest = PluginManager.instance().get_manifest(PLUGIN)
        kept = get_plugin_settings(PLUGIN)
    except KeyError:  # the plugin is not installed, or switched off
        return []
    return [getattr(kept, name) for name in manifest.contributions.configurations or {}]
