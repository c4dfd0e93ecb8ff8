"""Limits of built-in models: density x brightness x background, beside the Cramer-Rao bound.

    python benchmarks/limits.py [MODEL...] [--molecules 150]
    python benchmarks/limits.py --page docs/limits.md

The first is `deepsmlm limits MODEL` for each model: its tables go to `benchmarks/results/limits/`,
its picture to `docs/images/limits/`. The second makes the page of the documentation and the
pictures from the tables that are there.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path

import pandas as pd

from napari_deepsmlm.limits import (
    LimitOptions,
    Limits,
    find_tried,
    limits_figure,
    measure_limits,
    write_limits,
)

ROOT = Path(__file__).parent.parent
RESULTS, PICTURES = ROOT / "benchmarks/results/limits", ROOT / "docs/images/limits"
WORKS_JACCARD = 0.8
MODELS = (
    *("dilated-loc:2d", "deep-storm:2d", "dilated-loc:2d-100nm", "deep-storm:2d-100nm"),
    *("dilated-loc:astigmatic-100nm", "voxel-regression:quad-plane-192nm"),
)
HEAD = """# Limits of the built-in models

Down to which brightness and up to which density the built-in models work, beside the Cramér-Rao
bound. Every picture is that of `deepsmlm limits MODEL`: frames are simulated on the microscope that
the model was trained for (a model for any microscope: on a usual one), with {densities} molecules
per frame and µm², {photons} photons each and {backgrounds} background photons per pixel, about
{molecules} molecules for each condition. What is found is matched with the truth by the rules of
the SMLM Challenge. With so few molecules a Jaccard index is certain to about 0.03, an error to
about a tenth. For microscopes that a model was not trained for see [any microscope](conditions.md).

The bound is that of lone molecules: crowded ones cannot reach it. Image networks, which draw a
picture, are judged by the molecules that are read from it. DRSN-STORM, which reads sums of frames,
is on the page of [any microscope](conditions.md) instead, and the three models for phase masks are
beside their [paper](reproduction.md#dilatedloc). This page is made by `python
benchmarks/limits.py`; `deepsmlm limits` does the same for a model or a microscope of yours, and in
napari the tab *Limits* of [Quality](quality.md) for the model chosen there.

At {all_photons} photons on a background of {dark:g}, in molecules per frame and µm² (where a
model is worse for sparse molecules than for dense ones, precision and recall below tell why):

| model | Jaccard index {works:g} or better | lateral error there | error of sparse ones / bound |
| --- | --- | --- | --- |
"""


def main() -> None:
    """Measure models, or make the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", help="default: those that read single frames")
    parser.add_argument("--molecules", type=int, default=150, help="of each condition, about")
    parser.add_argument("--page", type=Path, help="make the page from what was measured")
    chosen = parser.parse_args()
    if chosen.page:
        chosen.page.write_text(page(), "utf-8")
        for name in _measured():
            _draw(name)
        return
    for name in chosen.models or MODELS:
        measure(name, LimitOptions(molecules=chosen.molecules))


def measure(name: str, options: LimitOptions) -> None:
    """Write tables and picture of a model."""
    began = time.process_time()
    *_, (_, _, found) = measure_limits(find_tried(name), options)
    assert found is not None
    with tempfile.TemporaryDirectory() as folder:
        for path in write_limits(folder, found):
            to = PICTURES if path.suffix == ".png" else RESULTS
            to.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, to / path.name.replace("limits", file_name(name)))
    print(f"{name}: {time.process_time() - began:.0f} s of the processor", flush=True)


def file_name(model: str) -> str:
    """Return a model's name without what files may not have."""
    return model.replace(":", "_")


def page() -> str:
    """Return the page, with the models that were measured."""
    tables = {name: _table(name) for name in _measured()}
    every = pd.concat(tables.values())
    dark = every["background"].min()
    text = HEAD.format(
        densities=_range(every["density_per_um2"]),
        photons=_range(every["photons"]),
        backgrounds=_range(every["background"]),
        molecules=LimitOptions().molecules,
        works=WORKS_JACCARD,
        all_photons=" / ".join(f"{n:,.0f}" for n in sorted(set(every["photons"]))),
        dark=dark,
    )
    for name, table in tables.items():
        text += _line(name, table[table["background"] == dark])
    for name, table in tables.items():
        text += _part(name, table)
    return text


def _measured() -> list[str]:
    return [name for name in MODELS if (RESULTS / f"{file_name(name)}.csv").is_file()]


def _table(name: str, ending: str = "") -> pd.DataFrame:
    return pd.read_csv(RESULTS / f"{file_name(name)}{ending}.csv")


def _draw(name: str) -> None:
    """Draw a model's picture from its tables."""
    has_depth = (RESULTS / f"{file_name(name)}_depth.csv").is_file()
    depth = _table(name, "_depth") if has_depth else None
    figure = limits_figure(Limits(find_tried(name), _table(name), depth))
    figure.savefig(PICTURES / f"{file_name(name)}.png", dpi=100)


def _range(column: pd.Series) -> str:
    low, high = column.min(), column.max()
    return f"{low:g}" if low == high else f"{low:g} to {high:,g}"


def _line(name: str, table: pd.DataFrame) -> str:
    """Return what is said of a model at a glance, dim to bright."""
    most, errors, ratios = [], [], []
    for _, part in table.groupby("photons"):
        part = part.sort_values("density_per_um2")
        works = part[part["jaccard"] >= WORKS_JACCARD]
        most.append(_range(works["density_per_um2"]) if len(works) else "none")
        errors.append(f"{works['rmse_lateral_nm'].iloc[-1]:.0f}" if len(works) else "-")
        sparse = part.iloc[0]
        ratios.append(f"{sparse['rmse_lateral_nm'] / sparse['crlb_lateral_nm']:.1f}")
    shown = (" / ".join(values) for values in (most, errors, ratios))
    most_words, error_words, ratio_words = shown
    return f"| {name} | {most_words} | {error_words} nm | {ratio_words} |\n"


def _part(name: str, table: pd.DataFrame) -> str:
    """Return a model's section: its picture and Jaccard with error of each condition."""
    densities = sorted(set(table["density_per_um2"]))
    text = f"\n## {name}\n\n![Scores of {name} over density](images/limits/{file_name(name)}.png)\n"
    text += "\nJaccard index / lateral error in nm, by molecules per frame and µm²:\n\n"
    text += f"| photons, background | {' | '.join(f'{d:g}' for d in densities)} | bound |\n"
    text += "| --- |" + " --- |" * (len(densities) + 1) + "\n"
    for (photons, background), part in table.groupby(["photons", "background"]):
        part = part.set_index("density_per_um2")
        cells = [_cell(part.loc[density]) for density in densities]
        bound = part["crlb_lateral_nm"].iloc[0]
        text += f"| {photons:,g}, {background:g} | {' | '.join(cells)} | {bound:.1f} nm |\n"
    return text


def _cell(row: pd.Series) -> str:
    error = "" if pd.isna(row["rmse_lateral_nm"]) else f" / {row['rmse_lateral_nm']:.0f}"
    return f"{row['jaccard']:.2f}{error}"


if __name__ == "__main__":
    main()
