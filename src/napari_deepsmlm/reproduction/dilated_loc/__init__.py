"""DilatedLoc ("An Efficient Inference Frame for Single Molecule Localization"): its figures."""

from napari_deepsmlm.reproduction.dilated_loc import (
    ablation,
    bound,
    context,
    density,
    psfs,
    speed,
    throughput,
)

FIGURES = (
    ablation.FIGURE,
    psfs.FIGURE,
    speed.FIGURE,
    throughput.FIGURE,
    bound.FIGURE,
    density.FIGURE,
    context.FIGURE,
)
