"""Parser: the words of a filter become a tree, by recursive descent; nothing is run as Python.

The rules, from loose to tight; all but `^` and `!` read from left to right:

    condition  = both {"|" both}
    both       = denial {"&" denial}
    denial     = "!" denial | comparison
    comparison = sum [("<" | "<=" | ">" | ">=" | "=" | "!=") sum]
    sum        = product {("+" | "-") product}
    product    = signed {("*" | "/" | "%") signed}
    signed     = ("-" | "+") signed | power
    power      = atom ["^" signed]
    atom       = number | column [unit] | function "(" condition ")" | "(" condition ")"
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import numpy as np

from napari_deepsmlm.filtering.columns import column_names, find_column, per_unit
from napari_deepsmlm.filtering.tokens import FilterError, UnknownColumnError, Word, split
from napari_deepsmlm.filtering.tree import (
    ARITHMETIC,
    COMPARISONS,
    ELEMENTWISE,
    LOGIC,
    OVER_ROWS,
    Column,
    Node,
    Number,
    Operation,
    OverRows,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

# Levels and operations are a few calls each on Python's stack, which holds about a thousand.
DEEPEST = 50
MAX_OPERATIONS = 200
FUNCTIONS = (*OVER_ROWS, *ELEMENTWISE)


def parse(text: str, names: Collection[str]) -> Node:
    """Return the tree of a condition on a table with these columns.

    Raises
    ------
    FilterError
        One sentence with the position of the fault.
    """
    parser = _Parser(split(text), names)
    if parser.word.kind == "end":
        raise FilterError("nothing is written here; write a condition such as 'x < 1000'.", 0)
    tree = parser.condition()
    if parser.word.kind != "end":
        parser.refuse_rest()
    if not tree.is_condition:
        raise FilterError("this is a number; compare it with another, as in 'x < 1000'.", 0)
    return tree


class _Parser:
    """The words not yet read, and a method for each rule."""

    def __init__(self, words: list[Word], names: Collection[str]) -> None:
        self._words = iter(words)
        self._names = names
        self._depth = 0
        self._n_operations = 0
        self.word = next(self._words)

    # -- rules -----------------------------------------------------------------------------

    def condition(self) -> Node:
        return self._chain(("|",), self._both)

    def _both(self) -> Node:
        return self._chain(("&",), self._denial)

    def _denial(self) -> Node:
        if self.word.text != "!":
            return self._comparison()
        sign = self._deeper()
        denied = self._denial()
        self._depth -= 1
        self._require_condition(denied, sign)
        return Operation(np.logical_not, (denied,), is_condition=True)

    def _comparison(self) -> Node:
        left = self._sum()
        if self.word.text not in COMPARISONS:
            return left
        sign = self._take()
        right = self._sum()
        self._require_numbers((left, right), sign)
        if self.word.text in COMPARISONS:
            raise FilterError("compare two things at a time: 'a < b & b < c'.", self.word.position)
        return Operation(COMPARISONS[sign.text], (left, right), is_condition=True)

    def _sum(self) -> Node:
        return self._chain(("+", "-"), self._product)

    def _product(self) -> Node:
        return self._chain(("*", "/", "%"), self._signed)

    def _signed(self) -> Node:
        if self.word.text not in ("-", "+"):
            return self._power()
        sign = self._deeper()
        part = self._signed()
        self._depth -= 1
        self._require_numbers((part,), sign)
        return part if sign.text == "+" else Operation(np.negative, (part,), is_condition=False)

    def _power(self) -> Node:
        base = self._atom()
        if self.word.text != "^":
            return base
        sign = self._deeper()
        exponent = self._signed()
        self._depth -= 1
        self._require_numbers((base, exponent), sign)
        return Operation(ARITHMETIC["^"], (base, exponent), is_condition=False)

    def _atom(self) -> Node:
        if self.word.kind == "number":
            return Number(float(self._take().text))
        if self.word.kind == "name":
            name = self._take()
            return self._function(name) if self.word.text == "(" else self._column(name)
        if self.word.text == "(":
            return self._in_brackets()
        raise FilterError(
            f"a number, a column or '(' is needed, got {self.word}; columns: {self._listed}.",
            self.word.position,
        )

    def _in_brackets(self) -> Node:
        opening = self._deeper()
        inside = self.condition()
        if self.word.text != ")":
            raise FilterError(
                f"a ')' is needed for the '(' of character {opening.position + 1}, "
                f"got {self.word}.",
                self.word.position,
            )
        self._take()
        self._depth -= 1
        return inside

    def _function(self, name: Word) -> Node:
        function = name.text.lower()
        if function not in FUNCTIONS:
            raise FilterError(
                f"no function '{name.text}'. Available: {', '.join(FUNCTIONS)}.", name.position
            )
        part = self._in_brackets()
        self._require_numbers((part,), name)
        if function in OVER_ROWS:
            return OverRows(OVER_ROWS[function], part)
        return Operation(ELEMENTWISE[function], (part,), is_condition=False)

    def _column(self, name: Word) -> Node:
        found = find_column(name.text, self._names)
        if found is None:
            raise UnknownColumnError(
                f"no column '{name.text}'. Available: {self._listed}.", name.position
            )
        if self.word.kind != "unit":
            return Column(found)
        unit = self._take()
        try:
            return Column(found, per_unit(found, unit.text))
        except ValueError as problem:
            raise FilterError(f"{problem}; leave the unit out.", unit.position) from None

    # -- words -----------------------------------------------------------------------------

    def _take(self) -> Word:
        taken = self.word
        self.word = next(self._words)
        return taken

    def _deeper(self) -> Word:
        """Take a word that opens a level."""
        self._depth += 1
        if self._depth > DEEPEST:
            raise FilterError(f"nested more than {DEEPEST} deep.", self.word.position)
        return self._take()

    def _count_operation(self) -> None:
        self._n_operations += 1
        if self._n_operations > MAX_OPERATIONS:
            raise FilterError(
                f"more than {MAX_OPERATIONS} operations; filter twice.", self.word.position
            )

    def _chain(self, signs: tuple[str, ...], rule: Callable[[], Node]) -> Node:
        """Read parts joined by signs of one rank, from left to right."""
        left = rule()
        while self.word.kind == "sign" and self.word.text in signs:
            self._count_operation()
            sign = self._take()
            right = rule()
            is_logic = sign.text in LOGIC
            for part in (left, right):
                if is_logic:
                    self._require_condition(part, sign)
            if not is_logic:
                self._require_numbers((left, right), sign)
            function = {**ARITHMETIC, **LOGIC}[sign.text]
            left = Operation(function, (left, right), is_condition=is_logic)
        return left

    @property
    def _listed(self) -> str:
        return ", ".join(column_names(self._names))

    # -- faults ----------------------------------------------------------------------------

    def refuse_rest(self) -> NoReturn:
        """Say what may follow here instead."""
        hint = {"and": "write '&' for 'and'.", "or": "write '|' for 'or'."}.get(
            self.word.text.lower(), "an operator such as '&', '|', '<' or '+' is needed."
        )
        if self.word.text == ")":
            hint = "it closes no '('."
        raise FilterError(f"{self.word} cannot follow here; {hint}", self.word.position)

    def _require_condition(self, part: Node, sign: Word) -> None:
        if not part.is_condition:
            raise FilterError(
                f"{sign} joins conditions such as 'x < 1000', not numbers.", sign.position
            )

    def _require_numbers(self, parts: tuple[Node, ...], sign: Word) -> None:
        if any(part.is_condition for part in parts):
            raise FilterError(
                f"{sign} works on numbers, not on a condition; set brackets.", sign.position
            )
