"""bioimageio.spec with a fault of some versions mended, where pydantic shows it."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

FIXED = (0, 5, 14)
STRICT = (2, 14)


def mend_bioimageio() -> None:
    """Let descriptions of models be written with pydantic 2.14 and later.

    bioimageio.spec before 0.5.14 hands pydantic's serializers a second argument that is none of
    theirs, which pydantic let pass until 2.14. bioimageio.core 0.11 still asks for such a version.
    Pydantic keeps the functions themselves, so it is their bodies that are exchanged.
    """
    if _version("bioimageio.spec") >= FIXED or _version("pydantic") < STRICT:
        return
    from bioimageio.spec._internal.io_packaging import package_file_descr_serializer
    from bioimageio.spec._internal.validated_string_with_inner_node import (
        ValidatedStringWithInnerNode,
    )
    from bioimageio.spec.model.v0_4 import package_weights

    package_file_descr_serializer.__code__ = _file.__code__
    package_weights.__code__ = _weights.__code__
    ValidatedStringWithInnerNode._serialize.__code__ = _text.__code__


def _weights(value: Any, handler: Any, info: Any) -> Any:
    return handler(value)  # our packages have one format of weights


def _text(self: Any, handler: Any, info: Any) -> Any:
    self._inner_node.model_dump(mode=info.mode)
    return handler(self)


def _file(value: Any, handler: Any, info: Any) -> Any:
    from bioimageio.spec._internal.io_packaging import _package

    described = handler(value)
    described["source"] = _package(value.source, info, sha256=value.sha256)
    return described


def _version(package: str) -> tuple[int, ...]:
    parts = version(package).split(".")[:3]
    return tuple(int(part) for part in parts if part.isdecimal())
