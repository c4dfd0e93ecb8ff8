"""PageTable: the pages of one TIFF file, checked against its real size and read by position."""

from __future__ import annotations

import itertools
import logging
import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_deepsmlm.io._storage import DamagedFrameError, FrameReadError, ReadOnlyFile
from napari_deepsmlm.io.frames._ifd import BrokenChain, Layout, Page, PageChain

if TYPE_CHECKING:
    from pathlib import Path

    from napari_deepsmlm.io.frames._planes import Frames

MAX_FRAME_BYTES = 1 << 30
_ZEROS_BYTES = 4096
_BOMB_FRAME_BYTES = 1 << 26  # smaller frames cannot hurt, however well they are packed
_BOMB_RATIO = 2000  # deflate reaches 1032, LZW about 1400

_COLOUR = {2: "RGB", 5: "CMYK", 6: "YCbCr", 8: "CIELab", 32803: "a colour filter"}
_COMPRESSION = {2: "CCITT", 5: "LZW", 6: "JPEG", 7: "JPEG", 8: "deflate", 32946: "deflate"}
_COMPRESSION |= {32773: "PackBits", 34712: "JPEG 2000", 50000: "Zstandard", 34925: "LZMA"}

Decode = Callable[..., tuple[Any, tuple[int, ...], tuple[int, ...]]]


class PageTable:
    """Grey-level pages of one TIFF file that all have the same size and type.

    Parameters
    ----------
    path : the TIFF file.
    max_pages : stop after this many pages (to look at a file quickly).

    Attributes
    ----------
    pages : the pages as found; the data of some may lie outside the file.
    n_promised : number of frames there should be, as far as the pages tell.
    is_recovered : whether that number is known although the list of pages is broken.
    problem : why the list of pages ended early, "" if it did not.

    Raises
    ------
    ValueError
        One sentence for every file whose pages cannot be camera frames.
    """

    def __init__(self, path: Path, max_pages: int | None = None) -> None:
        self.file = ReadOnlyFile(path)
        self.name = path.name
        self.chain = PageChain(self.file)
        self._byte_order = self.chain.byte_order
        self.pages, self.problem = self._follow_chain(max_pages)
        self.pages = _without_thumbnails(self.pages)
        self.layout = self.pages[0].layout
        _check_layout(self.name, self.layout)
        self._check_uniform()
        self._decode: Decode | None = None
        self._lock = threading.Lock()
        plain = [_plain_offset(page) for page in self.pages]
        self._offsets: npt.NDArray[np.int64] | None = None
        if all(offset is not None for offset in plain):
            self._offsets = np.array(plain, dtype=np.uint64).clip(0, 1 << 62).astype(np.int64)
        else:
            self._check_bomb()
        self.n_promised = len(self.pages)
        self.is_recovered = False
        self._recover_layout()

    @property
    def n_pages(self) -> int:
        """Number of pages known."""
        return len(self.pages) if self._offsets is None else len(self._offsets)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Data type of the values, in native byte order."""
        kind = {2: "i", 3: "f"}.get(self.layout.sample_format, "u")
        n_bytes = next(n for n in (1, 2, 4, 8) if 8 * n >= self.layout.bits)
        return np.dtype(f"{kind}{n_bytes}")

    @property
    def frame_shape(self) -> tuple[int, int]:
        """(H, W)."""
        return self.layout.height, self.layout.width

    @property
    def is_complete(self) -> npt.NDArray[np.bool_]:
        """(n_pages,) whether the data of each page lie inside the file."""
        if self._offsets is not None:
            return self._offsets + self.layout.frame_bytes <= self.file.size
        return np.array([self._has_all_segments(page) for page in self.pages])

    # -- frames without pages of their own ---------------------------------------------------

    @property
    def n_that_fit(self) -> int:
        """How many frames could lie between the first one and the end of the file."""
        if self._offsets is None:
            return 1
        return int(max(0, self.file.size - self._offsets[0]) // self.layout.frame_bytes)

    @property
    def ends_in_zeros(self) -> bool:
        """Whether the list of pages leads into room that was kept for more and never written."""
        start = self.pages[-1].next_offset
        if not self.problem or not 0 < start < self.file.size:
            return False
        ends = (start, max(start, self.file.size - _ZEROS_BYTES))
        return not any(any(self.file.read_at(at, _ZEROS_BYTES)) for at in ends)

    def lay_out(self, n_frames: int) -> bool:
        """Take `n_frames` frames to lie behind the first page; False if that cannot be."""
        if self._offsets is None:
            return False
        # frames past the end are only counted, never listed: the count may be nonsense
        n_listed = min(n_frames, self.n_that_fit + 1)
        self._offsets = self._offsets[0] + np.arange(n_listed) * self.layout.frame_bytes
        self.n_promised = n_frames
        return True

    def _recover_layout(self) -> None:
        """Find frames whose pages were cut off, where the first page proves how they lie.

        ImageJ and tifffile write all frames one behind the other and the other pages behind
        them, so the place of the second page tells the number of frames.
        """
        first = self.pages[0]
        if not self.problem or self._offsets is None or not first.next_offset:
            return
        gap = first.next_offset - int(self._offsets[0])
        n_frames, padding = divmod(gap, self.layout.frame_bytes)
        is_one_block = (np.diff(self._offsets) == self.layout.frame_bytes).all()
        if n_frames >= max(2, len(self.pages)) and padding < 64 and is_one_block:
            self.is_recovered = self.lay_out(n_frames)

    # -- reading -----------------------------------------------------------------------------

    def read(self, pages: npt.NDArray[np.int64], out: Frames) -> None:
        """Fill `out` (n, H, W) with the given pages, values as `dtype` says."""
        if self._offsets is None:
            for page, frame in zip(pages.tolist(), out, strict=True):
                self._read_segments(page, frame)
            return
        offsets = self._offsets[pages]
        breaks = np.flatnonzero(np.diff(offsets) != self.layout.frame_bytes) + 1
        for run in np.split(np.arange(len(pages)), breaks):
            block = out[run[0] : run[-1] + 1]
            what = f"frame data of page {pages[run[0]]}"
            self.file.read_into(int(offsets[run[0]]), _as_bytes(block), what)
        if self._byte_order != _NATIVE:
            out.byteswap(inplace=True)

    def check_decoder(self) -> None:
        """Raise a sentence if the first piece of the first page cannot be decoded."""
        if self._offsets is None and self._has_all_segments(self.pages[0]):
            try:
                self._decode_segment(0, 0)
            except FrameReadError as error:
                raise ValueError(str(error)) from None

    def __getstate__(self) -> dict[str, Any]:
        left_out = ("_lock", "_decode", "chain")
        state = {name: v for name, v in self.__dict__.items() if name not in left_out}
        if self._offsets is not None:
            state["pages"] = self.pages[:1]  # the offsets say it all
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()
        self._decode = None

    def _read_segments(self, page: int, frame: Frames) -> None:
        height, width = frame.shape
        for index in range(len(self.pages[page].offsets)):
            data, (_, _, y, x, *_), _ = self._decode_segment(page, index)
            piece = data[0, : height - y, : width - x, 0]
            frame[y : y + piece.shape[0], x : x + piece.shape[1]] = piece

    def _decode_segment(self, page: int, index: int) -> tuple[Any, tuple[int, ...], Any]:
        entry = self.pages[page]
        packed = bytearray(entry.counts[index])
        self.file.read_into(entry.offsets[index], memoryview(packed), f"page {page}")
        try:
            if self._decode is None:
                with self._lock, quiet_tifffile():
                    self._decode = self._make_decoder()
            return self._decode(bytes(packed), index)
        except FrameReadError:
            raise
        except Exception as error:  # noqa: BLE001 - codecs raise anything on damaged data
            raise DamagedFrameError(self._decoding_problem(page, error)) from None

    def _make_decoder(self) -> Decode:
        import tifffile

        with tifffile.TiffFile(self.file.path) as tiff:
            return tiff.pages.first.decode

    def _decoding_problem(self, page: int, error: Exception) -> str:
        layout = self.layout
        stored = f"{_COMPRESSION.get(layout.compression, f'type {layout.compression}')} compression"
        if layout.compression == 1:
            stored = f"{layout.bits}-bit values"
        if "imagecodecs" in str(error):
            return (
                f"{self.name}: its frames are stored with {stored}, which needs a codec that is "
                "not installed; run `pip install imagecodecs`, or save the stack uncompressed."
            )
        return (
            f"{self.name}: page {page} (stored with {stored}) could not be decoded; the file is "
            "damaged or uses an unknown variant; save it again as an uncompressed TIFF."
        )

    # -- checks ------------------------------------------------------------------------------

    def _follow_chain(self, max_pages: int | None) -> tuple[list[Page], str]:
        pages: list[Page] = []
        problem = ""
        try:
            pages.extend(itertools.islice(self.chain.pages(), max_pages))
        except BrokenChain as error:
            problem = str(error)
        if not pages:
            reason = problem or "the list of pages is empty"
            raise ValueError(
                f"{self.name}: no image was found ({reason}); the file is damaged or was cut "
                "short, so fetch or export it again."
            )
        return pages, problem

    def _check_uniform(self) -> None:
        first = _comparable(self.layout)
        for number, page in enumerate(self.pages):
            if page.layout == self.layout or _comparable(page.layout) == first:
                continue
            here, there = page.layout, self.layout
            if (here.width, here.height) != (there.width, there.height):
                difference = (
                    f"page 0 has {there.width} x {there.height} pixels but page {number} has "
                    f"{here.width} x {here.height}"
                )
            else:
                difference = f"page {number} stores its values in another way than page 0"
            raise ValueError(
                f"{self.name}: {difference}; all frames of a stack must be alike, so save the "
                "movie by itself."
            )

    def _check_bomb(self) -> None:
        layout = self.layout
        decoded = layout.frame_bytes
        if layout.tile_width:
            tile = layout.tile_width * layout.tile_height * layout.bits // 8
            decoded = max(decoded, tile * len(self.pages[0].offsets))
        stored = max(sum(page.counts) for page in self.pages)
        if decoded > _BOMB_FRAME_BYTES and decoded > _BOMB_RATIO * min(stored, self.file.size):
            raise ValueError(
                f"{self.name}: declares frames of {layout.width} x {layout.height} pixels but "
                f"holds only {min(stored, self.file.size)} bytes for one; the file is damaged or "
                "malicious and was not opened."
            )

    def _has_all_segments(self, page: Page) -> bool:
        layout = page.layout
        n_expected = math.ceil(layout.height / max(1, layout.rows_per_strip))
        if layout.tile_width:
            n_across = math.ceil(layout.width / layout.tile_width)
            n_expected = n_across * math.ceil(layout.height / max(1, layout.tile_height))
        if not len(page.offsets) == len(page.counts) == n_expected:
            return False
        ends = (o + c for o, c in zip(page.offsets, page.counts, strict=True))
        return min(page.counts) > 0 and max(ends) <= self.file.size


_NATIVE = "<" if np.little_endian else ">"


@contextmanager
def quiet_tifffile() -> Iterator[None]:
    """Hold back tifffile's log lines of this thread: our own sentence says it better."""
    thread = threading.get_ident()

    def is_from_elsewhere(record: logging.LogRecord) -> bool:
        return record.thread != thread

    logger = logging.getLogger("tifffile")
    logger.addFilter(is_from_elsewhere)
    try:
        yield
    finally:
        logger.removeFilter(is_from_elsewhere)


def _check_layout(name: str, layout: Layout) -> None:
    """Raise one sentence unless pages of this layout can be camera frames."""
    size = f"{layout.width} x {layout.height} pixels"
    if layout.width < 1 or layout.height < 1:
        raise ValueError(
            f"{name}: its first page has {size}; the file is damaged, export it again."
        )
    if layout.photometric in _COLOUR or layout.samples != 1:
        kind = _COLOUR.get(layout.photometric, f"{layout.samples} values per pixel")
        raise ValueError(
            f"{name}: this is a colour image ({kind}), but frames must be grey levels; split its "
            "channels or save it as 16-bit grey."
        )
    if layout.sample_format in (5, 6):
        raise ValueError(
            f"{name}: its values are complex numbers, but frames must be grey levels; save the "
            "magnitude or another real image."
        )
    is_float = layout.sample_format == 3
    if layout.bits not in ((16, 24, 32, 64) if is_float else range(1, 65)) or layout.depth != 1:
        raise ValueError(
            f"{name}: stores {layout.bits}-bit values in a way no camera uses; save it as 16-bit "
            "or 32-bit grey levels."
        )
    if layout.frame_bytes > MAX_FRAME_BYTES:
        raise ValueError(
            f"{name}: declares frames of {size}, more than 1 GB each; the file is damaged or is "
            "no camera stack."
        )
    if layout.tile_width and layout.tile_width * layout.tile_height > MAX_FRAME_BYTES:
        raise ValueError(f"{name}: declares tiles of more than 1 GB; the file is damaged.")


def _without_thumbnails(pages: list[Page]) -> list[Page]:
    """Drop pages that call themselves smaller copies, unless all do, or they are not smaller."""
    first = pages[0]
    if first.is_reduced or not any(page.is_reduced for page in pages):
        return pages
    size = (first.layout.width, first.layout.height)
    return [p for p in pages if not p.is_reduced or (p.layout.width, p.layout.height) == size]


def _comparable(layout: Layout) -> Layout:
    """Leave out what may differ between the pages of one stack."""
    if layout.is_plain:
        layout = layout._replace(rows_per_strip=0)
    return layout._replace(photometric=0)


def _plain_offset(page: Page) -> int | None:
    """Where the values of an uncompressed page start, None unless they lie in one piece."""
    layout = page.layout
    if not layout.is_plain or not page.offsets:
        return None
    if len(page.offsets) == 1:
        return page.offsets[0]  # its byte count is wrong in some files and not needed
    if len(page.counts) != len(page.offsets):
        return None
    starts = itertools.accumulate(page.counts, initial=page.offsets[0])
    is_one_piece = all(a == b for a, b in zip(page.offsets, starts, strict=False))
    return page.offsets[0] if is_one_piece and sum(page.counts) >= layout.frame_bytes else None


def _as_bytes(block: Frames) -> memoryview:
    return block.view(np.uint8).reshape(-1).data
