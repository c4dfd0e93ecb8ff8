"""`deepsmlm limits`: where a model works, beside the Cramér-Rao bound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from napari_deepsmlm.cli._console import out, print_json, print_warnings, progress
from napari_deepsmlm.cli._options import JsonFlag, OutFolder

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from napari_deepsmlm.limits import Tried

Found = TypeVar("Found")


def limits(
    what: Annotated[
        str, typer.Argument(metavar="MODEL|EXPERIMENT", help="Model, or YAML or preset.")
    ],
    out_folder: OutFolder,
    densities: Annotated[
        str | None, typer.Option(help="Molecules per frame and µm², 0.001 to 100, as 0.1,1,4.")
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
    speeds: Annotated[
        str | None,
        typer.Option(
            help="nm per frame, as 0,5,20,50: which window suits what moves, instead of the "
            "conditions above."
        ),
    ] = None,
    windows: Annotated[
        str | None, typer.Option(help="Of --speeds: frames per image, as 10,20,50,100,200.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the simulated frames.")] = 0,
    as_json: JsonFlag = False,
) -> None:
    """Try a model on simulated frames: Jaccard, precision, recall, error, and the bound."""
    from napari_deepsmlm.limits import LimitOptions, find_tried, measure_limits, write_limits

    if speeds is not None or windows is not None:
        _refuse_grid(densities=densities, molecules=molecules)
        light = {"photons": photons, "background": backgrounds}
        return _live(find_tried(what, model), out_folder, speeds, windows, light, seed, as_json)
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
    found = _measured("Conditions", measure_limits(tried, options))
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


def _refuse_grid(**options: Any) -> None:
    for name, value in options.items():
        if value is not None:
            raise ValueError(f"--{name} belongs to the conditions without movement: leave it out.")


def _live(
    tried: Tried,
    out_folder: Path,
    speeds: str | None,
    windows: str | None,
    light: dict[str, str | None],
    seed: int,
    as_json: bool,
) -> None:
    from napari_deepsmlm.limits import LiveOptions, measure_live, write_live

    given: dict[str, Any] = {
        "speeds_nm": _numbers("--speeds", speeds),
        "windows": _numbers("--windows", windows),
        "seed": seed,
    }
    for name, text in light.items():
        values = _numbers(f"--{name}", text)
        if values is not None and len(values) > 1:
            raise ValueError(f"--speeds takes one value of --{name}, got '{text}'.")
        given[name] = None if values is None else values[0]
    options = LiveOptions.from_dict(
        {name: value for name, value in given.items() if value is not None}, source="options"
    )
    print_warnings(tried.remarks)
    found = _measured("Speeds", measure_live(tried, options))
    files = write_live(out_folder, found)
    if as_json:
        rows = found.table.to_dict("records")
        print_json({"model": tried.name, "windows": rows, "files": [str(f) for f in files]})
        return
    for row in found.best().to_dict("records"):
        out.print(
            f"{row['speed_nm']:g} nm per frame: {row['window_frames']} frames per image, error "
            f"{row['nmse_percent']:.0f} %, {row['distance_nm'] or float('nan'):.0f} nm from the "
            "structure",
            highlight=False,
        )
    out.print(str(files[-1]), highlight=False, soft_wrap=True)


def _measured(words: str, events: Iterable[tuple[int, int, Found | None]]) -> Found:
    """Return what the last event holds, and show how far it is until then."""
    found: Found | None = None
    with progress(words) as show:
        for n_done, n_all, measured in events:
            show(n_done, n_all)
            found = measured
    assert found is not None  # noqa: S101 - the last event holds it
    return found


def _numbers(option: str, text: str | None) -> list[float] | None:
    if text is None:
        return None
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"{option} takes numbers with commas, as 0.5,1,2; got '{text}'.") from None
