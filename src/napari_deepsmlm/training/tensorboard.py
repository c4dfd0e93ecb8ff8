"""TensorBoard: a run's numbers for those who watch many runs at once."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from napari_deepsmlm.training.events import Event, StepDone, Validated

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

STEPS_BETWEEN_LOSSES = 20


def with_tensorboard(events: Iterable[Event], out: Path) -> Iterator[Event]:
    """Yield the events of a run, their numbers written into `out/tensorboard` on the way.

    Raises
    ------
    ValueError
        If TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise ValueError(
            "TensorBoard is missing: pip install napari-deepsmlm[tensorboard]"
        ) from None
    with SummaryWriter(out / "tensorboard") as writer:
        for event in events:
            for name, value in _numbers(event).items():
                if math.isfinite(value):
                    writer.add_scalar(name, value, event.step)
            yield event


def _numbers(event: Event) -> dict[str, float]:
    if isinstance(event, StepDone) and event.step % STEPS_BETWEEN_LOSSES == 0:
        share = event.seconds_waiting / event.seconds
        return {
            "loss/training": event.loss,
            "learning_rate": event.learning_rate,
            "share_waiting": share,
        }
    if isinstance(event, Validated):
        scores = {f"validation/{name}": value for name, value in event.scores.items()}
        return {"loss/validation": event.loss, **scores}
    return {}
