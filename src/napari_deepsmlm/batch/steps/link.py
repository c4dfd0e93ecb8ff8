"""Link: the rows of a molecule in several frames become one."""

from __future__ import annotations

from typing import ClassVar, Literal

from napari_deepsmlm.batch.steps.base import Stage, Step, StepDone
from napari_deepsmlm.io import write_localizations
from napari_deepsmlm.linking import LinkOptions, link


class LinkStep(LinkOptions, Step):
    """One row per molecule goes into `linked.csv`, and on to the next step."""

    file_name: ClassVar[str] = "linked.csv"

    kind: Literal["link"] = "link"

    def run(self, stage: Stage) -> StepDone:
        """Link the molecules and write their table."""
        found = link(stage.table, self)
        write_localizations(found.table, stage.path)
        return StepDone(found.table, (found.sentence(), *found.remarks))


STEP = LinkStep
