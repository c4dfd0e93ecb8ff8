"""Running networks over stacks of any length in bounded memory."""

from napari_deepsmlm.inference.pipeline import Pipeline

__all__ = ["Pipeline"]
