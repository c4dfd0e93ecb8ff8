"""Region: keeps the molecules inside shapes."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, field_validator

from napari_deepsmlm.batch.steps.base import Stage, Step, StepDone
from napari_deepsmlm.filtering import in_regions

Polygon = tuple[tuple[float, float], ...]


class RegionStep(Step):
    """Molecules inside any of the polygons go into `region.csv`, and on to the next step."""

    file_name: ClassVar[str] = "region.csv"

    kind: Literal["region"] = "region"
    polygons_nm: tuple[Polygon, ...] = Field(
        min_length=1, description="Corners x, y of each polygon, nm from the corner of the frame."
    )

    @field_validator("polygons_nm")
    @classmethod
    def _have_an_inside(cls, value: tuple[Polygon, ...]) -> tuple[Polygon, ...]:
        if any(len(polygon) < 3 for polygon in value):
            raise ValueError("must be polygons of three or more corners")
        return value

    def run(self, stage: Stage) -> StepDone:
        """Keep some molecules and write their table."""
        kept = stage.table[in_regions(stage.table, self.polygons_nm)]
        history = stage.write(kept, self)
        remark = "No molecule lies in the region." if len(stage.table) and not len(kept) else ""
        return StepDone(kept, tuple(filter(None, [remark])), (history,))


STEP = RegionStep
