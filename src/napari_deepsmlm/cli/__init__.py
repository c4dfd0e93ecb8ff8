"""Command line: each command is a file here, a few lines over the library."""

from __future__ import annotations

import logging
from importlib.metadata import version
from typing import Annotated

import typer

from napari_deepsmlm._devices import share_one_heap
from napari_deepsmlm.cli import (
    batch,
    benchmark,
    calibrate,
    cluster,
    demo,
    doctor,
    drift,
    estimate,
    evaluate,
    limits,
    link,
    models,
    movie,
    profile,
    quality,
    reconstruct,
    reproduce,
    simulate,
    tables,
    train,
    trust,
)
from napari_deepsmlm.cli._console import add_command, out

app = typer.Typer(
    name="deepsmlm",
    help="Deep-learning super-resolution of blinking (SMLM) stacks.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _say_version(is_asked: bool) -> None:
    if is_asked:
        out.print(f"napari-deepsmlm {version('napari-deepsmlm')}", highlight=False)
        raise typer.Exit


@app.callback(help=app.info.help)
def every_command(
    _: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_say_version, help="Say which version this is."
        ),
    ] = False,
) -> None:
    """Take what stands before the name of a command."""


models_app = typer.Typer(help="The models at hand.", no_args_is_help=True)
app.add_typer(models_app, name="models")

# In the order of `deepsmlm --help`; the example ends the help of its command.
add_command(app, "demo", demo.demo, "deepsmlm demo --out demo")
add_command(
    app,
    "simulate",
    simulate.simulate,
    "deepsmlm simulate experiment.yaml --out sim --frames 500 --seed 1",
)
add_command(app, "train", train.train, "deepsmlm train experiment.yaml --out runs/a --minutes 30")
add_command(
    app,
    "reconstruct",
    reconstruct.reconstruct,
    "deepsmlm reconstruct stack.tif --model deep-storm --out result",
)
add_command(
    app,
    "batch",
    batch.batch,
    "deepsmlm batch 'day*/cell_*.tif' --out results --model dilated-loc --sr-pixel 10",
)
add_command(
    app,
    "evaluate",
    evaluate.evaluate,
    "deepsmlm evaluate result/reconstruction.tif --truth localizations.csv",
)
add_command(
    app,
    "profile",
    profile.profile,
    "deepsmlm profile result/reconstruction.tif --line 40,12,40,60 --width 5 --model gauss",
)
add_command(
    app,
    "estimate",
    estimate.estimate,
    "deepsmlm estimate stack.tif --pixel-size 100 --out experiment.yaml",
)
add_command(
    app,
    "calibrate",
    calibrate.calibrate,
    "deepsmlm calibrate beads.tif --z-step 50 --out psf.safetensors",
)
add_command(
    app,
    "filter",
    tables.filter_table,
    'deepsmlm filter locs.csv --where "uncertainty_xy < 30 & intensity > 500" --out good.csv',
)
add_command(
    app,
    "drift",
    drift.drift,
    "deepsmlm drift locs.csv --out still.csv --curve drift.csv",
)
add_command(app, "link", link.link, "deepsmlm link still.csv --out molecules.csv")
add_command(
    app,
    "cluster",
    cluster.cluster,
    "deepsmlm cluster molecules.csv --out clustered.csv --radius 40 --table clusters.csv",
)
add_command(
    app,
    "render",
    tables.render,
    "deepsmlm render locs.csv --out image.tif --sr-pixel 10 --kind gaussian --color-by z",
)
add_command(
    app,
    "movie",
    movie.movie,
    "deepsmlm movie locs.csv --window 500 --step 100 --out cell.gif",
)
add_command(
    app,
    "convert",
    tables.convert,
    "deepsmlm convert locs.csv --out locs.hdf5 --pixel-size 100",
)
add_command(
    app,
    "quality",
    quality.quality,
    "deepsmlm quality result/localizations.csv --reference stack.tif --out quality",
)
add_command(
    app,
    "limits",
    limits.limits,
    "deepsmlm limits dilated-loc:2d --out limits --densities 0.5,2 --photons 1000,5000",
)
add_command(
    app,
    "reproduce",
    reproduce.reproduce,
    "deepsmlm reproduce deep-storm:line-width --out reproduced",
)
add_command(app, "benchmark", benchmark.benchmark, "deepsmlm benchmark dilated-loc --quick")
add_command(
    app,
    "trust",
    trust.trust,
    "deepsmlm trust result/localizations.csv --frames stack.tif --out result",
)
add_command(app, "doctor", doctor.doctor, "deepsmlm doctor")
add_command(models_app, "list", models.list_models, "deepsmlm models list")
add_command(models_app, "info", models.model_info, "deepsmlm models info deep-storm")
add_command(
    models_app,
    "export",
    models.export_model,
    "deepsmlm models export deep-storm:2d-100nm --format onnx --out deep-storm.onnx",
)
add_command(
    models_app,
    "import",
    models.import_model,
    "deepsmlm models import deep-storm.zip --name deep-storm:colleague",
)
add_command(
    models_app,
    "folder",
    models.show_models_folder,
    "deepsmlm models folder /mnt/lab/models",
)


def main() -> None:
    """Run the command line."""
    share_one_heap()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    app()
