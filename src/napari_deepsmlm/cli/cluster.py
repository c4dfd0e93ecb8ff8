"""`deepsmlm cluster`: molecules that lie densely together, and a table of the clusters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from napari_deepsmlm._words import counted
from napari_deepsmlm.cli._console import err
from napari_deepsmlm.cli._options import JsonFlag
from napari_deepsmlm.cli._tables import (
    Kind,
    OutTable,
    Table,
    TablePixelSize,
    Unit,
    check_outputs,
    read,
    tell,
    write,
)


def cluster(
    table: Table,
    out_file: OutTable,
    radius: Annotated[float, typer.Option(help="Reach of a molecule, nm.")] = 50.0,
    least: Annotated[
        int, typer.Option(help="Molecules within the reach of a core, itself included.")
    ] = 10,
    table_of_clusters: Annotated[
        Path | None, typer.Option("--table", help="Write a row for each cluster too, .csv.")
    ] = None,
    pixel_size: TablePixelSize = None,
    unit: Unit = None,
    kind: Kind = None,
    as_json: JsonFlag = False,
) -> None:
    """Number the clusters (DBSCAN) in a column `group`; molecules of none are left out."""
    from napari_deepsmlm._files import atomic_write
    from napari_deepsmlm.clusters import ClusterOptions, cluster_table, clusters

    if table_of_clusters is not None and table_of_clusters.suffix.lower() != ".csv":
        raise ValueError(f"{table_of_clusters.name}: the table of clusters is written as .csv.")
    check_outputs(out_file, table_of_clusters, source=table)
    values = {"radius_nm": radius, "min_molecules": least}
    options = ClusterOptions.from_dict(values, source="options")
    molecules, pixel_nm = read(table, pixel_size, unit)
    with err.status("Clusters…"):
        label = clusters(molecules, options)
        rows = cluster_table(molecules, label)
    kept = molecules.with_columns(group=label)[label >= 0]
    step = {"kind": "cluster", **options.model_dump()}
    write(kept, out_file, kind, pixel_nm, source=table, step=step)
    report: dict[str, Any] = {
        "molecules": len(molecules),
        "in_clusters": len(kept),
        "clusters": len(rows),
    }
    report |= {"file": str(out_file)}
    if table_of_clusters is not None:
        with atomic_write(table_of_clusters) as file:
            rows.to_csv(file, index=False, float_format="%.8g")
        report["table"] = str(table_of_clusters)
    note = (
        f"{counted(len(rows), 'cluster')} of {len(kept):,} of "
        f"{counted(len(molecules), 'molecule')}: {out_file}"
    )
    tell(report, note, as_json, n_read=len(molecules))
