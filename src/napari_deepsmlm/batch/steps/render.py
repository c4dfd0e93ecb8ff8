"""Render: draws the molecules as an image that lies on the camera frames."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from napari_deepsmlm import filtering
from napari_deepsmlm.batch.steps.base import POSSIBLE_COLUMNS, Stage, Step, StepDone
from napari_deepsmlm.io import history_report, write_image, write_rgb
from napari_deepsmlm.io.tables.columns import merged_uncertainty
from napari_deepsmlm.io.tables.headers import UNCERTAINTY_XY
from napari_deepsmlm.render import RenderOptions, draw, draw_colored, frames_shape


class RenderStep(Step):
    """The molecules that the step before has left are drawn into `rendered.tif`."""

    file_name: ClassVar[str] = "rendered.tif"

    kind: Literal["render"] = "render"
    image: RenderOptions = Field(
        default_factory=RenderOptions, description="How they are drawn, and how fine."
    )
    color_by: str | None = Field(
        None, description="Column that gives the colours, such as z; makes RGB."
    )

    def check(self) -> None:
        """Refuse a column that no table of a batch has."""
        if self.color_by is not None and not filtering.find_column(self.color_by, POSSIBLE_COLUMNS):
            names = ", ".join(filtering.column_names(POSSIBLE_COLUMNS))
            raise ValueError(f"No column '{self.color_by}' to colour by. Available: {names}.")

    def run(self, stage: Stage) -> StepDone:
        """Draw the field of the frames."""
        shape = frames_shape(*stage.field_nm, self.image.sr_pixel_nm)
        nm = self.image.sr_pixel_nm
        report = {"molecules": len(stage.table), "image": self.image.model_dump()}
        report |= {"inputs": [stage.source.name], "history": history_report(stage.source)}
        if self.color_by is None:
            image = draw(stage.table, shape, options=self.image, stopping=stage.stopping).numpy()
            write_image(stage.path, image, pixel_size_nm=nm, report=report)
            return StepDone(stage.table)
        column = filtering.find_column(self.color_by, stage.table.names) or self.color_by
        table = stage.table
        if column == UNCERTAINTY_XY:  # one number in ThunderSTORM, two in a table of ours
            table = table.with_columns(**{column: merged_uncertainty(table)})
        image, low, high = draw_colored(table, column, shape, options=self.image)
        report |= {"color_by": column, "color_low": low, "color_high": high}
        write_rgb(stage.path, image, pixel_size_nm=nm, report=report)
        return StepDone(stage.table)


STEP = RenderStep
