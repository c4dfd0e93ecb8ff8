"""Link: the rows of a molecule in several frames become one."""

from __future__ import annotations

from typing import ClassVar, Literal

from napari_deepsmlm.batch.steps.base import Stage, Step, StepDone
from napari_deepsmlm.linking import LinkOptions, link


class LinkStep(Step, LinkOptions):
    """One row for each molecule; drift is to be taken off first."""

    file_name: ClassVar[str] = "linked.csv"

    kind: Literal["link"] = "link"

    def run(self, stage: Stage) -> StepDone:
        """Merge the rows of a molecule and write the table."""
        values = {name: getattr(self, name) for name in LinkOptions.model_fields}
        found = link(stage.table, LinkOptions(**values))
        said = {"distance_nm": found.distance_nm, "dark_frames": found.dark_frames}
        history = stage.write(found.table, self.replace(**said))
        return StepDone(found.table, found.remarks, (history,))


STEP = LinkStep
