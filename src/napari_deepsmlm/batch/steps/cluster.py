"""Cluster: numbers the molecules that lie densely together, and leaves out the others."""

from __future__ import annotations

from typing import ClassVar, Literal

from napari_deepsmlm._files import atomic_write
from napari_deepsmlm.batch.steps.base import Stage, Step, StepDone
from napari_deepsmlm.clusters import ClusterOptions, cluster_table, clusters


class ClusterStep(Step, ClusterOptions):
    """The molecules of clusters with the number of theirs, and a table of the clusters."""

    file_name: ClassVar[str] = "clustered.csv"

    kind: Literal["cluster"] = "cluster"

    def run(self, stage: Stage) -> StepDone:
        """Find the clusters and write both tables."""
        options = ClusterOptions(radius_nm=self.radius_nm, min_molecules=self.min_molecules)
        label = clusters(stage.table, options)
        kept = stage.table.with_columns(group=label)[label >= 0]
        file = stage.path.with_name(f"{stage.path.stem}_clusters.csv")
        with atomic_write(file) as written:
            rows = cluster_table(stage.table, label)
            rows.to_csv(written, index=False, float_format="%.8g")
        remarks = () if len(kept) or not len(stage.table) else ("No molecule lies in a cluster.",)
        return StepDone(kept, remarks, (file.name, stage.write(kept, self)))


STEP = ClusterStep
