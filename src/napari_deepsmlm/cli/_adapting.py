"""Adapting on the command line: its progress, its figures, and how it is stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.markup import escape

from napari_deepsmlm.cli._console import err, progress, stop_on_ctrl_c

if TYPE_CHECKING:
    from napari_deepsmlm.adaptation import Adapted, AdaptOptions


def adapted(frames: Any, options: AdaptOptions) -> Adapted:
    """Adapt a model to frames, telling on stderr what happens, and return what came of it.

    Raises
    ------
    KeyboardInterrupt
        If it was stopped; it is saved then.
    """
    from napari_deepsmlm.adaptation import Adapted, AdaptJob, Planned, scores_in_words
    from napari_deepsmlm.training.events import StepDone, Validated

    job = AdaptJob(frames, options)
    done = None
    with progress("Adapting") as show, stop_on_ctrl_c(job.stop):
        for event in job.run():
            if isinstance(event, Planned):
                goes_on = ", going on with the one that was stopped" if event.is_resumed else ""
                _tell(f"Adapting {event.model}{goes_on}. As it is: {scores_in_words(event.before)}")
            elif isinstance(event, StepDone):
                show(event.progress, 1.0, f"step {event.step}, loss {event.loss:.3g}")
            elif isinstance(event, Validated):
                scores = event.scores | {"efficiency_lateral": event.scores["efficiency"]}
                _tell(f"step {event.step}: {scores_in_words(scores)}")
            elif isinstance(event, Adapted):
                done = event
    assert done is not None  # noqa: S101 - the last event of every adaptation
    _tell(done.sentence)
    if done.is_stopped:
        raise KeyboardInterrupt
    return done


def _tell(text: str) -> None:
    err.print(escape(text), soft_wrap=True, highlight=False)
