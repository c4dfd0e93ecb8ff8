"""Drift: takes off how far the sample moved, measured or from a file."""

from __future__ import annotations

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


class DriftStep(Step, DriftOptions):
    """The molecules as if the sample had stood still, and the curve with its picture."""

    file_name: ClassVar[str] = "drift_corrected.csv"

    kind: Literal["drift"] = "drift"
    apply: str | None = Field(
        None, description="File of a drift curve to take off instead of measuring one."
    )
    take_back: str | None = Field(
        None, description="File of a drift curve to put back that was taken off."
    )

    @model_validator(mode="after")
    def _one_curve(self) -> Self:
        if self.apply is not None and self.take_back is not None:
            raise ValueError("takes 'apply' or 'take_back', not both")
        return self

    def check(self) -> None:
        """Read the curve that is to be used."""
        given = self.apply or self.take_back
        if given is not None:
            read_curve(given)

    def run(self, stage: Stage) -> StepDone:
        """Take it off and write table and curve."""
        given = self.apply or self.take_back
        if given is not None:
            curve = read_curve(given)
            table = stage.table
            moved = curve.apply(table) if self.apply else curve.take_back(table)
            return StepDone(moved, also=(stage.write(moved, self),))
        options = DriftOptions(method=self.method, segment_frames=self.segment_frames)
        found = measure_drift(stage.table, options)
        moved = found.curve.apply(stage.table)
        file = stage.path.with_name(f"{stage.path.stem}_curve.csv")
        write_curve(file, found.curve)
        picture = file.with_suffix(".png")
        save_drift_figure(picture, found)
        history = stage.write(moved, self)
        return StepDone(moved, found.remarks, (file.name, picture.name, history))


STEP = DriftStep
