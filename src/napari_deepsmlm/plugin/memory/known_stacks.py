"""Remembered: pixel size and camera that were entered for a kind of stack, offered the next time.

They are kept by `known_cameras`, which the command line and Python read as well; here are layers
and the preference that switches it off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_deepsmlm import known_cameras
from napari_deepsmlm.plugin.layers.world import provenance
from napari_deepsmlm.plugin.memory.settings import read_settings

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_deepsmlm.known_cameras import Remembered


def kind_of(layer: Layer) -> str:
    """Return what a layer has in common with others of the same camera."""
    height, width = layer.data.shape[-2:]
    name = str(provenance(layer).get("camera_name", ""))
    return known_cameras.kind_of_stack(name, (height, width), layer.dtype)


def recall(layer: Layer) -> Remembered | None:
    """Return what was entered for stacks like this one, None if nothing was."""
    known_cameras.switch(is_on=read_settings().remember_cameras)
    return known_cameras.recall(kind_of(layer))


def remember(layer: Layer, **values: Any) -> None:
    """Keep `pixel_size_nm` or `camera` for stacks like this one."""
    known_cameras.switch(is_on=read_settings().remember_cameras)
    known_cameras.remember(kind_of(layer), **values)
