"""Remembered: pixel size and camera that were entered for a kind of stack, offered the next time.

A kind is what names the camera in the file, else the size and type of the frames. The values are
kept in `cameras.yaml` in the plugin's data folder, which a person can read, change and delete.
"""

from __future__ import annotations

import logging
from datetime import date
from typing import TYPE_CHECKING, Any

from pydantic import Field

from napari_deepsmlm._base import FrozenModel, load_yaml
from napari_deepsmlm.plugin.layers import provenance
from napari_deepsmlm.plugin.settings import data_folder, read_settings

if TYPE_CHECKING:
    from pathlib import Path

    from napari.layers import Layer

logger = logging.getLogger(__name__)

FILE = "cameras.yaml"
MOST_KINDS = 200


class Remembered(FrozenModel):
    """What was entered for stacks of one kind."""

    pixel_size_nm: float | None = Field(None, ge=1, le=10_000, description="Camera pixel.")
    camera: str | dict[str, str | float] | None = Field(
        None, description="Preset, or baseline and gain; none: not known."
    )
    entered: date = Field(description="When.")

    @property
    def origin(self) -> str:
        """Where the numbers come from, in words: `entered for such stacks on 21 Nov 2026`."""
        return f"entered for such stacks on {self.entered.day} {self.entered:%b %Y}"


def kind_of(layer: Layer) -> str:
    """Return what a layer has in common with others of the same camera."""
    name = str(provenance(layer).get("camera_name", "")).strip()
    if name:
        return name
    height, width = layer.data.shape[-2:]
    return f"{height} x {width} px, {layer.dtype}"


def recall(layer: Layer) -> Remembered | None:
    """Return what was entered for stacks like this one, None if nothing was."""
    if not read_settings().remember_cameras:
        return None
    return _all().get(kind_of(layer))


def remember(layer: Layer, **values: Any) -> None:
    """Keep `pixel_size_nm` or `camera` for stacks like this one."""
    if not read_settings().remember_cameras:
        return
    known, kind = _all(), kind_of(layer)
    before = known.pop(kind, None)
    kept = {} if before is None else dict(before)
    now = Remembered.from_dict({**kept, **values, "entered": _today()}, source=FILE)
    if before is not None and now.replace(entered=before.entered) == before:
        return
    known[kind] = now
    _write(dict(list(known.items())[-MOST_KINDS:]))


def _all() -> dict[str, Remembered]:
    """Return all kinds, the latest last; what is damaged is left out."""
    try:
        values = load_yaml(_path())
    except (ValueError, OSError):  # none yet, or damaged: nothing is lost but a convenience
        return {}
    known = {}
    for kind, kept in values.items() if isinstance(values, dict) else ():
        try:
            known[str(kind)] = Remembered.from_dict(kept, source=FILE)
        except ValueError:
            continue
    return known


def _write(known: dict[str, Remembered]) -> None:
    import yaml

    from napari_deepsmlm._files import atomic_write

    plain = {kind: kept.model_dump(mode="json") for kind, kept in known.items()}
    try:
        with atomic_write(_path()) as file:
            file.write(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True).encode())
    except OSError as error:  # a full or read-only disk must not stop the work at hand
        logger.warning("%s was not written: %s", _path(), error)


def _path() -> Path:
    return data_folder() / FILE


def _today() -> date:
    return date.today()
