"""A zarr folder whose chunks are measured before they are unpacked: none can fill the memory."""

from __future__ import annotations

import bz2
import lzma
import stat
import struct
import zlib
from typing import TYPE_CHECKING, Any

from zarr.storage import LocalStore

from napari_deepsmlm.io.frames._zarr_meta import ZarrArray  # noqa: TC001 - unpickled with the store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_BLOCK_BYTES = 1 << 20
_MAX_LZMA_BYTES = 1 << 28  # what a dictionary may take
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


class BoundedStore(LocalStore):
    """A folder of chunks, none of which unpacks to more than its array says.

    Parameters
    ----------
    root : folder of the array.
    array : what the array says; without it nothing is measured, as for its metadata.
    """

    def __init__(
        self, root: Path | str, *, read_only: bool = True, array: ZarrArray | None = None
    ) -> None:
        super().__init__(root, read_only=read_only)
        self.array = array

    def with_read_only(self, read_only: bool = True) -> BoundedStore:
        """Return the same store."""
        return type(self)(self.root, read_only=read_only, array=self.array)

    async def get(self, key: str, *args: Any, **keywords: Any) -> Any:
        """Return the bytes of a chunk.

        Raises
        ------
        OSError
            If it is no plain file, or holds more than the array says.
        """
        self._check_file(key)
        return self._checked(key, await super().get(key, *args, **keywords))

    def get_sync(self, key: str, **keywords: Any) -> Any:
        """Return the bytes of a chunk; see :meth:`get`."""
        self._check_file(key)
        return self._checked(key, super().get_sync(key, **keywords))

    def _check_file(self, key: str) -> None:
        try:
            status = (self.root / key).stat()
        except OSError:
            return  # a chunk that is not there is one of fill values
        if not stat.S_ISREG(status.st_mode):
            raise OSError(f"chunk {key} is no plain file")
        if self.array is None or self.array.is_sharded or _is_metadata(key):
            return
        # What cannot be packed grows by a few parts in a thousand.
        if status.st_size > self.array.max_unpacked_bytes * 1.05 + 65_536:
            raise OSError(f"chunk {key} is larger than the array says")

    def _checked(self, key: str, buffer: Any) -> Any:
        array = self.array
        if buffer is None or array is None or not array.compressor or _is_metadata(key):
            return buffer
        if not _unpacks_within(array.compressor, buffer.to_bytes(), array.max_unpacked_bytes):
            raise OSError(f"chunk {key} is damaged or unpacks to more than the array says")
        return buffer


def _is_metadata(key: str) -> bool:
    return key.rpartition("/")[2] in ("zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata")


def _unpacks_within(codec: str, data: bytes, limit: int) -> bool:
    """Whether `data` unpack to `limit` bytes or fewer; damaged ones are left to the decoder."""
    if codec == "blosc":
        return len(data) < 16 or struct.unpack_from("<I", data, 4)[0] <= limit
    if codec == "lz4":
        return len(data) < 4 or struct.unpack_from("<I", data)[0] <= limit
    if codec == "zstd":
        return _zstd_within(data, limit)
    make: Callable[[], Any] = {
        "zlib": zlib.decompressobj,
        "gzip": lambda: zlib.decompressobj(31),
        "bz2": bz2.BZ2Decompressor,
        "lzma": lambda: lzma.LZMADecompressor(memlimit=_MAX_LZMA_BYTES),
    }[codec]
    if codec in ("zlib", "gzip") and len(data) * 1032 <= limit:
        return True  # more than deflate can do
    try:
        return _streams_within(make, data, limit)
    except (zlib.error, OSError, EOFError, ValueError):
        return True
    except lzma.LZMAError as error:
        return "memory" not in str(error).lower()


def _streams_within(make: Callable[[], Any], data: bytes, limit: int) -> bool:
    """Unpack one stream after the other, a block at a time, and count."""
    total = 0
    while data:
        stream = make()
        while not stream.eof:
            total += len(stream.decompress(data, _BLOCK_BYTES))
            if total > limit:
                return False
            data = getattr(stream, "unconsumed_tail", b"")
            if not stream.eof and not data and getattr(stream, "needs_input", True):
                return True  # cut short
        data = stream.unused_data
    return True


def _zstd_within(data: bytes, limit: int) -> bool:
    """Ask the header of the frame; where it does not say, unpack into a bounded buffer."""
    if not data.startswith(_ZSTD_MAGIC) or len(data) < 18:
        return True
    flags = data[4]
    is_single, size_flag = flags >> 5 & 1, flags >> 6
    at = 6 - is_single + (0, 1, 2, 4)[flags & 3]
    n_bytes = (is_single, 2, 4, 8)[size_flag]
    if n_bytes:
        size = int.from_bytes(data[at : at + n_bytes], "little") + (256 if size_flag == 1 else 0)
        return size <= limit
    import imagecodecs

    try:
        imagecodecs.zstd_decode(data, out=limit)
    except Exception:  # noqa: BLE001 - too large or damaged: neither can be unpacked
        return False
    return True
