"""Draw how the built-in models were trained: docs/images/training_curves.png.

    python scripts/training_curves.py

Reads the `history.csv` of their runs, one after the other where training was continued, from
docs/histories.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from napari_deepsmlm._palette import BLUE, VERMILION

DOCS = Path(__file__).parents[1] / "docs"


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=DOCS / "images" / "training_curves.png")
    out = parser.parse_args().out
    histories = sorted((DOCS / "histories").glob("*.csv"))
    figure = Figure(figsize=(10, 6.4), layout="constrained", facecolor="white")
    for axes, path in zip(figure.subplots(2, 2).flat, histories, strict=True):
        history = pd.read_csv(path)
        axes.plot(history["minutes"], history["validation_loss"], color=BLUE)
        axes.set_title(path.stem.replace("_", ":", 1), fontsize=11)
        axes.set_xlabel("minutes on one core")
        axes.set_ylabel("validation loss", color=BLUE)
        axes.spines[["top"]].set_visible(False)
        other = axes.twinx()
        other.plot(history["minutes"], history["jaccard"], color=VERMILION, linestyle="--")
        other.set_ylim(0, 1)
        other.set_ylabel("Jaccard (dashed)", color=VERMILION)
        other.spines[["top"]].set_visible(False)
    figure.savefig(out, dpi=100)


if __name__ == "__main__":
    main()
