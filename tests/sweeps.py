"""Long lists of cases: all of them in `make test-all`, some of them in every run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable


def thinned(cases: Iterable[Any], keep: Collection[int]) -> list[Any]:
    """Return cases for `parametrize`, all but those at the places of `keep` marked slow.

    A case of several arguments is a tuple.
    """
    return [
        pytest.param(
            *(case if isinstance(case, tuple) else (case,)),
            marks=() if place in keep else pytest.mark.slow,
        )
        for place, case in enumerate(cases)
    ]
