"""YAML that other programs write beside their data: what it says, whatever else is in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from napari_deepsmlm._base import decode_text
from napari_deepsmlm._yaml import check_yaml

if TYPE_CHECKING:
    from pathlib import Path

_MAX_BYTES = 1 << 20


class _Lenient(yaml.SafeLoader):
    """Passes over what has a tag of its own: nothing of it is made, and nothing of it is run."""


_Lenient.add_constructor(None, lambda loader, node: None)


def read_documents(path: Path) -> list[Any]:
    """Return the documents of a YAML file, [] if it is none; values of unknown tags are None.

    Picasso adds one for each step of processing. Numbers of numpy, which some programs write with a
    tag that names code, are among the values that are None.

    Raises
    ------
    ValueError
        If the file is too large for a header.
    """
    if path.stat().st_size > _MAX_BYTES:
        raise ValueError(f"{path.name}: larger than 1 MB, which is no movie header.")
    try:
        text = decode_text(path.read_bytes())
        check_yaml(text, has_aliases=True)
        return list(yaml.load_all(text, Loader=_Lenient))
    except (yaml.YAMLError, ValueError, RecursionError):
        return []
