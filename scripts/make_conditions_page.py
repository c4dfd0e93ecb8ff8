"""Make docs/conditions.md and its picture from what benchmarks/conditions.py has judged.

    python scripts/make_conditions_page.py [--check]

Verdicts lie in benchmarks/results/conditions; the page names the commands that made them. One model
that was judged again is taken over by `benchmarks/conditions.py --from OLD.json NEW.json --json
OLD.json`. Scores over hours of training come from benchmarks/results/score_over_hours.csv, which
scripts/score_over_hours.py fills. `--check` only says whether the page is what would be written.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

from judging.page import draw, page  # noqa: E402 - needs the folder above
from judging.parts import merged  # noqa: E402

VERDICTS = ("before", "not-stated", "adapted")
FOLDER = ROOT / "benchmarks" / "results" / "conditions"
HOURS = ROOT / "benchmarks" / "results" / "score_over_hours.csv"
PAGE = ROOT / "docs" / "conditions.md"
PICTURE = ROOT / "docs" / "images" / "conditions.png"


def main() -> None:
    """Write or check the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="only compare")
    if parser.parse_args().check:
        is_same = PAGE.read_text("utf-8") == text()
        sys.exit(0 if is_same else f"{PAGE} is not what would be written")
    PAGE.write_text(text(), encoding="utf-8")
    draw(verdicts(), PICTURE)


def text() -> str:
    """Return the page."""
    return page(verdicts(), f"images/{PICTURE.name}", more=hours())


def verdicts() -> list[dict[str, Any]]:
    """Return all verdicts; of a condition that was judged twice the later one counts."""
    files = [json.loads((FOLDER / f"{name}.json").read_text("utf-8")) for name in VERDICTS]
    return merged(one for verdicts in files for one in verdicts)


def hours() -> str:
    """Return scores over hours of training, and whether they still rise."""
    with HOURS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    lines = [
        "| model | score, after core hours (in brackets: not published) | still rising? |",
        "| --- | --- | --- |",
    ]
    for model in dict.fromkeys(row["model"] for row in rows):
        mine = [row for row in rows if row["model"] == model]
        points = [(float(row["core_hours"]), float(row["score"])) for row in mine]
        judged = ", ".join(map(_judged, mine))
        lines.append(f"| {model} | {judged} | {rising(points)} |")
    return _HOURS + "\n\n" + "\n".join(lines)


def _judged(row: dict[str, str]) -> str:
    # As text, since 66.85 is a little less as a float, and would be 66.8.
    score = Decimal(row["score"]).quantize(Decimal("0.1"), ROUND_HALF_UP)
    words = f"{score} after {float(row['core_hours']):.1f}"
    return words if row["is_published"] == "True" else f"({words})"


def rising(points: list[tuple[float, float]]) -> str:
    """Return in words what the last judgement gained over the one before."""
    if len(points) < 2:
        return "not known: judged once"
    (before, low), (now, high) = points[-2:]
    gain = high - low
    if gain <= 0:
        return f"no: {gain:+.1f} in the last {now - before:.1f} hours"
    hours = now - before
    return f"yes: {gain:+.1f} in the last {hours:.1f} hours, {gain / hours:.1f} an hour"


_HOURS = """## Scores over hours of training

![Scores of the built-in models over core hours of training](images/score_over_hours.png)

Each point is a judgement by the queue that trains the models (`make builtins`). Hollow ones were
not published: the score was below that of the model that was there or, as for `drsn-storm:2d-x4`
after three hours, better, but the model broke what is asked of every model (it is to find lone
molecules in single frames, and found none). `dilated-loc:2d` and `deep-storm:2d` are judged by the
score of this page, networks for sums by images and lines, those for depth by their lateral
efficiency on dense frames of their own microscope, so that lines of different kinds are not to be
compared. A point is what the program and the stacks of its day gave; verdicts above are newer, and
may differ by some tenths. Up to 40 core hours are planned for each.
`python scripts/score_over_hours.py` draws it."""


if __name__ == "__main__":
    main()
