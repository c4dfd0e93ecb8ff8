"""Clusters of molecules, and what each is like."""

from __future__ import annotations

from napari_deepsmlm.clusters.dbscan import ClusterOptions, cluster_table, clusters

__all__ = ["ClusterOptions", "cluster_table", "clusters"]
