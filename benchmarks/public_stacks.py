"""What models make of public stacks, camera not stated: molecules, filaments, scores where known.

    python benchmarks/public_stacks.py FOLDER [--adapt MINUTES] [--page FILE] [--picture FILE]

FOLDER holds `microtubules_361x64x64.tif` (the bundled tubulin of the 2013 challenge as Deep-STORM
published it), `deepstorm_training_20x64x64.tif` with `deepstorm_training_positions.csv` (its
training stack) and `picasso_raw/testdata.raw` (a small DNA-PAINT movie).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import napari_deepsmlm as ds
from napari_deepsmlm.io import open_frames, read_localizations
from napari_deepsmlm.metrics import match
from napari_deepsmlm.profiles import fit_profile, line_profile
from napari_deepsmlm.render import gaussian

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_deepsmlm.reconstruction import Reconstruction

MODELS = ("dilated-loc:2d", "deep-storm:2d", "dilated-loc:2d-100nm", "deep-storm:2d-100nm")
ADAPTED = "dilated-loc:2d, adapted"
TUBULIN, PIXEL_NM = "microtubules_361x64x64.tif", 100.0
N_TRUE = 81_000
"""Molecules in its frames, by its makers."""
FILAMENTS_NM = {
    "filament 1": ((1140.0, 1950.0), (1540.0, 1950.0)),
    "filament 2": ((2604.0, 3976.0), (2916.0, 4224.0)),
    "filament 3": ((4970.0, 4200.0), (5370.0, 4200.0)),
}
"""(y, x) ends of lines across filaments that stand alone."""
ALONG_NM = 200.0
SR_NM = 12.5


def main() -> None:
    """Reconstruct, and print or write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--adapt", type=float, help="minutes; also adapt to the tubulin")
    parser.add_argument("--page", type=Path)
    parser.add_argument("--picture", type=Path)
    asked = parser.parse_args()
    tubulin = {name: run(asked.folder / TUBULIN, name) for name in MODELS}
    if asked.adapt is not None:
        tubulin[ADAPTED] = run(asked.folder / TUBULIN, MODELS[0], adapt=asked.adapt)
    tables = [tubulin_table(tubulin), scored(asked.folder), said(asked.folder)]
    print("\n\n".join(tables))
    if asked.picture is not None:
        draw(open_frames(asked.folder / TUBULIN), tubulin, asked.picture)
    if asked.page is not None:
        asked.page.write_text("\n\n".join(tables) + "\n", encoding="utf-8")


def run(
    path: Path, model: str, pixel_nm: float | None = PIXEL_NM, adapt: float | None = None
) -> Reconstruction:
    """Return what a person gets who states the pixel size only."""
    return ds.reconstruct(path, model, pixel_size_nm=pixel_nm, adapt=adapt)


def drawn(result: Reconstruction) -> np.ndarray[Any, Any]:
    """Return the image of a network that draws one, else its molecules drawn by their precision."""
    if result.report.model.network == "deep-storm":
        return result.image
    side = round(64 * PIXEL_NM / SR_NM)
    return np.asarray(gaussian(result.localizations, (side, side), sr_pixel_nm=SR_NM))


def tubulin_table(results: dict[str, Reconstruction]) -> str:
    """Return molecules and widths of filaments of each model."""
    lines = [_row(["model", "molecules in the table", "in the image", *FILAMENTS_NM])]
    lines.append(_row(["---", *["---:"] * (2 + len(FILAMENTS_NM))]))
    for name, result in results.items():
        image = drawn(result)
        pixel_nm = 64 * PIXEL_NM / image.shape[0]
        widths = []
        for ends in FILAMENTS_NM.values():
            fit = fit_profile(line_profile(image, ends, pixel_size_nm=pixel_nm, width_nm=ALONG_NM))
            widths.append(f"{fit.fwhm_nm:.0f} nm")
        own = f"{result.image.sum():,.0f}"
        lines.append(_row([f"`{name}`", f"{len(result.localizations):,}", own, *widths]))
    return "\n".join(lines)


def scored(folder: Path) -> str:
    """Return how the models do on the stack whose molecules are known."""
    truth = read_localizations(folder / "deepstorm_training_positions.csv")
    stack = folder / "deepstorm_training_20x64x64.tif"
    lines = [_row(["model", "molecules", "Jaccard", "precision", "recall", "RMSE", "efficiency"])]
    lines.append(_row(["---", *["---:"] * 6]))
    for name in MODELS:
        found = run(stack, name).localizations
        s = match(found, truth).scores()
        cells = [f"{s[key]:.2f}" for key in ("jaccard", "precision", "recall")]
        cells += [f"{s['rmse_lateral_nm']:.0f} nm", f"{s['efficiency_lateral']:.1f}"]
        lines.append(_row([f"`{name}`", f"{len(found):,} of {len(truth):,}", *cells]))
    return "\n".join(lines)


def said(folder: Path) -> str:
    """Return what bare names give and say."""
    stacks = {
        TUBULIN: PIXEL_NM,
        "deepstorm_training_20x64x64.tif": PIXEL_NM,
        "picasso_raw/testdata.raw": None,
    }
    lines = [_row(["stack", "asked for", "taken", "molecules", "said"]), _row(["---"] * 5)]
    for stack, pixel_nm in stacks.items():
        for network in ("dilated-loc", "deep-storm"):
            result = run(folder / stack, network, pixel_nm)
            sentences = " ".join(result.report.warnings) or "nothing"
            cells = [f"`{stack}`", f"`{network}`", f"`{result.report.model.name}`"]
            lines.append(_row([*cells, f"{len(result.localizations):,}", sentences]))
    return "\n".join(lines)


def draw(source: Any, results: dict[str, Reconstruction], path: Path) -> None:
    """Draw the sum of the frames, and beside it what each model makes of them, with the lines."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 9), layout="constrained")
    pictures = {"sum of the frames": source.read(0, source.n_frames).sum(axis=(0, 1))}
    pictures |= {name: drawn(result) for name, result in results.items()}
    axes = figure.subplots(2, 3).ravel()
    axes[-1].remove()
    for plot, (title, image) in zip(axes, pictures.items(), strict=False):
        size_um = 64 * PIXEL_NM / 1000
        plot.imshow(
            image, cmap="inferno", vmax=np.percentile(image, 99.7),
            extent=(0, size_um, size_um, 0), interpolation="nearest",
        )  # fmt: skip
        for number, ends in enumerate(FILAMENTS_NM.values(), 1):
            y_um, x_um = (np.array(ends) / 1000).T
            plot.plot(x_um, y_um, color="cyan", linewidth=1)
            plot.annotate(str(number), (x_um[1], y_um[1]), color="cyan", fontsize=8)
        plot.set(title=title, xlabel="µm", ylabel="µm")
    figure.savefig(path, dpi=90)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
