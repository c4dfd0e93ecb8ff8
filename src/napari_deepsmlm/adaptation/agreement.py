"""Agreement: whether a model finds as many molecules in the stack as its twin makes expect.

A twin lacks what the stack has and nobody measured: light out of focus, dirt, a background of an
odd shape. A model that is trained on it may take that for molecules, and is the better one on the
twin all the same. So both are counted in the stack too.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from napari_deepsmlm.adaptation.findings import MAX_FRAMES, middle_of
from napari_deepsmlm.inference.pipeline import Pipeline

if TYPE_CHECKING:
    import threading

    from napari_deepsmlm._devices import Compute
    from napari_deepsmlm.adaptation.twin import Twin
    from napari_deepsmlm.io import FrameSource
    from napari_deepsmlm.models import SMLMModel

# Times as many as expected, and beyond their chance in standard deviations, that are too many.
MAX_MORE, CHANCE = 1.3, 2.0


class Count(NamedTuple):
    """Molecules that a model finds, in the stack and in its twin."""

    in_stack: int
    """In the inputs that were looked at, all together."""
    per_um2: float
    """The same per input and area."""
    per_um2_of_twin: float


def count(
    model: SMLMModel,
    scores: dict[str, float],
    source: FrameSource,
    twin: Twin,
    compute: Compute,
    *,
    sum_frames: int,
    stopping: threading.Event | None = None,
) -> Count:
    """Count what a model finds in the middle of a stack, in space and in time.

    Parameters
    ----------
    scores : of the model on the twin, see `adaptation.judging`.
    """
    model.pixel_size_nm = twin.experiment.psf.pixel_size_nm
    pipeline = Pipeline(
        model, compute, sum_frames=sum_frames, camera=twin.camera, hot_pixels=twin.hot_pixels
    )
    n = min(source.n_frames, MAX_FRAMES * sum_frames)
    first = (source.n_frames - n) // 2
    region = middle_of(source)
    n_found, n_inputs = 0, 0
    frames = range(first, first + n)
    for part in pipeline.run(source, frames=frames, region=region, stopping=stopping):
        n_found += len(part.localizations)
        n_inputs += part.n_inputs
    area_um2 = math.prod(region.shape) * (model.pixel_size_nm / 1000) ** 2
    per_um2 = n_found / max(1, n_inputs) / area_um2
    return Count(n_found, per_um2, scores.get("found_per_um2", 0.0))


def finds_too_many(before: Count, after: Count) -> bool:
    """Whether a trained model finds more molecules in the stack than can be.

    Training makes it find so many times as many in the twin, and the twin holds as many as the
    stack. Both have to be exceeded: a model that is lost in the stack finds less there than in the
    twin at first.

    Examples
    --------
    >>> finds_too_many(Count(400, 0.8, 0.8), Count(520, 1.0, 0.96))
    False
    >>> finds_too_many(Count(400, 0.8, 0.8), Count(900, 1.8, 0.96))
    True
    """
    if not before.in_stack or not before.per_um2_of_twin:
        return False
    more = after.per_um2_of_twin / before.per_um2_of_twin
    expected = before.in_stack * more
    limit = MAX_MORE * expected + CHANCE * math.sqrt(expected)
    return after.in_stack > limit and after.per_um2 > MAX_MORE * after.per_um2_of_twin
