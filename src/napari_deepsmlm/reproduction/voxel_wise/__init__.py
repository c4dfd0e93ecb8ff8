"""Voxel-wise regression (Aritake et al. 2020, doi:10.1016/j.rio.2020.100019): its figures."""

from napari_deepsmlm.reproduction.voxel_wise import (
    adjacency,
    confusion,
    density,
    drift,
    errors,
    movie,
    speed,
)

FIGURES = (
    confusion.FIGURE,
    adjacency.FIGURE,
    errors.FIGURE,
    density.FIGURE,
    drift.FIGURE,
    speed.FIGURE,
    movie.FIGURE,
)
