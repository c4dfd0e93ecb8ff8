"""What a zarr array says of itself, read and checked before the zarr library sees it.

Zarr leaves it to the file to name the code that unpacks its chunks, and one of the names there are
(`pickle`) runs what the file says. So only codecs that are listed here are let through.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from napari_deepsmlm.io._storage import ReadOnlyFile
from napari_deepsmlm.io.frames._planes import check_dtype, times

if TYPE_CHECKING:
    from pathlib import Path

MAX_CHUNK_BYTES = 1 << 30
MAX_FRAME_BYTES = 1 << 30
_MAX_CHUNKS_PER_FRAME = 1 << 14
_MAX_METADATA_BYTES = 1 << 22
_MAX_AXES = 8
_MAX_GROWTH = 8  # a filter may store one byte for each value of eight

COMPRESSORS = ("blosc", "bz2", "gzip", "lz4", "lzma", "zlib", "zstd")
_FILTERS = ("bitround", "delta", "fixedscaleoffset", "quantize", "shuffle")
_CHECKSUMS = ("adler32", "crc32", "crc32c", "fletcher32")
_LAYOUTS = ("bytes", "transpose")
_KNOWN = {*COMPRESSORS, *_FILTERS, *_CHECKSUMS, *_LAYOUTS}


class ZarrArray(NamedTuple):
    """An array that may be opened."""

    zarr_format: Literal[2, 3]
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    """Of what is unpacked at once; where there are shards, of the chunks in them."""
    dtype: np.dtype[Any]
    compressor: str
    """One of `COMPRESSORS`, "" for none."""
    is_sharded: bool
    max_unpacked_bytes: int
    """More than a chunk can come to before its filters."""


class UnknownZarr(Exception):
    """What a folder that is no array, or one that cannot be used, should be told as."""


def read_metadata(folder: Path, name: str) -> dict[str, Any]:
    """Return the JSON object in a file of a zarr folder, {} if there is none.

    Raises
    ------
    UnknownZarr
        If it is no JSON object, or larger than metadata are.
    """
    path = folder / name
    if not path.exists():
        return {}
    file = ReadOnlyFile(path)
    try:
        if file.size > _MAX_METADATA_BYTES:
            raise UnknownZarr(f"{name} is larger than 4 MB")
        values = json.loads(file.read_at(0, file.size))
    except (ValueError, RecursionError):
        raise UnknownZarr(f"{name} is no JSON") from None
    finally:
        file.close()
    if not isinstance(values, dict):
        raise UnknownZarr(f"{name} is no JSON object")
    return values


def read_array(folder: Path, name: str) -> ZarrArray | None:
    """Return what the array in `folder` says, None if there is no array.

    Raises
    ------
    ValueError
        One sentence about `name`: a codec that is not known, or sizes that cannot be.
    UnknownZarr
        If its metadata are damaged.
    """
    v3, v2 = read_metadata(folder, "zarr.json"), read_metadata(folder, ".zarray")
    try:
        if v3.get("node_type") == "array":
            array = _version_3(v3, name)
        elif v2 and not v3:
            array = _version_2(v2, name)
        else:
            return None
    except (KeyError, IndexError, TypeError, AttributeError, OverflowError) as error:
        raise UnknownZarr(f"its metadata are damaged ({type(error).__name__})") from None
    _check_sizes(array, name)
    return array


def _version_2(values: dict[str, Any], name: str) -> ZarrArray:
    compressor = values.get("compressor") or {}
    filters = [_allowed(part["id"], name) for part in values.get("filters") or ()]
    if set(filters) - {*_FILTERS, *_CHECKSUMS}:
        raise UnknownZarr("it packs its chunks twice")
    return _array(
        2,
        values["shape"],
        values["chunks"],
        _number_type(values["dtype"], name),
        [*filters, *_codec_names([compressor] if compressor else [], "id", name)],
    )


def _version_3(values: dict[str, Any], name: str) -> ZarrArray:
    if values.get("storage_transformers"):
        raise UnknownZarr("it has storage transformers")
    chunks = values["chunk_grid"]["configuration"]["chunk_shape"]
    codecs = values["codecs"]
    is_sharded = any(_name(codec) == "sharding_indexed" for codec in codecs)
    if is_sharded:
        if len(codecs) > 1:
            raise UnknownZarr("its shards are packed once more")
        inner = codecs[0]["configuration"]
        _codec_names(inner.get("index_codecs", ()), "name", name)
        chunks, codecs = inner["chunk_shape"], inner["codecs"]
    names = _codec_names(codecs, "name", name)
    dtype = _number_type(values["data_type"], name)
    return _array(3, values["shape"], chunks, dtype, names, is_sharded)


def _array(
    zarr_format: Literal[2, 3],
    shape: Any,
    chunks: Any,
    dtype: np.dtype[Any],
    codecs: list[str],
    is_sharded: bool = False,
) -> ZarrArray:
    shape, chunks = (tuple(map(int, sides)) for sides in (shape, chunks))
    if not 0 < len(shape) == len(chunks) <= _MAX_AXES or min(chunks) < 1:
        raise UnknownZarr("its chunks do not fit its shape")
    packed = [codec for codec in codecs if codec in COMPRESSORS]
    if len(packed) > 1:
        raise UnknownZarr("it packs its chunks twice")
    growth = _MAX_GROWTH if set(codecs) & set(_FILTERS) else 1
    return ZarrArray(
        zarr_format,
        shape,
        chunks,
        dtype,
        packed[0] if packed else "",
        is_sharded,
        growth * math.prod(chunks) * dtype.itemsize + 1024,
    )


def _codec_names(codecs: Any, key: str, name: str) -> list[str]:
    """Return the plain names of codecs that are all known."""
    names = []
    for codec in codecs:
        names.append(_allowed(_name(codec, key), name))
        config = codec if key == "id" else {} if isinstance(codec, str) else codec
        config = config.get("configuration", config)
        # Raw streams have no size or limits of their own that could be looked at.
        if names[-1] == "lzma" and (
            config.get("format", 1) not in (0, 1, 2) or config.get("filters")
        ):
            raise UnknownZarr("it uses raw LZMA")
    return names


def _name(codec: Any, key: str = "name") -> Any:
    return codec if isinstance(codec, str) else codec[key]


def _allowed(codec: Any, name: str) -> str:
    plain = str(codec).removeprefix("numcodecs.")
    if plain not in _KNOWN:
        raise ValueError(
            f"{name}: its chunks are stored with the codec '{str(codec)[:40]}', which is not one "
            "of those that are known to be safe; save it again with blosc, zstd or gzip."
        )
    return plain


def _number_type(stored: Any, name: str) -> np.dtype[Any]:
    if not isinstance(stored, str):
        raise UnknownZarr("its values are no plain numbers")
    dtype = np.dtype(stored)
    check_dtype(name, dtype)
    return dtype


def _check_sizes(array: ZarrArray, name: str) -> None:
    itemsize = array.dtype.itemsize
    if math.prod(array.chunks) * itemsize > MAX_CHUNK_BYTES:
        raise ValueError(
            f"{name}: its chunks of {times(array.chunks)} values are over 1 GB each; save it again "
            "with a few frames to a chunk."
        )
    image, piece = array.shape[-2:], array.chunks[-2:]
    if math.prod(image) * itemsize > MAX_FRAME_BYTES:
        raise ValueError(
            f"{name}: declares frames of {times(image)} pixels, more than 1 GB each; it is damaged "
            "or no camera stack."
        )
    if math.prod(-(-side // step) for side, step in zip(image, piece, strict=True)) > (
        _MAX_CHUNKS_PER_FRAME
    ):
        raise ValueError(
            f"{name}: each of its frames lies in more than {_MAX_CHUNKS_PER_FRAME:,} chunks; save "
            "it again with whole frames in a chunk."
        )
