"""The boundary of a reader: whatever a file makes go wrong, its reader raises what it documents."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MAX_TOLD = 200


@contextmanager
def reading(path: str | Path, advice: str = "copy or export it again") -> Iterator[None]:
    """Turn every error of the block into one sentence that names the file.

    Raises
    ------
    OSError
        As they are: the file is not there, or the disk fails.
    ValueError
        Everything else. Sentences that name the file, or one beside it of its name, are left as
        they are.
    """
    name = _name_of(path)
    try:
        yield
    except OSError:
        raise
    except MemoryError:
        raise ValueError(f"{name}: needs more memory than there is; {advice}.") from None
    except Exception as error:
        text = " ".join(str(error).split())
        if isinstance(error, ValueError) and _names(text, name) and "\n" not in str(error):
            raise
        reason = (text or type(error).__name__)[:_MAX_TOLD].rstrip(".")
        raise ValueError(f"{name}: is damaged or cannot be read ({reason}); {advice}.") from error


def _names(text: str, name: str) -> bool:
    """Whether a sentence names a file, or one that differs in its ending, as m.yaml of m.raw."""
    stem = name.rpartition(".")[0]
    beside = stem and re.search(rf"(?<!\w){re.escape(stem)}\.[a-z]\w+\b", text, re.IGNORECASE)
    return name in text or bool(beside)


def _name_of(path: str | Path) -> str:
    return str(path).replace("\\", "/").rstrip("/").rpartition("/")[2] or str(path)
