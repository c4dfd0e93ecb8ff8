"""Draw how the built-in models were trained: docs/images/training_curves.png.

    python scripts/training_curves.py

Reads the `history.csv` of their runs, one after the other where training was continued, from
docs/histories.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

DOCS = Path(__file__).parents[1] / "docs"
LOSS, JACCARD = "#0072B2", "#D55E00"


def main() -> None:
    """Write the picture."""
    histories = sorted((DOCS / "histories").glob("*.csv"))
    figure = Figure(figsize=(10, 6.4), layout="constrained", facecolor="white")
    for axes, path in zip(figure.subplots(2, 2).flat, histories, strict=True):
        history = pd.read_csv(path)
        axes.plot(history["minutes"], history["validation_loss"], color=LOSS)
        axes.set_title(path.stem.replace("_", ":", 1), fontsize=11)
        axes.set_xlabel("minutes on one core")
        axes.set_ylabel("validation loss", color=LOSS)
        axes.spines[["top"]].set_visible(False)
        other = axes.twinx()
        other.plot(history["minutes"], history["jaccard"], color=JACCARD, linestyle="--")
        other.set_ylim(0, 1)
        other.set_ylabel("Jaccard (dashed)", color=JACCARD)
        other.spines[["top"]].set_visible(False)
    figure.savefig(DOCS / "images" / "training_curves.png", dpi=100)


if __name__ == "__main__":
    main()
