"""`deepsmlm train`: a network from simulated frames."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_deepsmlm.cli._console import err, out, print_json, progress, stop_on_ctrl_c
from napari_deepsmlm.cli._options import JsonFlag, OutFolder

if TYPE_CHECKING:
    from napari_deepsmlm.training.events import Validated


def train(
    config: Annotated[Path, typer.Argument(help="Experiment, YAML.")],
    out_folder: OutFolder,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    minutes: Annotated[float | None, typer.Option(min=0.01, help="Train this long.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Train this many steps.")] = None,
    start_from: Annotated[
        str | None, typer.Option("--from", help="Trained model to begin with, name or file.")
    ] = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write the numbers for TensorBoard too.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Train a network, from random weights or on from a trained one. Ctrl-C stops and saves.

    Several GPUs: torchrun --nproc-per-node 4 -m napari_deepsmlm.cli train CONFIG.yaml --out DIR
    """
    from napari_deepsmlm._devices import keep_memory
    from napari_deepsmlm.experiment import Experiment
    from napari_deepsmlm.training.events import Finished, RolledBack, StepDone, Validated
    from napari_deepsmlm.training.tensorboard import with_tensorboard

    if minutes is not None and steps is not None:
        raise ValueError("Give --minutes or --steps, not both.")
    experiment = Experiment.from_file(config)
    length = {"minutes": minutes} if minutes else {"steps": steps, "minutes": None} if steps else {}
    experiment = experiment.replace(training=experiment.training.replace(**length))
    if start_from is not None:
        experiment = experiment.replace(start_from=start_from)
    keep_memory()
    trainer = experiment.trainer(out_folder, device=device)
    events = trainer.run(resume=resume)
    if tensorboard and trainer.ranks.is_first:
        events = with_tensorboard(events, out_folder)
    finished = None
    with progress("Training") as show, stop_on_ctrl_c(trainer.stop):
        for event in events:
            if isinstance(event, StepDone):
                show(event.progress, 1.0, f"step {event.step}, loss {event.loss:.3g}")
            elif isinstance(event, Validated):
                err.print(_in_words(event))
            elif isinstance(event, RolledBack):
                err.print(
                    f"step {event.step}: a gradient was not finite; back to the last good weights, "
                    f"learning rate now {event.learning_rate:.2g}"
                )
            elif isinstance(event, Finished):
                finished = event
    if not trainer.ranks.is_first:
        return
    assert finished is not None  # noqa: S101 - the last event of every run
    summary = {
        "model": str(finished.model_path),
        "steps": finished.step,
        "reason": finished.reason,
        "validation_loss": trainer.best_loss,
        "report": str(out_folder / "report.html"),
    }
    if as_json:
        print_json(summary)
    else:
        out.print(f"{finished.reason}: {finished.step} steps; best model {finished.model_path}")


def _in_words(event: Validated) -> str:
    scores = event.scores
    bound = scores.get("bound_lateral_nm")
    best = f" (bound {bound:.1f})" if bound else ""
    return (
        f"step {event.step}: validation loss {event.loss:.4g}, "
        f"Jaccard {scores['jaccard']:.3f}, RMSE {scores['rmse_lateral_nm']:.1f} nm{best}"
    )
