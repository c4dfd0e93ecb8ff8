"""Command line: each command is a few lines over the library."""

from __future__ import annotations

import json
import logging
import math
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, ParamSpec

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

P = ParamSpec("P")

app = typer.Typer(
    name="deepsmlm",
    help="Deep-learning super-resolution of blinking (SMLM) stacks.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
models_app = typer.Typer(help="The models at hand.", no_args_is_help=True)
app.add_typer(models_app, name="models")

# Results go to stdout, everything else to stderr.
out = Console()
err = Console(stderr=True)

JsonFlag = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
OutFolder = Annotated[Path, typer.Option("--out", help="Folder for the results.")]


def command(group: typer.Typer, name: str, example: str) -> Callable[[Callable[P, None]], Any]:
    """Register a command whose errors become one line and an exit code.

    2: the input or the call is wrong. 1: an error of ours, with its traceback in the log.
    """

    def register(function: Callable[P, None]) -> Callable[P, None]:
        @wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> None:
            try:
                function(*args, **kwargs)
            except (ValueError, OSError, FloatingPointError) as error:
                raise _exit(_one_line(error), 2) from None
            except KeyboardInterrupt:
                raise _exit("Stopped.", 130) from None
            except Exception as error:
                logging.getLogger(__name__).exception("internal error")
                raise _exit(f"Internal error: {_one_line(error)}", 1) from None

        group.command(name, epilog=f"Example: {example}")(run)
        return function

    return register


def main() -> None:
    """Run the command line."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    app()


# -- commands ------------------------------------------------------------------------------


@command(app, "demo", "deepsmlm demo --out demo")
def demo(out_folder: OutFolder = Path("demo"), as_json: JsonFlag = False) -> None:
    """Reconstruct a built-in sample with a built-in model: the main job from end to end."""
    from napari_deepsmlm.demo import run_demo

    with _progress("Demo") as show:
        files, report = run_demo(out_folder, on_event=show)
    if as_json:
        _print_json({"files": {key: str(path) for key, path in files.items()}, **report})
        return
    quality = report["quality"]
    out.print(
        f"{report['frames']} frames in {report['seconds']:.1f} s "
        f"({report['frames_per_second']:.1f} frames/s): {quality['molecules']:.0f} molecules, "
        f"{quality['true_molecules']} true ones; NMSE {quality['nmse_percent']:.1f} %."
    )
    for name, path in files.items():
        out.print(f"  {name:15} {path}", highlight=False, soft_wrap=True)


@command(app, "simulate", "deepsmlm simulate experiment.yaml --out sim --frames 500 --seed 1")
def simulate(
    config: Annotated[
        str, typer.Argument(help="Experiment: YAML file or name of a preset, as lines-50nm.")
    ],
    out_folder: OutFolder,
    frames: Annotated[int, typer.Option(min=1, help="Number of frames.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same stack.")] = 0,
    as_json: JsonFlag = False,
) -> None:
    """Write a simulated stack (uint16 ADU) and its true molecules.

    Presets come with the package; a name that is none is answered with their list.
    """
    from napari_deepsmlm.experiment import Experiment

    experiment = Experiment.find(config)
    with _progress("Simulating") as show:
        n_molecules = experiment.write_movie(out_folder, frames, seed=seed, on_frames=show)
    files = {name: str(out_folder / name) for name in ("stack.tif", "localizations.csv")}
    if as_json:
        _print_json({"frames": frames, "molecules": n_molecules, "files": files})
    else:
        out.print(f"{frames} frames with {n_molecules} molecules in {out_folder}")


@command(app, "train", "deepsmlm train experiment.yaml --out runs/a --minutes 30")
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
    finished, best = None, None
    with _progress("Training") as show, _stop_on_ctrl_c(trainer.stop):
        for event in trainer.run(resume=resume):
            if isinstance(event, StepDone):
                show(event.progress, 1.0, f"step {event.step}, loss {event.loss:.3g}")
            elif isinstance(event, Validated):
                best = event.loss if event.is_best else best
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
        _print_json(summary)
    else:
        out.print(f"{finished.reason}: {finished.step} steps; best model {finished.model_path}")


@command(app, "reconstruct", "deepsmlm reconstruct stack.tif --model deep-storm --out result")
def reconstruct(
    stack: Annotated[list[Path], typer.Argument(help="Stack; several files: one series in time.")],
    out_folder: OutFolder,
    model: Annotated[str, typer.Option(help="Network, built-in model or file.")] = "deep-storm",
    sum_frames: Annotated[int, typer.Option(min=1, help="Frames summed per input.")] = 1,
    pixel_size: Annotated[
        float | None, typer.Option(help="Camera pixel, nm; default: what the file says.")
    ] = None,
    upsampling: Annotated[
        int | None,
        typer.Option(help="Image pixels per camera pixel; default: the model's own, or 8."),
    ] = None,
    camera: Annotated[
        str | None,
        typer.Option(help="Camera: a preset, as scmos-qe95, or YAML of a camera or experiment."),
    ] = None,
    baseline: Annotated[
        float | None, typer.Option(help="Instead of --camera: its offset, ADU.")
    ] = None,
    photons_per_adu: Annotated[
        float | None, typer.Option(help="Instead of --camera: photons per ADU above --baseline.")
    ] = None,
    frames: Annotated[
        str | None, typer.Option(help="A:B, counted from 0, B not included; e.g. 0:500 or 100:.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, fp32, bf16.")] = "auto",
    threshold: Annotated[
        float | None, typer.Option(help="Least probability of a localization, 0 to 1.")
    ] = None,
    window: Annotated[
        int | None, typer.Option(min=1, help="Frames per image: a time-lapse instead of one.")
    ] = None,
    registration: Annotated[
        str | None, typer.Option(help="Planes file (.yaml) of a calibration: align the planes.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Reconstruct a stack: image, molecules and report. Ctrl-C keeps what is done.

    Networks that state photons and precision need to know the camera: --camera, or --baseline
    with --photons-per-adu (electrons per ADU / (EM gain x quantum efficiency)).
    """
    from napari_deepsmlm.reconstruction import (
        Finished,
        Prepared,
        Progress,
        ReconstructJob,
        ReconstructOptions,
    )

    options = ReconstructOptions.from_dict(
        {
            "model": model,
            "sum_frames": sum_frames,
            "pixel_size_nm": pixel_size,
            "upsampling": upsampling,
            "frame_range": _frame_range(frames),
            "device": device,
            "precision": precision,
            "threshold": threshold,
            "window": window,
            "camera": _camera(camera, baseline, photons_per_adu),
            "registration": registration,
        },
        source="options",
    )
    job = ReconstructJob(stack[0] if len(stack) == 1 else stack, options, out=out_folder)
    report: dict[str, Any] = {}
    with _progress("Reconstructing") as show, _stop_on_ctrl_c(job.stop):
        for event in job.run():
            if isinstance(event, Prepared):
                err.print(f"{event.model} on {event.device}, {event.precision} ({event.reason})")
            elif isinstance(event, Progress):
                speed = f"{event.frames_per_second:.1f} frames/s"
                show(event.frames_done, event.n_frames, speed)
            elif isinstance(event, Finished):
                report = event.result.report
    for warning in report["warnings"]:
        err.print(f"[yellow]warning:[/] {warning}", soft_wrap=True)
    if as_json:
        _print_json(report)
        return
    out.print(
        f"{report['frames']} frames in {report['seconds']:.1f} s "
        f"({report['frames_per_second']:.1f} frames/s): "
        f"{report['quality']['molecules']:.0f} molecules in the image, "
        f"{report['localizations']} localizations; in {out_folder}"
    )


@command(app, "evaluate", "deepsmlm evaluate result/reconstruction.tif --truth localizations.csv")
def evaluate(
    prediction: Annotated[Path, typer.Argument(help="Image (.tif) or localizations (.csv).")],
    truth: Annotated[Path, typer.Option(help="True molecules (.csv); for an image also a .tif.")],
    pixel_size: Annotated[
        float | None,
        typer.Option(help="Pixel of the image or of --stack-shape, nm; default: what a file says."),
    ] = None,
    blur: Annotated[
        float, typer.Option(help="Images: blur both by this sigma, in image pixels.")
    ] = 0.0,
    tolerance: Annotated[float, typer.Option(help="Localizations: lateral tolerance, nm.")] = 250.0,
    axial_tolerance: Annotated[
        float, typer.Option(help="Localizations: axial tolerance, nm.")
    ] = 500.0,
    min_photons: Annotated[
        float, typer.Option(help="True molecules with as many photons or fewer do not count.")
    ] = 0.0,
    border: Annotated[
        float, typer.Option(help="Leave out molecules this near to the border, nm.")
    ] = 0.0,
    stack_shape: Annotated[
        str | None, typer.Option(help="Frames as ROWSxCOLUMNS; default: box around the truth.")
    ] = None,
    method: Annotated[str, typer.Option(help="Matching: greedy (the challenge), optimal.")] = (
        "greedy"
    ),
    by: Annotated[str | None, typer.Option(help="Scores by frame, density or z, in --out.")] = None,
    out_folder: Annotated[Path | None, typer.Option("--out", help="For table and plot.")] = None,
    experiment: Annotated[
        str | None, typer.Option(help="File or preset of the frames: bounds of the error in --out.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Compare a prediction with true molecules: NMSE of images, Jaccard and RMSE of tables."""
    from napari_deepsmlm.evaluation import EvaluateOptions, evaluate_files
    from napari_deepsmlm.experiment import Experiment

    values = {
        "pixel_size_nm": pixel_size,
        "blur_sigma_px": blur,
        "lateral_nm": tolerance,
        "axial_nm": axial_tolerance,
        "least_photons": min_photons,
        "border_nm": border,
        "stack_shape": _stack_shape(stack_shape),
        "method": method,
        "by": by,
    }
    options = EvaluateOptions.from_dict(values, source="options")
    known = None if experiment is None else Experiment.find(experiment)
    optics = None if known is None else (known.psf, known.camera)
    scores, remarks = evaluate_files(prediction, truth, options, out=out_folder, optics=optics)
    for remark in remarks:
        err.print(f"[yellow]warning:[/] {remark}", soft_wrap=True)
    if as_json:
        _print_json({k: value if math.isfinite(value) else None for k, value in scores.items()})
        return
    table = Table("measure", "value")
    for name, value in scores.items():
        table.add_row(name, str(value) if isinstance(value, int) else f"{value:.4g}")
    out.print(table)


@command(app, "calibrate", "deepsmlm calibrate beads.tif --z-step 50 --out psf.safetensors")
def calibrate(
    beads: Annotated[
        list[Path], typer.Argument(help="Bead z-stacks; the beads of all files are averaged.")
    ],
    z_step: Annotated[float, typer.Option(help="Distance between two images, nm.")],
    out_file: Annotated[Path, typer.Option("--out", help="PSF to write, .safetensors.")],
    pixel_size: Annotated[
        float | None, typer.Option(help="Camera pixel, nm; default: what the file says.")
    ] = None,
    planes: Annotated[
        int, typer.Option(min=1, help="Every N files, in this order, are the planes of a stack.")
    ] = 1,
    window: Annotated[int, typer.Option(help="Side of the PSF, camera pixels, odd.")] = 25,
    optics: Annotated[
        str | None,
        typer.Option(help="Fit Zernike coefficients: a pupil preset, as tetrapod-3um, or a file."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Make a PSF from bead z-stacks, with its fit (.yaml) and a picture (.png) beside it."""
    from napari_deepsmlm.calibration import calibrate_files

    report = calibrate_files(
        beads,
        out_file,
        z_step_nm=z_step,
        pixel_size_nm=pixel_size,
        n_planes=planes,
        window_px=window,
        optics=optics,
    )
    for warning in report["warnings"]:
        err.print(f"[yellow]warning:[/] {warning}", soft_wrap=True)
    if as_json:
        _print_json(report)
        return
    low, high = report["z_range_nm"]
    plane = report["planes"][0]
    out.print(
        f"Beads: {report['n_beads']}; planes: {report['n_planes']}; "
        f"z from {low:.0f} to {high:.0f} nm; "
        f"in focus σ x {plane['sigma_x_nm']:.0f} nm and σ y {plane['sigma_y_nm']:.0f} nm.",
        soft_wrap=True,
    )
    for name, path in report["files"].items():
        out.print(f"  {name:8} {path}", highlight=False, soft_wrap=True)


@command(app, "doctor", "deepsmlm doctor")
def doctor(as_json: JsonFlag = False) -> None:
    """Say what works on this machine, and what to do about the rest."""
    from napari_deepsmlm.doctor import examine

    checks = examine()
    if as_json:
        _print_json({check.name: check._asdict() for check in checks})
        return
    table = Table("", "what", "found", "what to do")
    for check in checks:
        table.add_row("[green]ok[/]" if check.is_ok else "[red]no[/]", *check[:1], *check[2:])
    out.print(table)


@command(models_app, "list", "deepsmlm models list")
def list_models(as_json: JsonFlag = False) -> None:
    """List the built-in models and the networks that can be trained."""
    from napari_deepsmlm.models import available_models, built_in_models, read_card

    cards = {name: read_card(path) for name, path in built_in_models().items()}
    networks = available_models()
    if as_json:
        _print_json({"built_in": [_info(n, c) for n, c in cards.items()], "networks": [*networks]})
        return
    table = Table("built-in model", "pixel nm", "upsampling", "trained on")
    for name, card in cards.items():
        info = _info(name, card)
        upsampling = str(card["config"].get("upsampling", ""))
        table.add_row(name, f"{info['pixel_size_nm']:g}", upsampling, info["trained_on"])
    out.print(table)
    out.print("Networks to train: " + ", ".join(sorted(networks)))


@command(models_app, "info", "deepsmlm models info deep-storm")
def model_info(
    name: Annotated[str, typer.Argument(help="Built-in model, network or file.")],
    as_json: JsonFlag = False,
) -> None:
    """Say what a model is, what it was trained on and how good it is."""
    from napari_deepsmlm.models import find_model

    found = find_model(name)
    info = _info(found.name, found.card, parameters=found.load().n_parameters)
    if as_json:
        _print_json(info)
        return
    table = Table("field", "value", show_header=False)
    for key, value in info.items():
        text = value if isinstance(value, str) else json.dumps(value, indent=1)
        table.add_row(key, text)
    out.print(table)


# -- helpers -------------------------------------------------------------------------------


def _info(name: str, card: dict[str, Any], parameters: int | None = None) -> dict[str, Any]:
    experiment = card.get("experiment", {})
    return {
        "name": name,
        "network": card["network"],
        **({} if parameters is None else {"parameters": parameters}),
        "pixel_size_nm": card["config"]["pixel_size_nm"],
        "psf": experiment.get("psf"),
        "trained_on": card.get("trained_on", "simulated frames"),
        "training_record": card.get("training_record", {}),
        "metrics": card.get("metrics", {}),
    }


def _frame_range(text: str | None) -> tuple[int, int | None]:
    if text is None:
        return 0, None
    first, colon, last = text.partition(":")
    try:
        start, stop = int(first or 0), int(last) if last else None
    except ValueError:
        colon = ""
    if not colon:
        raise ValueError(f"--frames takes A:B with whole numbers, such as 0:500; got '{text}'.")
    return start, stop


def _stack_shape(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    sides = text.lower().replace(",", "x").split("x")
    if len(sides) != 2 or not all(side.strip().isdecimal() and int(side) for side in sides):
        raise ValueError(f"--stack-shape takes ROWSxCOLUMNS, such as 64x64; got '{text}'.")
    return int(sides[0]), int(sides[1])


def _camera(camera: str | None, baseline: float | None, photons_per_adu: float | None) -> Any:
    """Return the camera of a name, of a file, or of its offset and gain; None if none is given."""
    from napari_deepsmlm.camera import IdealCamera, find_camera

    is_stated = (baseline is not None, photons_per_adu is not None)
    if camera is not None and any(is_stated):
        raise ValueError("Give --camera, or --baseline and --photons-per-adu, not both.")
    if camera is not None:
        return find_camera(camera)
    if baseline is None or photons_per_adu is None:
        if any(is_stated):
            raise ValueError("--baseline and --photons-per-adu belong together; give both.")
        return None
    if not photons_per_adu > 0:
        raise ValueError(f"--photons-per-adu must be above 0, got {photons_per_adu:g}.")
    values = {"baseline": baseline, "gain": 1 / photons_per_adu}
    return IdealCamera.from_dict(values, source="--baseline, --photons-per-adu")


@contextmanager
def _progress(what: str) -> Iterator[Callable[..., None]]:
    """Show a bar on a terminal; yields a function of (done, total, remark)."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[remark]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, disable=not err.is_terminal, transient=True) as bar:
        task = bar.add_task(what, total=None, remark="")

        def show(done: float, total: float, remark: str = "") -> None:
            bar.update(task, completed=done, total=total, remark=remark)

        yield show


@contextmanager
def _stop_on_ctrl_c(stop: Callable[[], None]) -> Iterator[None]:
    """The first Ctrl-C (or SIGTERM) asks the job to end and save, the second interrupts it."""

    def ask(number: int, frame: Any) -> None:
        err.print("Stopping and saving; once more to interrupt.")
        for which in previous:
            signal.signal(which, signal.default_int_handler)
        stop()

    previous = {which: signal.signal(which, ask) for which in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for which, handler in previous.items():
            signal.signal(which, handler)


def _print_json(values: Any) -> None:
    sys.stdout.write(json.dumps(values, indent=2, allow_nan=False) + "\n")


def _one_line(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}."
    return " ".join(str(error).split()) or type(error).__name__


def _exit(message: str, code: int) -> typer.Exit:
    err.print(f"[red]error:[/] {message}", soft_wrap=True, highlight=False, markup=True)
    return typer.Exit(code)


if __name__ == "__main__":
    main()
