"""Naming: what a result is called, so that one run is told from another in the list of layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_deepsmlm.plugin.library.choices import ModelChoice
    from napari_deepsmlm.reconstruction import ReconstructOptions


def name_of_run(stack: str, model: ModelChoice, options: ReconstructOptions) -> str:
    """Return the name of a stack with the model and those settings that are not the usual ones.

    Examples
    --------
    >>> from napari_deepsmlm.plugin.library.choices import ModelChoice
    >>> from napari_deepsmlm.reconstruction import ReconstructOptions
    >>> model = ModelChoice("deep-storm:2d-100nm", "deep-storm:2d-100nm", "deep-storm", 100.0)
    >>> name_of_run("cells", model, ReconstructOptions(sum_frames=10))
    'cells · deep-storm:2d-100nm, sum 10'
    """
    first, end = options.frame_range
    last = "the last" if end is None else end - 1
    settings = {
        f"sum {options.sum_frames}": options.sum_frames > 1,
        f"×{options.upsampling}": options.upsampling is not None and model.is_localizing,
        f"p ≥ {options.threshold}": options.threshold is not None,
        f"frames {first} to {last}": (first, end) != (0, None),
        f"{options.window} frames each": options.window is not None,
        f"every {options.window_step}": options.window_step is not None,
        f"channel {options.channel}": options.channel is not None,
        "region": options.region is not None,
    }
    said = [
        model.title.removesuffix(".safetensors"),
        *(each for each, is_so in settings.items() if is_so),
    ]
    return f"{stack} · {', '.join(said)}"
