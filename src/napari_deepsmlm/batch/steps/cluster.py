"""Cluster: numbers the clusters of molecules (DBSCAN) and leaves out molecules of none."""

from __future__ import annotations

from typing import ClassVar, Literal

from napari_deepsmlm.batch.steps.base import Stage, Step, StepDone
from napari_deepsmlm.clusters import ClusterOptions, clusters
from napari_deepsmlm.io import write_localizations


class ClusterStep(ClusterOptions, Step):
    """Molecules of clusters, numbered in `group`, go into `clustered.csv`, and on."""

    file_name: ClassVar[str] = "clustered.csv"

    kind: Literal["cluster"] = "cluster"

    def run(self, stage: Stage) -> StepDone:
        """Number the clusters and write the table of their molecules."""
        number = clusters(stage.table, self)
        kept = stage.table.with_columns(group=number)[number >= 0]
        write_localizations(kept, stage.path)
        remark = "" if len(kept) or not len(stage.table) else "No molecule is in a cluster."
        return StepDone(kept, tuple(filter(None, [remark])))


STEP = ClusterStep
