"""`deepsmlm train`: a network from simulated frames."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from napari_deepsmlm.cli._console import err, out, print_json, progress, stop_on_ctrl_c
from napari_deepsmlm.cli._options import JsonFlag, OutFolder

if TYPE_CHECKING:
    from napari_deepsmlm.experiment import Experiment
    from napari_deepsmlm.training.events import Finished, Validated
    from napari_deepsmlm.training.settings import Training


def train(
    out_folder: OutFolder,
    config: Annotated[
        str | None,
        typer.Argument(
            help="Experiment: YAML file or name of a preset. With --resume it may be left out."
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in --out, as it was begun.")
    ] = False,
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
    from napari_deepsmlm.training.events import Finished, RolledBack, StepDone, Validated
    from napari_deepsmlm.training.tensorboard import with_tensorboard

    if minutes is not None and steps is not None:
        raise ValueError("Give --minutes or --steps, not both.")
    experiment = _experiment(config, out_folder, start_from, resume=resume)
    length = {"minutes": minutes} if minutes else {"steps": steps, "minutes": None} if steps else {}
    experiment = experiment.replace(training=experiment.training.replace(**length))
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
    _tell_end(finished, out_folder, trainer.best_loss, as_json=as_json)


def _experiment(
    config: str | None, out_folder: Path, start_from: str | None, *, resume: bool
) -> Experiment:
    """Return what is trained: CONFIG, or with --resume what the folder was begun with.

    Raises
    ------
    ValueError, OSError
        If there is no CONFIG, no run to resume, or CONFIG and --from are not those of the run.
    """
    from napari_deepsmlm.experiment import Experiment
    from napari_deepsmlm.runs import experiment_of_run, require_same
    from napari_deepsmlm.training.record import EXPERIMENT, require_run

    if resume:
        require_run(out_folder)
    elif config is None:
        raise ValueError("Give the experiment to train, a YAML file or the name of a preset.")
    given = None if config is None else Experiment.find(config)
    if given is not None and start_from is not None:
        given = given.replace(start_from=start_from)
    if given is not None and not (resume and (out_folder / EXPERIMENT).exists()):
        return given
    run = experiment_of_run(out_folder)
    if given is not None:
        require_same(run, given, source=str(config))
        _tell_length(run.training, given.training, str(config))
    elif start_from is not None:
        require_same(run, run.replace(start_from=start_from), source=f"--from {start_from}")
    return run


def _tell_length(run: Training, given: Training, config: str) -> None:
    """Say that the length of the run is not that of CONFIG, if it is not."""
    if (run.minutes, run.minutes or run.steps) != (given.minutes, given.minutes or given.steps):
        _tell(
            f"{config} asks for {_length(given)}, the run was begun for {_length(run)}, and goes "
            "on to that unless --steps or --minutes say otherwise."
        )


def _length(training: Training) -> str:
    if training.minutes is not None:
        return f"{training.minutes:g} minutes"
    return f"{training.steps} steps"


def _tell_end(finished: Finished, out_folder: Path, loss: float, *, as_json: bool) -> None:
    if finished.was_over:
        more = "training.patience in its experiment.yaml is made larger"
        if finished.reason == "done":
            more = "more --steps or --minutes are given"
        _tell(
            f"The run in {out_folder} is over ({finished.reason} at step {finished.step}), so "
            f"nothing was trained; it goes on if {more}."
        )
    elif finished.reason == "stopped":
        _tell(f"deepsmlm train --out {out_folder} --resume goes on with it.")
    summary: dict[str, Any] = {
        "model": str(finished.model_path),
        "steps": finished.step,
        "reason": finished.reason,
        "was_over": finished.was_over,
        "validation_loss": loss,
        "report": str(out_folder / "report.html"),
    }
    if as_json:
        print_json(summary)
    else:
        out.print(f"{finished.reason}: {finished.step} steps; best model {finished.model_path}")


def _tell(text: str) -> None:
    err.print(escape(text), soft_wrap=True, highlight=False)


def _in_words(event: Validated) -> str:
    scores = event.scores
    bound = scores.get("bound_lateral_nm")
    best = f" (bound {bound:.1f})" if bound else ""
    return (
        f"step {event.step}: validation loss {event.loss:.4g}, "
        f"Jaccard {scores['jaccard']:.3f}, RMSE {scores['rmse_lateral_nm']:.1f} nm{best}"
    )
