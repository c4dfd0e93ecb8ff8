"""`deepsmlm benchmark`: how fast the networks are on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from napari_deepsmlm.cli._console import err, out, print_json, progress
from napari_deepsmlm.cli._options import JsonFlag

QUICK_ROUNDS, QUICK_SECONDS, QUICK_FRAMES = 1, 5.0, 8


def benchmark(
    networks: Annotated[
        list[str] | None, typer.Argument(help="Networks or built-in models; default: all networks.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    precision: Annotated[
        list[str] | None, typer.Option(help="auto, fp32, bf16; may be repeated.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Medians of so many rounds.")] = 3,
    frames: Annotated[int, typer.Option(min=1, help="Frames of 64 x 64 of the pipeline.")] = 32,
    seconds: Annotated[
        float, typer.Option(min=1, help="No further round of a network after so many seconds.")
    ] = 30.0,
    quick: Annotated[bool, typer.Option("--quick", help="One round of few frames.")] = False,
    threads: Annotated[
        list[int] | None, typer.Option(min=1, help="Also with so many threads; may be repeated.")
    ] = None,
    workers: Annotated[
        list[int] | None, typer.Option(min=1, help="Also with so many processes; may be repeated.")
    ] = None,
    side: Annotated[
        list[int] | None, typer.Option(min=16, help="Also frames of so many pixels squared.")
    ] = None,
    molecules: Annotated[
        list[int] | None, typer.Option(min=0, help="Also so many molecules in 64 x 64 pixels.")
    ] = None,
    length: Annotated[
        list[int] | None, typer.Option(min=1, help="Also movies of so many frames.")
    ] = None,
    out_folder: Annotated[
        Path | None, typer.Option("--out", help="Folder for benchmark.csv and benchmark.png.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Measure each network on frames with 200 molecules, in turn with the published one.

    Published: the paper's network, run plainly in single precision, with the same weights. Ours is
    the network rearranged for speed, and its decoding. The pipeline reads, predicts, decodes and
    adds up images; its efficiency is its speed over that of the bare network.
    """
    from napari_deepsmlm.benchmark import BenchmarkOptions, run_benchmark
    from napari_deepsmlm.benchmark.writing import names_of, write_speeds

    options = BenchmarkOptions.from_dict(
        {
            "networks": tuple(networks or ()),
            "device": device,
            "precisions": tuple(precision or ("auto",)),
            "rounds": QUICK_ROUNDS if quick else rounds,
            "seconds_each": QUICK_SECONDS if quick else seconds,
            "frames": QUICK_FRAMES if quick else frames,
            "threads": tuple(threads or ()),
            "workers": tuple(workers or ()),
            "sides": tuple(side or ()),
            "molecules": tuple(molecules or ()),
            "lengths": tuple(length or ()),
        },
        source="options",
    )
    measured = []
    with progress("Measuring") as show:
        for one in run_benchmark(options):
            measured.append(one)
            show(one.n_done, one.n_runs, one.speed.network)
    if out_folder is not None:
        write_speeds(measured, out_folder)
    named = list(zip(names_of(measured), [one.speed for one in measured], strict=True))
    if as_json:
        plain = {name: speed.model_dump(mode="json") for name, speed in named}
        print_json({"machine": measured[0].machine, "networks": plain})
        return
    for machine in {one.machine["precision"]: one.machine for one in measured}.values():
        err.print(
            f"{machine['device']} ({machine['name']}), {machine['threads']} threads, "
            f"{machine['precision']}, {machine['peak_gflops']:.0f} GFLOP/s at its peak"
        )
    table = Table("network", "ms, 64²", "published", "ms, 128²", "published", "frames/s", "share")
    for name, speed in named:
        table.add_row(
            name,
            f"{speed.ms_per_frame_64:.1f}",
            f"{speed.published_ms_per_frame_64:.1f}",
            f"{speed.ms_per_frame_128:.1f}",
            f"{speed.published_ms_per_frame_128:.1f}",
            f"{speed.pipeline_frames_per_second:.1f}",
            f"{speed.pipeline_efficiency:.2f}",
        )
    out.print(table)
