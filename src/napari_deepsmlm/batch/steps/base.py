"""Step: what is done with the molecules of a stack once it is reconstructed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from napari_deepsmlm._base import FrozenModel
from napari_deepsmlm.localizations import KNOWN_COLUMNS

if TYPE_CHECKING:
    import threading
    from pathlib import Path

    from napari_deepsmlm.localizations import Localizations


POSSIBLE_COLUMNS = (*KNOWN_COLUMNS, "group")
"""What networks, the likelihood fitter and steps can give."""
COMMAND = "deepsmlm batch ../recipe.yaml --out .."
"""As it is given in the folder of the stack."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What a step is given.

    Attributes
    ----------
    table : the molecules that the step before has left.
    report : of the reconstruction, plain values.
    path : where the step writes its file, with the ending that it says.
    source : the table on the disk that `table` was read from or written to.
    frames : what `open_frames` opens: the stack that was reconstructed.
    stopping : when set, the step gives up by InterruptedError.
    """

    table: Localizations
    report: dict[str, Any]
    path: Path
    source: Path
    frames: Any
    stopping: threading.Event

    @property
    def pixel_size_nm(self) -> float:
        """Camera pixel, nm."""
        return float(self.report["pixel_size_nm"])

    @property
    def field_nm(self) -> tuple[float, float]:
        """Height and width of the camera frames, nm."""
        rows, columns = self.report["inputs"]["shape"][-2:]
        return rows * self.pixel_size_nm, columns * self.pixel_size_nm

    def write(self, table: Localizations, step: Step) -> str:
        """Write a table and beside it how it came about; return the name of that second file."""
        from napari_deepsmlm.io import read_history, write_history, write_localizations

        before = read_history(self.source)
        write_localizations(table, self.path)
        told = step.model_dump(mode="json", exclude_none=True)
        return write_history(self.path, before, told, COMMAND).name


@dataclass(frozen=True, slots=True)
class StepDone:
    """What a step leaves to the next one, what is to be said of it, and what else it wrote.

    Attributes
    ----------
    also : names of files that lie beside its own.
    """

    table: Localizations
    remarks: tuple[str, ...] = ()
    also: tuple[str, ...] = ()


class Step(FrozenModel, ABC):
    """A step of a recipe: a frozen configuration with `kind: Literal[...]` and :meth:`run`.

    Attributes
    ----------
    file_name : of what it writes, in the folder of the stack.
    """

    file_name: ClassVar[str]

    def check(self) -> None:
        """Look for a mistake that can be seen before there is a table.

        Raises
        ------
        ValueError, OSError
            One sentence, if it could be done with no table at all.
        """

    @abstractmethod
    def run(self, stage: Stage) -> StepDone:
        """Do it and write the file.

        Raises
        ------
        ValueError, OSError
            One sentence, if it cannot be done with this table.
        InterruptedError
            Once the batch is stopped.
        """
