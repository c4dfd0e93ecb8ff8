"""Deep-STORM (Nehme et al. 2018, doi:10.1364/OPTICA.5.000458): its figures."""

from napari_deepsmlm.reproduction.deep_storm import (
    accuracy,
    baseline,
    experimental,
    lines,
    run_time,
)

FIGURES = (
    baseline.FIGURE,
    accuracy.FIGURE,
    lines.WIDTH,
    lines.PAIRS,
    experimental.FIGURE,
    run_time.FIGURE,
)
