"""Trust: the result is judged against its frames, on a page beside it."""

from __future__ import annotations

from typing import ClassVar, Literal

from napari_deepsmlm.batch.steps.base import Stage, Step, StepDone
from napari_deepsmlm.trust import judge, write_trust
from napari_deepsmlm.trust.files import PAGE, VALUES


class TrustStep(Step):
    """A page, and its values as JSON, on what speaks for and against the molecules so far.

    Doubts are remarks of the stack, and so stand in the summary. A table that cannot be judged, as
    of too few molecules, is no failure: it is said.
    """

    file_name: ClassVar[str] = PAGE

    kind: Literal["trust"] = "trust"

    def run(self, stage: Stage) -> StepDone:
        """Judge the table and write page and values."""
        try:
            found = judge(
                stage.table,
                stage.frames,
                stage.report,
                title=f"{stage.path.parent.name}, {stage.source.name}",
                table_pixel_nm=stage.pixel_size_nm,
            )
        except ValueError as error:
            return StepDone(stage.table, (f"Not judged: {error}",))
        write_trust(stage.path.parent, found)
        remarks = (found.sentence(),) if found.doubts else ()
        return StepDone(stage.table, remarks, (VALUES,))


STEP = TrustStep
