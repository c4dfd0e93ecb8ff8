"""`deepsmlm limits`: where a model works, beside the Cramér-Rao bound."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from napari_deepsmlm.cli._console import out, print_json, print_warnings, progress
from napari_deepsmlm.cli._options import JsonFlag, OutFolder


def limits(
    what: Annotated[
        str, typer.Argument(metavar="MODEL|EXPERIMENT", help="Model, or YAML or preset.")
    ],
    out_folder: OutFolder,
    densities: Annotated[
        str | None, typer.Option(help="Molecules per µm² and frame, as 0.1,1,4.")
    ] = None,
    photons: Annotated[str | None, typer.Option(help="Photons of a molecule, as 500,5000.")] = None,
    backgrounds: Annotated[
        str | None, typer.Option(help="Background photons per pixel, as 10,50.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Model to try on an experiment; default: of its network.")
    ] = None,
    molecules: Annotated[
        int | None, typer.Option(help="True molecules of each condition, about.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the simulated frames.")] = 0,
    as_json: JsonFlag = False,
) -> None:
    """Try a model on simulated frames: Jaccard, precision, recall, error, and the bound."""
    from napari_deepsmlm.limits import LimitOptions, find_tried, measure_limits, write_limits

    given: dict[str, Any] = {
        "densities": _numbers("--densities", densities),
        "photons": _numbers("--photons", photons),
        "backgrounds": _numbers("--backgrounds", backgrounds),
        "molecules": molecules,
        "seed": seed,
    }
    given = {name: value for name, value in given.items() if value is not None}
    options = LimitOptions.from_dict(given, source="options")
    tried = find_tried(what, model)
    print_warnings(tried.remarks)
    with progress("Conditions") as show:
        for event in measure_limits(tried, options):
            show(*event[:2])
    found = event[2]
    assert found is not None  # noqa: S101 - the last event holds it
    files = write_limits(out_folder, found)
    if as_json:
        rows = found.table.to_dict("records")
        print_json({"model": tried.name, "conditions": rows, "files": [str(f) for f in files]})
        return
    best = found.table.sort_values("efficiency_lateral", na_position="first").iloc[-1]
    out.print(
        f"{tried.name}, {len(found.table)} conditions: best at {best['density_per_um2']:g} per "
        f"µm², {best['photons']:g} photons, background {best['background']:g}: Jaccard "
        f"{best['jaccard']:.2f}, lateral error {best['rmse_lateral_nm']:.1f} nm (bound "
        f"{best['crlb_lateral_nm']:.1f}). {files[-1]}",
        highlight=False,
        soft_wrap=True,
    )


def _numbers(option: str, text: str | None) -> list[float] | None:
    if text is None:
        return None
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"{option} takes numbers with commas, as 0.5,1,2; got '{text}'.") from None
