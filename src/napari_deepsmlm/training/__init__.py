"""Training networks on simulated and experimental frames."""

from napari_deepsmlm.training.settings import Training
from napari_deepsmlm.training.trainer import Trainer

__all__ = ["Trainer", "Training"]
