"""Words: numbers of things, and errors, as a sentence says them."""

from __future__ import annotations


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

    Examples
    --------
    >>> sentence_of(ValueError("no such\n   model")), sentence_of(KeyError())
    ('no such model', 'KeyError')
    """
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}."
    return " ".join(str(error).split()) or type(error).__name__
