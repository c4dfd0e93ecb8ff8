"""DRSN-STORM (deep recurrent-supervised network, 2021): its figures."""

from napari_deepsmlm.reproduction.drsn_storm import ablation, accuracy, run_time, sums, upsampling

FIGURES = (accuracy.FIGURE, sums.FIGURE, run_time.FIGURE, upsampling.FIGURE, ablation.FIGURE)
