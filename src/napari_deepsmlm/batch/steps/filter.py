"""Filter: keeps the molecules that fulfil a condition."""

from __future__ import annotations

from contextlib import suppress
from typing import ClassVar, Literal

from pydantic import Field, field_validator

from napari_deepsmlm import filtering
from napari_deepsmlm.batch.steps.base import POSSIBLE_COLUMNS, Stage, Step, StepDone
from napari_deepsmlm.filtering.tokens import UnknownColumnError


class FilterStep(Step):
    """Molecules that fulfil a condition go into `filtered.csv`, and on to the next step."""

    file_name: ClassVar[str] = "filtered.csv"

    kind: Literal["filter"] = "filter"
    where: str = Field(
        min_length=1,
        description="Condition in ThunderSTORM's syntax, as 'uncertainty_xy < 30 & intensity > "
        "500'; frames count from 1.",
    )

    @field_validator("where")
    @classmethod
    def _is_written_well(cls, where: str) -> str:
        """Refuse what no table could be filtered by; the columns are looked at by :meth:`check`."""
        with suppress(UnknownColumnError):
            filtering.Filter(where, POSSIBLE_COLUMNS)
        return where

    def check(self) -> None:
        """Refuse a column that no table of a batch has."""
        filtering.Filter(self.where, POSSIBLE_COLUMNS)

    def run(self, stage: Stage) -> StepDone:
        """Keep some molecules and write their table."""
        kept = filtering.filter_table(stage.table, self.where)
        history = stage.write(kept, self)
        remark = f"No molecule fulfils {self.where}." if len(stage.table) and not len(kept) else ""
        return StepDone(kept, tuple(filter(None, [remark])), (history,))


STEP = FilterStep
