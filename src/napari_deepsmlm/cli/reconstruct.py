"""`deepsmlm reconstruct`: image, molecules and report of a stack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_deepsmlm._words import counted
from napari_deepsmlm.cli._adapting import adapted
from napari_deepsmlm.cli._console import (
    err,
    out,
    print_json,
    print_warnings,
    progress,
    stop_on_ctrl_c,
)
from napari_deepsmlm.cli._options import (
    Axes,
    Baseline,
    CameraChoice,
    Channel,
    FramePixelSize,
    FrameRange,
    JsonFlag,
    OutFolder,
    PhotonsPerAdu,
    Scheduler,
    Stacks,
    Workers,
    choose_camera,
    read_frame_range,
    read_region,
)

if TYPE_CHECKING:
    from pathlib import Path

    from napari_deepsmlm.reconstruction import ReconstructJob, Report


def reconstruct(
    stack: Stacks,
    out_folder: OutFolder,
    model: Annotated[str, typer.Option(help="Network, built-in model or file.")] = "deep-storm",
    sum_frames: Annotated[int, typer.Option(min=1, help="Frames summed per input.")] = 1,
    pixel_size: FramePixelSize = None,
    upsampling: Annotated[
        int | None,
        typer.Option(help="Image pixels per camera pixel; default: the model's own, or 8."),
    ] = None,
    camera: CameraChoice = None,
    baseline: Baseline = None,
    photons_per_adu: PhotonsPerAdu = None,
    frames: FrameRange = None,
    region: Annotated[
        str | None,
        typer.Option(
            help="Y0,X0,Y1,X1: only these rows and columns, pixels counted from 0, Y1 and X1 not "
            "included; positions still count from the corner of the whole frame."
        ),
    ] = None,
    device: Annotated[
        str,
        typer.Option(help="auto, cpu, cuda, cuda:1, mps; several as cuda:0,cuda:1 share frames."),
    ] = "auto",
    workers: Workers = None,
    scheduler: Scheduler = None,
    precision: Annotated[str, typer.Option(help="auto, fp32, bf16.")] = "auto",
    threshold: Annotated[
        float | None, typer.Option(help="Least probability of a localization, 0 to 1.")
    ] = None,
    window: Annotated[
        int | None, typer.Option(min=1, help="Frames per image: a time-lapse instead of one.")
    ] = None,
    step: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Frames from one image of --window to the next: windows that overlap, for what "
            "moves.",
        ),
    ] = None,
    registration: Annotated[
        str | None, typer.Option(help="Planes file (.yaml) of a calibration: align the planes.")
    ] = None,
    planes: Annotated[
        bool,
        typer.Option("--planes", help="Several files: focal planes in this order, not a series."),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace results that lie in --out.")
    ] = False,
    adapt: Annotated[
        float | None,
        typer.Option(
            metavar="MINUTES",
            help="First train the model this long on simulated frames like these; the better of "
            "the two reconstructs.",
        ),
    ] = None,
    trust: Annotated[
        bool,
        typer.Option(
            "--trust", help="Judge the result too, and write trust.html and trust.json beside it."
        ),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Go on with a warning where the result cannot be right.")
    ] = False,
    channel: Channel = None,
    axes: Axes = None,
    as_json: JsonFlag = False,
) -> None:
    """Reconstruct a stack: image, molecules and report. Ctrl-C keeps what is done.

    What cannot be, such as more light in the molecules than in the frames, stops the run after its
    first frames, and nothing is written; --force goes on.

    Networks that state photons and precision need to know the camera. It is found by itself, and
    what was found is said; --camera, or --baseline with --photons-per-adu (electrons per ADU /
    (EM gain x quantum efficiency)), says better.
    """
    from napari_deepsmlm.io import open_frames
    from napari_deepsmlm.reconstruction import (
        BrakeError,
        ReconstructJob,
        ReconstructOptions,
        adapt_options,
        refuse_results,
        remarks_of,
        with_adapted,
    )

    options = ReconstructOptions.from_dict(
        {
            "model": model,
            "sum_frames": sum_frames,
            "pixel_size_nm": pixel_size,
            "upsampling": upsampling,
            "frame_range": read_frame_range(frames),
            "region": read_region(region),
            "device": device,
            "workers": workers,
            "scheduler": scheduler,
            "precision": precision,
            "threshold": threshold,
            "window": window,
            "window_step": step,
            "camera": choose_camera(camera, baseline, photons_per_adu) or "auto",
            "registration": registration,
            "force": force,
            "channel": channel,
            "axes": axes,
        },
        source="options",
    )
    source: Any = stack[0] if len(stack) == 1 else stack
    if planes:
        source = open_frames(stack, as_planes=True)
    remarks: tuple[str, ...] = ()
    if adapt is not None:
        refuse_results(out_folder, None, overwrite=overwrite)  # before the minutes are spent
        done = adapted(source, adapt_options(options, adapt))
        options, remarks = with_adapted(options, done), remarks_of(done)
    job = ReconstructJob(source, options, out=out_folder, remarks=remarks, overwrite=overwrite)
    try:
        report = _run(job)
    except BrakeError as error:
        print_warnings(error.warnings)  # they may be why
        raise
    print_warnings(report.warnings)
    if not report.frames:
        raise KeyboardInterrupt  # stopped before there was anything
    verdict = _judge(out_folder, source, options.pixel_size_nm) if trust else None
    if as_json:
        print_json({**report.to_json(), **({} if verdict is None else {"trust": verdict})})
    else:
        _tell(report, verdict, out_folder)
    if report.problem:
        raise OSError(f"Not all frames were done; what was done until then is in {out_folder}.")


def _run(job: ReconstructJob) -> Report:
    """Run the job, telling on stderr how far it is, and return its report."""
    from napari_deepsmlm.reconstruction import Finished, Prepared, Progress

    report: Report | None = None
    with progress("Reconstructing") as show, stop_on_ctrl_c(job.stop):
        for event in job.run():
            if isinstance(event, Prepared):
                err.print(f"{event.model} on {event.device}, {event.precision} ({event.reason})")
                err.print(event.camera.in_words(), soft_wrap=True, highlight=False)
            elif isinstance(event, Progress):
                speed = f"{event.frames_per_second:.1f} frames/s"
                show(event.frames_done, event.n_frames, speed)
            elif isinstance(event, Finished):
                report = event.result.report
    assert report is not None  # noqa: S101 - the last event of every job has it
    return report


def _tell(report: Report, verdict: dict[str, Any] | None, folder: Path) -> None:
    out.print(
        f"{counted(report.frames, 'frame')} in {report.seconds:.1f} s "
        f"({report.frames_per_second:.1f} frames/s): "
        f"{counted(round(report.quality.molecules), 'molecule')} in the image, "
        f"{counted(report.localizations, 'localization')}; in {folder}"
    )
    if verdict is not None:
        out.print(verdict["sentence"], highlight=False, markup=False, soft_wrap=True)


def _judge(folder: Path, source: Any, pixel_size_nm: float | None) -> dict[str, Any]:
    """Write the trust report of what lies in a folder; return it, or why there is none."""
    from napari_deepsmlm.io.result_files import TABLE_NAME
    from napari_deepsmlm.trust import trust_of, write_trust

    with err.status("Judging…"):
        try:
            found = trust_of(folder / TABLE_NAME, source, pixel_size_nm=pixel_size_nm)
        except ValueError as error:  # nothing was found, say: the result is there all the same
            return {"sentence": f"Not judged: {error}"}
        write_trust(folder, found)
    return found.report()
