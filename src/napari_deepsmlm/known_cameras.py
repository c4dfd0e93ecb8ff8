"""Known cameras: pixel size and camera that a person entered for a kind of stack.

A kind is what names the camera in the file, else the size and type of the frames. The values are
kept in `cameras.yaml` in the folder of the user's data, which a person can read, change and delete.
The panels write it; everybody reads it.
"""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import Field

from napari_deepsmlm._base import FrozenModel, load_yaml
from napari_deepsmlm._files import atomic_write

logger = logging.getLogger(__name__)

FOLDER = "napari-deepsmlm"
FILE = "cameras.yaml"
SWITCHED_OFF = "cameras-off"
"""A file of this name beside the other one: nothing is remembered, nor looked up."""
MAX_KINDS = 200


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


def kind_of_stack(camera_name: str, image_px: tuple[int, int], dtype: Any) -> str:
    """Return what a stack has in common with others of the same camera.

    Examples
    --------
    >>> kind_of_stack("Andor iXon 888", (64, 128), "uint16")
    'Andor iXon 888'
    >>> kind_of_stack("", (64, 128), "uint16")
    '64 x 128 px, uint16'
    """
    height, width = image_px
    return camera_name.strip() or f"{height} x {width} px, {dtype}"


def recall(kind: str) -> Remembered | None:
    """Return what was entered for stacks of a kind, None if nothing was or it is switched off."""
    return None if is_off() else _all().get(kind)


def remember(kind: str, **values: Any) -> None:
    """Keep `pixel_size_nm` or `camera` for stacks of a kind."""
    if is_off():
        return
    known = _all()
    before = known.pop(kind, None)
    kept = {} if before is None else dict(before)
    now = Remembered.from_dict({**kept, **values, "entered": _today()}, source=FILE)
    if before is not None and now.replace(entered=before.entered) == before:
        return
    known[kind] = now
    _write(dict(list(known.items())[-MAX_KINDS:]))


def is_off() -> bool:
    """Whether the user does not want cameras to be remembered."""
    return (data_folder() / SWITCHED_OFF).exists()


def switch(*, is_on: bool) -> None:
    """Keep what the user decided in the preferences, so that the command line knows it too."""
    if is_on is not is_off():
        return
    marker = data_folder() / SWITCHED_OFF
    with suppress(OSError):  # a read-only disk: nothing can be remembered there either
        if is_on:
            marker.unlink(missing_ok=True)
        else:
            marker.parent.mkdir(parents=True, exist_ok=True)
            marker.touch()


def data_folder() -> Path:
    """Return where the program keeps what it writes by itself: in the folder of the user's data.

    It is Qt's GenericDataLocation, without Qt.
    """
    home = Path.home()
    if sys.platform == "win32":
        place = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        place = home / "Library" / "Application Support"
    else:
        place = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    return place / FOLDER


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
