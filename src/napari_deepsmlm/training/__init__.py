"""Training networks on simulated frames."""

from napari_deepsmlm.training.trainer import Trainer, Training

__all__ = ["Trainer", "Training"]
