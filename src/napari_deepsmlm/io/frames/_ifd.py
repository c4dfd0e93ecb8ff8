"""The page chain of a TIFF file, followed by ourselves because libraries hide where it breaks."""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_deepsmlm.io.frames._ifd_alike import Alike

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_deepsmlm.io._storage import ReadOnlyFile

# TIFF 6.0 tag numbers
SUBFILE_TYPE, WIDTH, HEIGHT, BITS, COMPRESSION = 254, 256, 257, 258, 259
PHOTOMETRIC, FILL_ORDER, DESCRIPTION, STRIP_OFFSETS = 262, 266, 270, 273
SAMPLES, ROWS_PER_STRIP, STRIP_COUNTS = 277, 278, 279
X_RESOLUTION, Y_RESOLUTION, PLANAR, RESOLUTION_UNIT, PREDICTOR = 282, 283, 284, 296, 317
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_COUNTS = 322, 323, 324, 325
SUB_IFDS, SAMPLE_FORMAT, DEPTH, MICRO_MANAGER = 330, 339, 32997, 51123
METAMORPH, METAMORPH_PLANES = 33628, 33629  # UIC1, and UIC2, which has an entry for each plane

_LAYOUT_TAGS = frozenset(
    (
        *(SUBFILE_TYPE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER, STRIP_OFFSETS),
        *(SAMPLES, ROWS_PER_STRIP, STRIP_COUNTS, PLANAR, PREDICTOR, TILE_WIDTH, TILE_HEIGHT),
        *(TILE_OFFSETS, TILE_COUNTS, SUB_IFDS, SAMPLE_FORMAT, DEPTH),
    )
)
_REMARK_TAGS = (DESCRIPTION, X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT, MICRO_MANAGER)
_TEXT_TYPES = (2, 7)  # ASCII, UNDEFINED
_RATIONAL = 5
_INTEGER_TYPES = {1: "u1", 3: "u2", 4: "u4", 13: "u4", 16: "u8", 18: "u8"}
_MAX_TAGS = 4096
_MAX_TAG_BYTES = 1 << 28
_MAX_DESCRIPTIONS = 8
# Values of tags lie in the file once each; where many tags point at the same place they do not.
_MAX_TIMES_FILE = 4
_SMALL_BYTES = 1 << 20

Tags = dict[int, tuple[Any, ...]]


class BrokenChain(Exception):
    """The chain of pages ends where it should not; the message says how."""


class Layout(NamedTuple):
    """What all pages of one stack must have in common."""

    width: int
    height: int
    bits: int
    sample_format: int
    samples: int
    compression: int
    photometric: int
    predictor: int
    fill_order: int
    planar: int
    depth: int
    rows_per_strip: int
    tile_width: int
    tile_height: int

    @property
    def row_bytes(self) -> int:
        """Bytes of one uncompressed row."""
        return (self.width * self.samples * self.bits + 7) // 8

    @property
    def frame_bytes(self) -> int:
        """Bytes of one uncompressed page."""
        return self.row_bytes * self.height * self.depth

    @property
    def is_plain(self) -> bool:
        """Whether the stored bytes are the pixel values themselves."""
        is_coded = self.compression != 1 or self.predictor != 1 or self.fill_order != 1
        return not is_coded and self.bits in (8, 16, 32, 64) and not self.tile_width


class Page(NamedTuple):
    """One page: its layout and where its strips or tiles lie in the file."""

    ifd_offset: int
    next_offset: int
    layout: Layout
    offsets: tuple[int, ...]
    counts: tuple[int, ...]
    is_reduced: bool
    has_sub_images: bool


class PageChain:
    """Pages of a TIFF or BigTIFF file, one after the other.

    Raises
    ------
    ValueError
        If the file does not start as a TIFF file does.
    """

    def __init__(self, file: ReadOnlyFile) -> None:
        self.file = file
        header = file.read_at(0, 16)
        self.byte_order = {b"II": "<", b"MM": ">"}.get(header[:2], "")
        if not self.byte_order or len(header) < 8:
            raise ValueError(f"{file.name}: too short for a TIFF file; export the images again.")
        self.is_big = struct.unpack_from(f"{self.byte_order}H", header, 2)[0] == 43
        if self.is_big and len(header) < 16:
            raise ValueError(f"{file.name}: too short for a TIFF file; export the images again.")
        offset_code, size_code = ("Q", "Q") if self.is_big else ("I", "H")
        self._offset = struct.Struct(self.byte_order + offset_code)
        self._n_tags = struct.Struct(self.byte_order + size_code)
        self._entry = struct.Struct(f"{self.byte_order}HH{'Q8s' if self.is_big else 'I4s'}")
        self.first_offset: int = self._offset.unpack_from(header, 8 if self.is_big else 4)[0]
        self._window = _Window(file)
        self._n_read = 0  # bytes of values that stand outside of their tags

    def pages(self) -> Iterator[Page]:
        """Yield pages in order.

        Raises
        ------
        BrokenChain
            At a page that lies outside the file, runs back into the chain, or makes no sense.
        """
        seen: set[int] = set()
        offset = self.first_offset
        page, alike = None, None
        while offset:
            if offset in seen:
                raise BrokenChain("the list of pages runs in a circle")
            seen.add(offset)
            page = self._next_like(page, alike, offset)
            if page is None:
                tags, following, alike = self._read_page(offset)
                page = _page(offset, following, tags)
            yield page
            offset = page.next_offset

    def remarks(self, page: Page) -> Tags:
        """Return the tags of a page that say what the image is; damaged ones are left out."""
        tags: Tags = {}
        self._n_read = 0
        for tag in _REMARK_TAGS:
            with suppress(BrokenChain):
                tags.update(self._read_ifd(page.ifd_offset, frozenset((tag,)))[0])
        with suppress(BrokenChain):
            counts = self._tag_counts(page.ifd_offset)
            if METAMORPH in counts and METAMORPH_PLANES in counts:
                tags[METAMORPH_PLANES] = (counts[METAMORPH_PLANES],)
        return tags

    def _tag_counts(self, offset: int) -> dict[int, int]:
        n_tags = self._n_tags.unpack(self._bytes(offset, self._n_tags.size))[0]
        if not 0 < n_tags <= _MAX_TAGS:
            return {}
        block = self._bytes(offset + self._n_tags.size, n_tags * self._entry.size)
        return {tag: count for tag, _, count, _ in self._entry.iter_unpack(block)}

    def _next_like(self, page: Page | None, alike: Alike | None, offset: int) -> Page | None:
        """Return the page at `offset` if it is as the one before, else None."""
        if page is None or alike is None or offset + alike.size > self.file.size:
            return None
        block = self._window.read(offset, alike.size)
        if not alike.fits(block):
            return None
        following = self._offset.unpack_from(block, alike.size - self._offset.size)[0]
        return Page(  # _replace would take three times as long
            offset,
            following,
            page.layout,
            (alike.frame_offset(block),),
            page.counts,
            page.is_reduced,
            page.has_sub_images,
        )

    def _read_page(self, offset: int) -> tuple[Tags, int, Alike | None]:
        tags, following = self._read_ifd(offset, _LAYOUT_TAGS)
        n_tags = self._n_tags.unpack(self._bytes(offset, self._n_tags.size))[0]
        n_bytes = self._n_tags.size + n_tags * self._entry.size + self._offset.size
        alike = Alike(
            self._bytes(offset, n_bytes),
            self._entry,
            self._n_tags,
            self._offset,
            STRIP_OFFSETS,
            _LAYOUT_TAGS,
        )
        return tags, following, alike if alike.is_usable else None

    def _read_ifd(self, offset: int, wanted: frozenset[int]) -> tuple[Tags, int]:
        n_tags = self._n_tags.unpack(self._bytes(offset, self._n_tags.size))[0]
        if not 0 < n_tags <= _MAX_TAGS:
            raise BrokenChain(f"byte {offset} should hold a page but does not")
        size = n_tags * self._entry.size
        block = self._bytes(offset + self._n_tags.size, size + self._offset.size)
        tags: Tags = {}
        for tag, kind, count, raw in self._entry.iter_unpack(block[:size]):
            if tag in wanted:
                if tag == DESCRIPTION and len(tags.get(tag, ())) >= _MAX_DESCRIPTIONS:
                    continue
                values = self._values(kind, count, raw)
                # a second description is kept: Micro-Manager writes one for OME, one for ImageJ
                tags[tag] = tags.get(tag, ()) + values if tag == DESCRIPTION else values
        return tags, self._offset.unpack_from(block, size)[0]

    def _values(self, kind: int, count: int, raw: bytes) -> tuple[Any, ...]:
        if kind in _TEXT_TYPES:
            return (self._payload(raw, count).rstrip(b"\0"),)
        if kind == _RATIONAL:
            pairs = np.frombuffer(self._payload(raw, count * 8), self.byte_order + "u4")
            return tuple(pairs.tolist())
        if kind not in _INTEGER_TYPES:
            return ()
        dtype = np.dtype(self.byte_order + _INTEGER_TYPES[kind])
        if count == 1:
            return (int.from_bytes(raw[: dtype.itemsize], _ENDIAN[self.byte_order]),)
        return tuple(np.frombuffer(self._payload(raw, count * dtype.itemsize), dtype).tolist())

    def _payload(self, raw: bytes, n_bytes: int) -> bytes:
        """Return a tag's bytes, which stand in the tag itself if they fit."""
        if n_bytes <= len(raw):
            return raw[:n_bytes]
        self._n_read += n_bytes
        if self._n_read > _MAX_TIMES_FILE * self.file.size + _SMALL_BYTES:
            raise BrokenChain("its pages claim more bytes than the file has")
        return self._bytes(self._offset.unpack(raw)[0], n_bytes)

    def _bytes(self, offset: int, n_bytes: int) -> bytes:
        if offset + n_bytes > self.file.size or n_bytes > _MAX_TAG_BYTES:
            raise BrokenChain(f"the list of pages leads past the end of the file (to {offset})")
        return self._window.read(offset, n_bytes)


_ENDIAN: dict[str, Any] = {"<": "little", ">": "big"}


class _Window:
    """Small reads served from larger ones where they lie close together."""

    def __init__(self, file: ReadOnlyFile) -> None:
        self._file = file
        self._start = 0
        self._data = b""

    def read(self, offset: int, n_bytes: int) -> bytes:
        begin = offset - self._start
        if begin < 0 or begin + n_bytes > len(self._data):
            is_near = 0 <= begin - len(self._data) < 4096 or 0 <= begin < len(self._data)
            self._start, begin = offset, 0
            self._data = self._file.read_at(offset, max(n_bytes, 65536 if is_near else 1024))
            if len(self._data) < n_bytes:
                raise BrokenChain("the file became shorter while it was opened")
        return self._data[begin : begin + n_bytes]


def _page(offset: int, following: int, tags: Tags) -> Page:
    def first(tag: int, default: int) -> int:
        values = tags.get(tag)
        return int(values[0]) if values and isinstance(values[0], int) else default

    height = first(HEIGHT, 0)
    is_tiled = TILE_OFFSETS in tags
    layout = Layout(
        width=first(WIDTH, 0),
        height=height,
        bits=first(BITS, 1),
        sample_format=first(SAMPLE_FORMAT, 1),
        samples=first(SAMPLES, 1),
        compression=first(COMPRESSION, 1),
        photometric=first(PHOTOMETRIC, 1),
        predictor=first(PREDICTOR, 1),
        fill_order=first(FILL_ORDER, 1),
        planar=first(PLANAR, 1),
        depth=first(DEPTH, 1),
        rows_per_strip=min(first(ROWS_PER_STRIP, height), height),
        tile_width=first(TILE_WIDTH, 0) if is_tiled else 0,
        tile_height=first(TILE_HEIGHT, 0) if is_tiled else 0,
    )
    return Page(
        ifd_offset=offset,
        next_offset=following,
        layout=layout,
        offsets=_integers(tags.get(TILE_OFFSETS if is_tiled else STRIP_OFFSETS, ())),
        counts=_integers(tags.get(TILE_COUNTS if is_tiled else STRIP_COUNTS, ())),
        is_reduced=bool(first(SUBFILE_TYPE, 0) & 1),
        has_sub_images=SUB_IFDS in tags,
    )


def _integers(values: tuple[Any, ...]) -> tuple[int, ...]:
    return tuple(value for value in values if isinstance(value, int))
