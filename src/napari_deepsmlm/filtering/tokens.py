"""Words: the text of a filter, cut into numbers, names and signs that know where they stand."""

from __future__ import annotations

import re
from typing import NamedTuple

MAX_CHARACTERS = 10_000
_WORD = re.compile(
    r"\s*(?:"
    r"(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<name>[^\W\d]\w*)"
    r"|(?P<unit>\[[^\]\[]*\])"
    r"|(?P<sign><=|>=|!=|==|&&|\|\||[-+*/%^<>=&|!()])"
    r")"
)
_DECIMAL_COMMA = re.compile(r"\d+,\d+")
_SPELLINGS = {"==": "=", "&&": "&", "||": "|"}


class FilterError(ValueError):
    """One sentence about a filter that cannot be understood.

    Attributes
    ----------
    position : of the fault in the text, from 0.
    """

    def __init__(self, problem: str, position: int) -> None:
        super().__init__(f"Filter, character {position + 1}: {problem}")
        self.position = position


class UnknownColumnError(FilterError):
    """A condition that is written well, on a column that the table does not have."""


class Word(NamedTuple):
    """A piece of the text."""

    kind: str
    """number, name, unit, sign or end."""
    text: str
    position: int

    def __str__(self) -> str:
        return "the end" if self.kind == "end" else f"'{self.text}'"


def split(text: str) -> list[Word]:
    """Return the words of a filter, the end marked by one of its own.

    Raises
    ------
    FilterError
        At a character that no filter has.

    Examples
    --------
    >>> [word.text for word in split("x [nm]>= 2e3&&!(y<4)")]
    ['x', '[nm]', '>=', '2e3', '&', '!', '(', 'y', '<', '4', ')', '']
    """
    if len(text) > MAX_CHARACTERS:
        raise FilterError(f"longer than {MAX_CHARACTERS:,} characters; shorten it.", MAX_CHARACTERS)
    words, at, end = [], 0, len(text.rstrip())
    while at < end:
        match = _WORD.match(text, at)
        if match is None or match.lastgroup is None:
            at += len(text[at:]) - len(text[at:].lstrip())
            raise FilterError(_meaningless(text, at), at)
        word = match[match.lastgroup]
        words.append(
            Word(match.lastgroup, _SPELLINGS.get(word, word), match.start(match.lastgroup))
        )
        at = match.end()
    return [*words, Word("end", "", end)]


def _meaningless(text: str, at: int) -> str:
    for number in _DECIMAL_COMMA.finditer(text):
        if number.start() < at < number.end():
            return f"decimals have a point here: write {number[0].replace(',', '.')}."
    return f"'{text[at]}' has no meaning here; remove it."
