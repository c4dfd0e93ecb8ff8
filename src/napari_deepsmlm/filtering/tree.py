"""Tree: a filter as operations on columns, evaluated by numpy for many rows at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Values = Any
"""A number or truth value, or (N,) of them."""
Fetch = Callable[[str], Values]
"""Gives a column by our name."""

ARITHMETIC: dict[str, Callable[[Values, Values], Values]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "%": np.fmod,  # the rest has the sign of the left side, as in ThunderSTORM
    "^": np.power,
}
COMPARISONS: dict[str, Callable[[Values, Values], Values]] = {
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "=": np.equal,
    "!=": np.not_equal,
}
LOGIC: dict[str, Callable[[Values, Values], Values]] = {
    "&": np.logical_and,
    "|": np.logical_or,
}
ELEMENTWISE: dict[str, Callable[[Values], Values]] = {
    "abs": np.abs,
    "sqrt": np.sqrt,
    "log": np.log,
    "exp": np.exp,
}
# Over all rows that have a value; ThunderSTORM divides the variance by their number.
OVER_ROWS: dict[str, Callable[[Values], Values]] = {
    "min": np.nanmin,
    "max": np.nanmax,
    "sum": np.nansum,
    "mean": np.nanmean,
    "median": np.nanmedian,
    "std": np.nanstd,
    "var": np.nanvar,
}


@dataclass(frozen=True, slots=True)
class Number:
    """A number of the text, or one that was computed over all rows."""

    value: float
    is_condition = False

    def evaluate(self, fetch: Fetch) -> Values:
        """Return it."""
        return np.float64(self.value)

    def settled(self, fetch: Fetch) -> Node:
        """Return itself."""
        return self


@dataclass(frozen=True, slots=True)
class Column:
    """A column by our name, in another unit if `factor` is not 1."""

    name: str
    factor: float = 1.0
    is_condition = False

    def evaluate(self, fetch: Fetch) -> Values:
        """Return its values."""
        values = fetch(self.name)
        return values if self.factor == 1 else values * self.factor

    def settled(self, fetch: Fetch) -> Node:
        """Return itself."""
        return self


@dataclass(frozen=True, slots=True)
class Operation:
    """A function of one or two parts, row by row."""

    function: Callable[..., Values]
    parts: tuple[Node, ...]
    is_condition: bool

    def evaluate(self, fetch: Fetch) -> Values:
        """Return what the function makes of its parts."""
        return self.function(*(part.evaluate(fetch) for part in self.parts))

    def settled(self, fetch: Fetch) -> Node:
        """Return the operation on settled parts."""
        parts = tuple(part.settled(fetch) for part in self.parts)
        return Operation(self.function, parts, self.is_condition)


@dataclass(frozen=True, slots=True)
class OverRows:
    """One number made of all rows, such as their mean."""

    function: Callable[[Values], Values]
    part: Node
    is_condition = False

    def evaluate(self, fetch: Fetch) -> Values:
        """Return the number: `fetch` must give whole columns."""
        values = np.atleast_1d(self.part.evaluate(fetch))
        has_some = bool(np.isfinite(values).any() or np.isinf(values).any())
        return np.float64(self.function(values)) if has_some else np.float64(np.nan)

    def settled(self, fetch: Fetch) -> Node:
        """Return it as a number, so that the rest can be done piece by piece."""
        return Number(float(self.evaluate(fetch)))


Node = Number | Column | Operation | OverRows
