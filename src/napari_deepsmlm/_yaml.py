"""YAML of files that nobody vouches for: plain values, in a time that their size allows.

The library repeats what a merge key (`<<`) names, so that a few lines become gigabytes, and its
faster half is written in C and ends the process where brackets are nested deeply.
"""

from __future__ import annotations

from typing import Any

import yaml

MAX_DEPTH = 100
_EVENTS: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def check_yaml(text: str, *, has_aliases: bool = False) -> None:
    """Look through a text before anything is made of it.

    Parameters
    ----------
    has_aliases : whether it may say a thing once and name it again, as `*name`.

    Raises
    ------
    yaml.YAMLError
        If it is no YAML, is nested too deeply, or has aliases or merge keys.
    """
    depth = 0
    for event in yaml.parse(text, Loader=_EVENTS):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise yaml.YAMLError("nested too deeply")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.AliasEvent) and not has_aliases:
            raise yaml.YAMLError("aliases (*name) are not allowed")
        elif isinstance(event, yaml.ScalarEvent) and event.value == "<<":
            raise yaml.YAMLError("merge keys (<<) are not allowed")


def load_plain(text: str) -> Any:
    """Return the values of a document without aliases.

    Raises
    ------
    yaml.YAMLError
        If it is none, or holds what only code could make.
    """
    check_yaml(text)
    try:
        return yaml.load(text, Loader=_EVENTS)  # noqa: S506 - a safe loader
    except (ValueError, TypeError, OverflowError, AttributeError) as error:  # dates, numbers, sets
        raise yaml.YAMLError(" ".join(str(error).split())) from None
