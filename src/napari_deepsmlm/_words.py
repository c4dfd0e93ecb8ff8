"""Words: numbers of things, and errors, as a sentence says them."""

from __future__ import annotations

import sysconfig
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

_OURS = str(Path(__file__).parent)
_LIBRARIES = tuple(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib"))
_MAX_TOLD = 200


def counted(n: int, thing: str, things: str = "") -> str:
    """Return a number with its noun, in the singular for one.

    Parameters
    ----------
    things : the plural, if it is not made by an s.

    Examples
    --------
    >>> counted(1, "frame"), counted(12_000, "focal plane"), counted(2, "axis", "axes")
    ('1 frame', '12,000 focal planes', '2 axes')
    """
    return f"{n:,} {thing if n == 1 else things or f'{thing}s'}"


def sentence_of(error: BaseException) -> str:
    r"""Return what an error says in one line.

    A ValueError of a library, which says nothing of what a person has done, is put into words that
    do.

    Examples
    --------
    >>> sentence_of(ValueError("no such\n   model")), sentence_of(KeyError())
    ('no such model', 'KeyError')
    """
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}."
    text = line_of(error)
    if isinstance(error, ValueError | ArithmeticError) and not _is_said(error.__traceback__):
        return (
            "This cannot be computed from what was given; look for values that are huge, missing "
            f"or no numbers ({text[:_MAX_TOLD].rstrip('. ')})."
        )
    return text


def line_of(error: BaseException) -> str:
    """Return the words of an error as they are, in one line: for those who will look into it."""
    return " ".join(str(error).split()) or type(error).__name__


def _is_said(trace: TracebackType | None) -> bool:
    """Whether a trace ends in a `raise` of ours, and not in a library or in a call of one."""
    if trace is None:
        return True
    last = traceback.extract_tb(trace, limit=-1)[0]
    if last.filename.startswith(_LIBRARIES) and not last.filename.startswith(_OURS):
        return False
    return (last.line or "").split()[:1] == ["raise"]  # compiled code has no line of its own
