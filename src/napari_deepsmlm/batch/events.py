"""Events: what a batch tells while it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_deepsmlm.batch.summary import in_words

if TYPE_CHECKING:
    from pathlib import Path

    from napari_deepsmlm.batch.record import StackRow


@dataclass(frozen=True, slots=True)
class Listed:
    """The stacks are known.

    Attributes
    ----------
    files : the (first) file of each.
    left_out : files that are named as frames are but are no movies.
    """

    files: tuple[Path, ...]
    left_out: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class StackBegan:
    """A stack is opened.

    Attributes
    ----------
    why : it is done anew, "" if it is new.
    """

    file: Path
    folder: Path
    number: int
    """From 1."""
    n_stacks: int
    why: str = ""


@dataclass(frozen=True, slots=True)
class Doing:
    """How far the work on a stack is.

    Attributes
    ----------
    what : in a word.
    remark : how fast.
    """

    what: str
    share: float
    """From 0 to 1."""
    remark: str = ""


@dataclass(frozen=True, slots=True)
class StackProgress:
    """A part of the stack at hand is done."""

    file: Path
    number: int
    n_stacks: int
    doing: Doing

    @property
    def share(self) -> float:
        """Of all stacks, from 0 to 1."""
        return (self.number - 1 + self.doing.share) / self.n_stacks


@dataclass(frozen=True, slots=True)
class StackEnded:
    """A stack is done, has failed, or was done before.

    Attributes
    ----------
    rows : of all stacks so far, with this one.
    """

    row: StackRow
    is_skipped: bool
    rows: tuple[StackRow, ...]


@dataclass(frozen=True, slots=True)
class Waiting:
    """Everything there is is done; new or growing files are waited for.

    Attributes
    ----------
    growing : files that are still written, or that cannot be opened yet.
    """

    growing: tuple[Path, ...]
    rows: tuple[StackRow, ...]


@dataclass(frozen=True, slots=True)
class BatchFinished:
    """The batch has ended, or was stopped and keeps what is done.

    Attributes
    ----------
    rows : of all stacks in the folder.
    earlier : files of those that an earlier batch did there and this one was not asked for.
    n_skipped : how many of the others were done before, and unchanged.
    summary : the table of the rows.
    left_out : files that are named as frames are but are no movies.
    is_stopped : whether somebody asked it to end.
    """

    rows: tuple[StackRow, ...]
    n_skipped: int
    summary: Path
    left_out: tuple[Path, ...]
    is_stopped: bool
    earlier: frozenset[str] = frozenset()

    @property
    def asked(self) -> tuple[StackRow, ...]:
        """The stacks that this batch was asked for."""
        return tuple(row for row in self.rows if row.file not in self.earlier)

    @property
    def failed(self) -> tuple[StackRow, ...]:
        """Those of them that failed."""
        return tuple(row for row in self.asked if row.state == "failed")

    @property
    def sentence(self) -> str:
        """How it went."""
        return in_words(self.asked, self.n_skipped, n_earlier=len(self.earlier))


BatchEvent = Listed | StackBegan | StackProgress | StackEnded | Waiting | BatchFinished
