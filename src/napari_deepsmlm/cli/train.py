"""`deepsmlm train`: a network from simulated frames."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_deepsmlm.cli._console import err, out, print_json, progress, stop_on_ctrl_c
from napari_deepsmlm.cli._options import JsonFlag, OutFolder


def train(
    config: Annotated[Path, typer.Argument(help="Experiment, YAML.")],
    out_folder: OutFolder,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    minutes: Annotated[float | None, typer.Option(min=0.01, help="Train this long.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Train this many steps.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Train a network on simulated frames. Ctrl-C stops cleanly and saves."""
    from napari_deepsmlm.experiment import Experiment
    from napari_deepsmlm.training.events import Finished, StepDone, Validated

    if minutes is not None and steps is not None:
        raise ValueError("Give --minutes or --steps, not both.")
    experiment = Experiment.from_file(config)
    length = {"minutes": minutes} if minutes else {"steps": steps, "minutes": None} if steps else {}
    experiment = experiment.replace(training=experiment.training.replace(**length))
    trainer = experiment.trainer(out_folder, device=device)
    finished = None
    with progress("Training") as show, stop_on_ctrl_c(trainer.stop):
        for event in trainer.run(resume=resume):
            if isinstance(event, StepDone):
                show(event.progress, 1.0, f"step {event.step}, loss {event.loss:.3g}")
            elif isinstance(event, Validated):
                err.print(
                    f"step {event.step}: validation loss {event.loss:.4g}, "
                    f"Jaccard {event.scores['jaccard']:.3f}, "
                    f"RMSE {event.scores['rmse_lateral_nm']:.1f} nm"
                )
            elif isinstance(event, Finished):
                finished = event
    assert finished is not None  # noqa: S101 - the last event of every run
    summary = {
        "model": str(finished.model_path),
        "steps": finished.step,
        "reason": finished.reason,
        "validation_loss": trainer.best_loss,
    }
    if as_json:
        print_json(summary)
    else:
        out.print(f"{finished.reason}: {finished.step} steps; best model {finished.model_path}")
