"""Words: numbers of things as a sentence says them."""

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
