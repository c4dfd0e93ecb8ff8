"""`deepsmlm batch`: many stacks by one recipe, overnight or while they are acquired."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from napari_deepsmlm.cli._console import (
    err,
    out,
    print_json,
    print_warnings,
    progress,
    stop_on_ctrl_c,
)
from napari_deepsmlm.cli._options import (
    CameraChoice,
    FramePixelSize,
    JsonFlag,
    OutFolder,
    Scheduler,
    Workers,
    choose_camera,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_deepsmlm.batch import BatchEvent, BatchFinished, BatchJob, Recipe


def batch(
    out_folder: OutFolder,
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="INPUT...",
            help="Stacks, folders of stacks, quoted patterns as 'day*/cell_*.tif', or a recipe; "
            "stacks beside a recipe are taken instead of its own. With --resume they may be left "
            "out.",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the batch in --out, by its own recipe.")
    ] = False,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Go on with new and growing files until Ctrl-C."),
    ] = False,
    settle: Annotated[
        float,
        typer.Option(min=0.1, help="--watch: a file is whole if it has not grown for so long, s."),
    ] = 5.0,
    model: Annotated[
        str | None, typer.Option(help="Network, built-in model or file; default: deep-storm.")
    ] = None,
    pixel_size: FramePixelSize = None,
    sum_frames: Annotated[int | None, typer.Option(min=1, help="Frames summed per input.")] = None,
    camera: CameraChoice = None,
    threshold: Annotated[
        float | None, typer.Option(help="Least probability of a localization, 0 to 1.")
    ] = None,
    where: Annotated[
        str | None,
        typer.Option(help="Then keep the molecules that fulfil this, as 'uncertainty_xy < 30'."),
    ] = None,
    sr_pixel: Annotated[
        float | None, typer.Option(help="Then draw the molecules with pixels of so many nm.")
    ] = None,
    adapt: Annotated[
        float | None,
        typer.Option(
            metavar="MINUTES",
            help="First train the model this long on simulated frames like those of each stack.",
        ),
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:0,cuda:1, mps.")] = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    precision: Annotated[str | None, typer.Option(help="auto, fp32, bf16.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Go on with a warning where a result cannot be right.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Reconstruct many stacks, each into a folder of its own, with summary.csv over all.

    What is done and unchanged is skipped, so the same command goes on after Ctrl-C or a crash. A
    stack that fails is a line of the summary, and the others go on; the exit code is 2 then.

    A recipe says all that reconstruct can be told, and the steps that follow. Each run writes its
    own as recipe.yaml into --out, to be read, changed and used again.
    """
    from napari_deepsmlm.batch import BatchFinished, BatchJob, with_options

    recipe, stacks = _recipe(inputs or [], out_folder, resume=resume)
    given = {
        "model": model,
        "pixel_size_nm": pixel_size,
        "sum_frames": sum_frames,
        "camera": choose_camera(camera, None, None),
        "threshold": threshold,
        "device": device,
        "workers": workers,
        "scheduler": scheduler,
        "precision": precision,
        "force": force or None,
    }
    chosen = {name: value for name, value in given.items() if value is not None}
    recipe = _with_steps(with_options(recipe, stacks, chosen), where, sr_pixel)
    if adapt is not None:
        recipe = recipe.from_dict({**dict(recipe), "adapt_minutes": adapt}, source="options")
    job = BatchJob(recipe, out_folder, watch=watch, settle_s=settle)
    finished = _run(job, is_watching=watch)
    assert isinstance(finished, BatchFinished)  # noqa: S101 - the last event of every batch
    if as_json:
        print_json(_plain(finished))
    else:
        text = f"{finished.sentence} {finished.summary}"
        out.print(text, highlight=False, markup=False, soft_wrap=True)
    if finished.failed:
        n = len(finished.failed)
        raise ValueError(
            f"{n} of {len(finished.asked)} stacks failed; {finished.summary} says why. The same "
            "command tries them again."
        )


def _recipe(inputs: list[str], out_folder: Path, *, resume: bool) -> tuple[Recipe, list[str]]:
    """Return the recipe that is named, or the one of the batch that goes on, and the stacks.

    Raises
    ------
    ValueError, OSError
        If there are two, or none to go on with.
    """
    from napari_deepsmlm.batch import RECIPE_ENDINGS, RECIPE_NAME, Recipe

    recipes = [name for name in inputs if name.lower().endswith(RECIPE_ENDINGS)]
    stacks = [name for name in inputs if name not in recipes]
    if len(recipes) > 1:
        raise ValueError(f"Give one recipe, not {len(recipes)}: {', '.join(recipes)}.")
    if recipes:
        return Recipe.from_file(recipes[0]), stacks
    kept = out_folder / RECIPE_NAME
    if resume:
        if not kept.is_file():
            raise FileNotFoundError(
                f"{out_folder} holds no batch to go on with ({RECIPE_NAME} is not there): give "
                "stacks, folders or a recipe."
            )
        return Recipe.from_file(kept), stacks
    return Recipe(), stacks


def _with_steps(recipe: Recipe, where: str | None, sr_pixel: float | None) -> Recipe:
    steps: list[dict[str, Any]] = []
    if where is not None:
        steps.append({"kind": "filter", "where": where})
    if sr_pixel is not None:
        steps.append({"kind": "render", "image": {"sr_pixel_nm": sr_pixel}})
    if not steps:
        return recipe
    return recipe.from_dict({**dict(recipe), "steps": (*recipe.steps, *steps)}, source="options")


def _run(job: BatchJob, *, is_watching: bool) -> BatchFinished | None:
    """Do it, telling on stderr what happens, and return how it ended."""
    finished = None
    with progress("Batch") as show, stop_on_ctrl_c(job.stop, is_end=is_watching):
        for event in job.run():
            finished = _tell(event, show)
    return finished


def _tell(event: BatchEvent, show: Callable[..., None]) -> BatchFinished | None:
    from napari_deepsmlm._words import counted
    from napari_deepsmlm.batch import (
        BatchFinished,
        Listed,
        StackBegan,
        StackEnded,
        StackProgress,
        Waiting,
    )

    match event:
        case Listed():
            if event.left_out:
                names = ", ".join(path.name for path in event.left_out[:5])
                which = f"{names} ..." if len(event.left_out) > 5 else names
                n = counted(len(event.left_out), "file")
                print_warnings([f"{n} without a movie of 10 frames or more left out: {which}"])
        case StackBegan():
            again = f" (again: {event.why})" if event.why else ""
            place = f"{event.folder.parent.name}/{event.folder.name}"
            _say(f"{event.number}/{event.n_stacks} {event.file.name} into {place}{again}")
        case StackProgress():
            doing = event.doing
            show(event.share * event.n_stacks, event.n_stacks, f"{doing.what} {doing.remark}")
        case StackEnded():
            _tell_end(event, show)
        case Waiting():
            growing = ", ".join(path.name for path in event.growing[:3])
            still = f"; still written: {growing}" if growing else ""
            _say(f"{counted(len(event.rows), 'stack')} so far; waiting for more{still}")
        case BatchFinished():
            return event
    return None


def _tell_end(event: Any, show: Callable[..., None]) -> None:
    row = event.row
    name = Path(row.file).name
    if event.is_skipped:
        _say(f"{name}: done before, unchanged")
    elif row.state == "done":
        _say(
            f"{name}: {row.frames:,} frames, {row.localizations:,} localizations in "
            f"{row.seconds:.1f} s"
        )
    else:
        err.print(f"[red]{row.state}:[/] {escape(row.error)}", soft_wrap=True, highlight=False)
    print_warnings(row.warnings if not event.is_skipped else ())


def _plain(finished: BatchFinished) -> dict[str, Any]:
    states = [row.state for row in finished.asked]
    return {
        "stacks": [row.model_dump(mode="json") for row in finished.rows],
        "done": states.count("done"),
        "skipped": finished.n_skipped,
        "failed": states.count("failed"),
        "stopped": finished.is_stopped,
        "left_out": [str(path) for path in finished.left_out],
        "earlier": sorted(finished.earlier),
        "summary": str(finished.summary),
    }


def _say(text: str) -> None:
    err.print(text, soft_wrap=True, highlight=False, markup=False)
