"""YAML that other programs write beside their data: what it says, whatever else is in it."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from pathlib import Path

_MAX_BYTES = 1 << 20


class _Lenient(yaml.SafeLoader):
    """Passes over what has a tag of its own: nothing of it is made, and nothing of it is run."""


_Lenient.add_constructor(None, lambda loader, node: None)  # type: ignore[type-var]


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
        return list(yaml.load_all(header_text(path.read_bytes()), Loader=_Lenient))  # noqa: S506 - a safe loader
    except (yaml.YAMLError, ValueError, RecursionError):
        return []


def header_text(data: bytes) -> str:
    """Return the text of a header in whatever encoding its editor used.

    Examples
    --------
    >>> header_text("Camera: µ".encode("cp1252")), header_text("Width: 5".encode("utf-16"))
    ('Camera: µ', 'Width: 5')
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")
