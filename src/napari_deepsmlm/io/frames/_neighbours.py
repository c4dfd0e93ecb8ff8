"""Neighbours: the file of a set that holds its OME-XML, read for a file that only points to it."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from napari_deepsmlm.io._storage import ReadOnlyFile
from napari_deepsmlm.io.frames import _ifd
from napari_deepsmlm.io.frames._description import as_text

if TYPE_CHECKING:
    from pathlib import Path

_MAX_XML_BYTES = 1 << 28


def ome_xml_of(folder: Path, name: str) -> str:
    """Return the OME-XML in a file of a folder, a TIFF or `.companion.ome`, "" if there is none."""
    try:
        file = ReadOnlyFile(folder / name)
    except (ValueError, OSError):
        return ""
    with closing(file):
        start = file.read_at(0, 2000)
        if b"<OME" in start and start[:2] not in (b"II", b"MM"):
            is_sane = file.size <= _MAX_XML_BYTES
            return as_text(file.read_at(0, file.size)) if is_sane else ""
        try:
            chain = _ifd.PageChain(file)
            tags = chain.remarks(next(chain.pages()))
        except (ValueError, StopIteration, _ifd.BrokenChain):
            return ""
    texts = map(as_text, tags.get(_ifd.DESCRIPTION, ()))
    return next((text for text in texts if "<OME" in text[:2000] and "<Pixels" in text), "")
