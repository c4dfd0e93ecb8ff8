"""Last used: what was chosen in the panels, kept for the next time that they open.

Only what differs from the defaults is kept, under the name of its panel, in `last-used.yaml` in
the plugin's data folder, which a person can read, change and delete.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from napari_deepsmlm._base import load_yaml
from napari_deepsmlm.known_cameras import data_folder
from napari_deepsmlm.plugin.memory.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

logger = logging.getLogger(__name__)

FILE = "last-used.yaml"
HEADING = "# Last choices in the panels of Deep SMLM. Delete a line, or the file, to forget it.\n"
MAX_BYTES = 200_000
"""Some kB are usual; a larger file is not worth the time that reading it takes."""


def last_used_file() -> Path:
    """Return where choices are kept."""
    return data_folder() / FILE


def is_wanted() -> bool:
    """Whether the user wants choices to be kept."""
    return read_settings().remember_choices


def recall(path: Path, panel: str) -> dict[str, Any]:
    """Return what was kept for a panel, by name; nothing if the file is damaged or not there."""
    return _read(path).get(panel, {})


def keep(path: Path, panel: str, changes: Mapping[str, Any], forgotten: Collection[str]) -> None:
    """Write what changed in a panel, plain values, beside what others have written meanwhile.

    Parameters
    ----------
    forgotten : names that are not kept any more.
    """
    known = _read(path)
    section = {**known.get(panel, {}), **changes}
    known[panel] = {name: value for name, value in section.items() if name not in forgotten}
    _write(path, {name: kept for name, kept in known.items() if kept})


def _read(path: Path) -> dict[str, dict[str, Any]]:
    """Return all panels' sections; what is damaged is left out."""
    try:
        values = load_yaml(path) if path.stat().st_size <= MAX_BYTES else None
    except (ValueError, OSError):  # none yet, or damaged: nothing is lost but a convenience
        return {}
    sections = values.items() if isinstance(values, dict) else ()
    return {
        str(panel): {str(name): value for name, value in kept.items()}
        for panel, kept in sections
        if isinstance(kept, dict)
    }


def _write(path: Path, known: dict[str, dict[str, Any]]) -> None:
    import yaml

    from napari_deepsmlm._files import atomic_write

    # The window waits for this, and libyaml, where there is one, takes a tenth of the time.
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text = HEADING + yaml.dump(known, Dumper=dumper, sort_keys=False, allow_unicode=True)
    try:
        with atomic_write(path) as file:
            file.write(text.encode())
    except OSError as error:  # a full or read-only disk must not stop the work at hand
        logger.warning("%s was not written: %s", path, error)
