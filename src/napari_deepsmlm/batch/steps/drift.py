"""Drift: takes off how the sample moved, as measured or as a curve in a file says."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - pydantic needs it
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from napari_deepsmlm.batch.steps.base import Stage, Step, StepDone
from napari_deepsmlm.drift import (
    DriftOptions,
    measure_drift,
    read_curve,
    save_drift_figure,
    write_curve,
)
from napari_deepsmlm.io import write_localizations


class DriftStep(DriftOptions, Step):
    """Molecules without drift go into `drift_corrected.csv`, and on to the next step.

    Beside it lies the curve that was measured, `drift_corrected_curve.csv`, with its picture.
    """

    file_name: ClassVar[str] = "drift_corrected.csv"

    kind: Literal["drift"] = "drift"
    apply: Path | None = Field(
        None, description="Drift curve (.csv) to take off, instead of one that is measured."
    )
    take_back: Path | None = Field(
        None, description="Drift curve (.csv) that was taken off before, to be put back."
    )

    @model_validator(mode="after")
    def _one_curve(self) -> Self:
        if self.apply is not None and self.take_back is not None:
            raise ValueError("takes 'apply' or 'take_back', not both")
        return self

    def run(self, stage: Stage) -> StepDone:
        """Move the molecules and write their table."""
        remarks: tuple[str, ...] = ()
        if self.apply is not None:
            moved = read_curve(self.apply).apply(stage.table)
        elif self.take_back is not None:
            moved = read_curve(self.take_back).take_back(stage.table)
        else:
            found = measure_drift(stage.table, self)
            moved, remarks = found.curve.apply(stage.table), (found.sentence(), *found.remarks)
            curve = stage.path.with_name(f"{stage.path.stem}_curve.csv")
            write_curve(curve, found.curve)
            save_drift_figure(curve.with_suffix(".png"), found)
        write_localizations(moved, stage.path)
        return StepDone(moved, remarks)


STEP = DriftStep
