"""Scores of the built-in models over hours of training: docs/images/score_over_hours.png.

    python scripts/score_over_hours.py [STATE...]

What the queue of `make builtins` has judged, as the `progress.json` of each model in its folders
STATE says, is first taken over into benchmarks/results/score_over_hours.csv; the picture is drawn
from that.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from napari_deepsmlm._palette import MARKERS, ON_PAPER

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ROOT = Path(__file__).parents[1]
SCORES = ROOT / "benchmarks" / "results" / "score_over_hours.csv"
PICTURE = ROOT / "docs" / "images" / "score_over_hours.png"
COLUMNS = ("model", "core_hours", "stage", "step", "score", "is_published", "when")

Row = dict[str, str]


def main() -> None:
    """Take over what was judged, and draw it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("states", nargs="*", type=Path, help="folders of the queue")
    states = parser.parse_args().states
    if states:
        known = read(SCORES) if SCORES.exists() else []
        write(joined([*known, *(row for state in states for row in judged(state))]), SCORES)
    draw(read(SCORES), PICTURE)


def judged(state: Path) -> Iterable[Row]:
    """Yield what a folder of the queue says of its models."""
    for path in sorted(state.glob("*/progress.json")):
        model = path.parent.name.replace("_", ":", 1)
        for one in json.loads(path.read_text("utf-8"))["judged"]:
            yield {"model": model} | {key: str(one[key]) for key in COLUMNS[1:]}


def joined(rows: Iterable[Row]) -> list[Row]:
    """Return each judgement once, by model and time; of one network the last judgement counts."""
    last = {(row["model"], row["stage"], row["step"]): row for row in rows}
    return sorted(last.values(), key=lambda row: (row["model"], float(row["core_hours"])))


def read(path: Path) -> list[Row]:
    """Return the rows of the table."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write(rows: Sequence[Row], path: Path) -> None:
    """Write the table."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def draw(rows: Sequence[Row], path: Path) -> None:
    """Draw a line for each model; what was judged and not published is hollow."""
    figure = Figure(figsize=(8, 4.4), layout="constrained", facecolor="white")
    axes = figure.subplots()
    for number, model in enumerate(dict.fromkeys(row["model"] for row in rows)):
        mine = [row for row in rows if row["model"] == model]
        turn = number // len(ON_PAPER)  # where colours come again, markers are others
        color, marker = ON_PAPER[number % len(ON_PAPER)], MARKERS[(number + turn) % len(MARKERS)]
        hours = [float(row["core_hours"]) for row in mine]
        scores = [float(row["score"]) for row in mine]
        axes.plot(hours, scores, color=color, linewidth=1)
        axes.plot([], [], color=color, marker=marker, label=model)
        for hour, score, row in zip(hours, scores, mine, strict=True):
            inside = color if row["is_published"] == "True" else "white"
            axes.plot(hour, score, marker=marker, color=color, markerfacecolor=inside)
    axes.set(xlabel="core hours of training", ylabel="score", xlim=(0, None), ylim=(0, 100))
    axes.grid(visible=True, color="0.9")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    main()
