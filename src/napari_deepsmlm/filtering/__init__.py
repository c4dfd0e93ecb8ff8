"""Filtering: which molecules of a table fulfil an expression in ThunderSTORM's syntax."""

from __future__ import annotations

from napari_deepsmlm.filtering.columns import column_names, find_column
from napari_deepsmlm.filtering.filters import Filter, filter_table
from napari_deepsmlm.filtering.regions import in_region, in_regions, outline
from napari_deepsmlm.filtering.summary import ColumnSummary, summarize
from napari_deepsmlm.filtering.tokens import FilterError

__all__ = [
    "ColumnSummary",
    "Filter",
    "FilterError",
    "column_names",
    "filter_table",
    "find_column",
    "in_region",
    "in_regions",
    "outline",
    "summarize",
]
