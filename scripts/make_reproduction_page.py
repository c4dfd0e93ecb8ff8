"""Make docs/reproduction.md from what `deepsmlm reproduce` wrote.

    python scripts/make_reproduction_page.py [FOLDER...] [--check]

The results of FOLDER, where `deepsmlm reproduce ... --out FOLDER` was run, are first taken over
into benchmarks/results/reproduction, and their pictures into docs/images. The page then has every
figure: the paper's number beside ours, why they may differ, the training, and the command; what was
never made is listed with its command. Notes of each paper lie in benchmarks/reproduction, and
in verdicts.csv whether each claim holds: a person's word, to be looked at when results change. The
hours of models of the queue lie in benchmarks/results/score_over_hours.csv.
`--check` only says whether the page is what would be written.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_deepsmlm.reproduction import all_figures, read_outcome, shown

if TYPE_CHECKING:
    from napari_deepsmlm.reproduction import PaperFigure, Row

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

from judging.page import summing  # noqa: E402 - needs the folder above
from judging.tables import score_on, sum_score  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results" / "reproduction"
NOTES = ROOT / "benchmarks" / "reproduction"
PICTURES = ROOT / "docs" / "images" / "reproduction"
PAGE = ROOT / "docs" / "reproduction.md"
TITLES = {
    "deep-storm": "Deep-STORM",
    "drsn-storm": "DRSN-STORM",
    "dilated-loc": "DilatedLoc",
    "voxel-wise": "Voxel-wise regression",
}
HEAD = """# Reproduction of the papers

Each table and figure of the four papers is one command, `deepsmlm reproduce PAPER:FIGURE --out
FOLDER`: frames are simulated with seeds that no training has seen, networks are built in or trained
on the spot, and the paper's number stands beside ours. `deepsmlm reproduce --list` names them all;
`--full` makes them as large as in the paper, for hours or days; without it they are small, and say
so. This page is made from their results by `python scripts/make_reproduction_page.py`; further
measurements name the script of `benchmarks/` that makes them.
"""
HOURS = ROOT / "benchmarks" / "results" / "score_over_hours.csv"
CONDITIONS = ROOT / "benchmarks" / "results" / "conditions"
BEFORE_THE_QUEUE = {
    "deep-storm:2d-100nm": 1.6,
    "dilated-loc:2d-100nm": 1.2,
    "dilated-loc:astigmatic-100nm": 1.3,
    "drsn-storm:2d-100nm-x4": 0.8,
    "voxel-regression:quad-plane-192nm": 0.5,
}
"""Core hours that models were trained before there was a queue, which goes on with some of them."""
TRAINING = """## Which claims hold, and what was trained for each

"Partly" is where some of what is claimed was seen, "open" where training was too short, or the
machine not there, to tell.

`deepsmlm reproduce COMMAND --out FOLDER` makes each. Hours and minutes of training are those of
one core; for a network that was trained for the figure they are steps, and minutes by the clock of
a machine with other work. The papers trained for hours on a GPU. "Judged in" is processor time
without that of training.

"""
SCALES = {"small": "small", "full": "as in the paper", "tiny": "a trial that means nothing"}


def main() -> None:
    """Take results over, and write or check the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="*", type=Path, help="results to take over")
    parser.add_argument("--check", action="store_true", help="only compare")
    chosen = parser.parse_args()
    for folder in chosen.folders:
        take_over(folder)
    text = page()
    if chosen.check:
        sys.exit(0 if PAGE.read_text("utf-8") == text else f"{PAGE} is not what would be written")
    PAGE.write_text(text, encoding="utf-8")


def take_over(folder: Path) -> None:
    """Copy results and pictures of figures into the repository."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    PICTURES.mkdir(parents=True, exist_ok=True)
    for path in sorted(folder.glob("*.json")):
        if read_outcome(path)["scale"] == "tiny":
            sys.exit(f"{path}: was made with --quick, and its numbers mean nothing")
        shutil.copyfile(path, RESULTS / path.name)
        shutil.copyfile(path.with_suffix(".png"), PICTURES / f"{path.stem}.png")


def page() -> str:
    """Return the page."""
    figures = all_figures().values()
    parts = [HEAD, training_of_all()]
    for paper, title in TITLES.items():
        parts.append(f"## {title}\n")
        missing = []
        for figure in (each for each in figures if each.paper == paper):
            path = RESULTS / f"{figure.paper}-{figure.name}.json"
            if path.exists():
                parts.append(section(figure, read_outcome(path)))
            else:
                missing.append(figure)
        if missing:
            parts.append("### Not measured yet\n\n" + "\n".join(map(line, missing)) + "\n")
        parts.append("### Notes\n\n" + notes(paper).replace("### ", "#### "))
    parts.append("## Training, estimates and fits\n\n" + notes("training"))
    return "\n".join(part.rstrip() + "\n" for part in parts)


def notes(name: str) -> str:
    """Return notes, with what they take from results."""
    text = (NOTES / f"{name}.md").read_text("utf-8")
    seconds = read_outcome(RESULTS / "deep-storm-run-time.json")["rows"][0].ours
    return (
        text.replace("{before_and_now}", before_and_now())
        .replace("{run_time_ms}", f"{1e3 * seconds / 361:.0f}")
        .replace("{run_time_s}", f"{seconds:.0f}")
    )


def line(figure: PaperFigure) -> str:
    """Return a figure that was not made, with its command."""
    return f"- {figure.title}: `deepsmlm reproduce {figure.key} --out FOLDER`. {figure.claim}"


def section(figure: PaperFigure, record: dict[str, Any]) -> str:
    """Return what is shown of a figure."""
    full = " --full" if record["scale"] == "full" else ""
    title = figure.title.split(": ", 1)[-1]
    head = f"### {title[:1].upper()}{title[1:]}"
    return "\n".join(
        [
            head,
            "",
            f"*{figure.claim}*",
            "",
            f"`deepsmlm reproduce {figure.key}{full} --out FOLDER` ({SCALES[record['scale']]}, "
            f"{spent(record['cpu_seconds'])} of a core). {record['setup']}",
            "",
            f"Networks: {training(record)}.",
            "",
            "| | paper | ours | | why they may differ |",
            "| --- | ---: | ---: | --- | --- |",
            *map(cells, record["rows"]),
            "",
            f"![{figure.title}](images/reproduction/{figure.paper}-{figure.name}.png)",
            "",
        ]
    )


def cells(row: Row) -> str:
    """Return a row of a table."""
    ours = shown(row.ours, row.instead)
    return f"| {row.quantity} | {shown(row.paper)} | {ours} | {row.unit} | {row.why} |"


def training_of_all() -> str:
    """Return for every claim whether it holds here, what was trained for it, and how long."""
    with (NOTES / "verdicts.csv").open(encoding="utf-8", newline="") as file:
        verdicts = {row["figure"]: row for row in csv.DictReader(file)}
    lines = [
        "| claim | holds here? | command | training | judged in |",
        "| --- | --- | --- | --- | ---: |",
    ]
    for figure in all_figures().values():
        path = RESULTS / f"{figure.paper}-{figure.name}.json"
        if path.exists():
            record = read_outcome(path)
            verdict = verdicts[figure.key]
            holds = f"**{verdict['holds']}**" + (f": {verdict['why']}" if verdict["why"] else "")
            lines.append(
                f"| {TITLES[figure.paper]}: {figure.claim} | {holds} | `{figure.key}` | "
                f"{training(record)} | {spent(record['cpu_seconds'])} |"
            )
    return TRAINING + "\n".join(lines) + "\n"


def training(record: dict[str, Any]) -> str:
    """Return the networks of a figure, built in or trained for it, with their training."""
    core_hours = hours_of_models()
    words = []
    for name, how in record["networks"].items():
        if how:
            start = next((each for each in core_hours if f"from {each}," in how), None)
            earlier = f" after {core_hours[start]:.1f} hours" if start else ""
            words.append(f"{how}{earlier} ({name})")
        else:
            words.append(f"built-in `{name}`, {core_hours[name]:.1f} hours")
    return "; ".join(words) or "none"


def before_and_now() -> str:
    """Return the built-in models for frames in focus and for sums, as the conditions judged them.

    Each has what its network was judged as before beside it, on the same stacks where those were
    fewer.
    """
    before, now = (
        json.loads((CONDITIONS / f"{name}.json").read_text("utf-8"))
        for name in ("before", "not-stated")
    )
    sums = summing([*before, *now])
    lines = ["| model | core hours | stacks | before | now |", "| --- | ---: | ---: | --- | --- |"]
    for one in now:
        network = one["model"].split(":")[0]
        is_sum = one in sums
        fineness = one["model"].rpartition("-")[2] if is_sum else ""
        earlier = next(
            (
                each
                for each in before
                if each["model"].startswith(f"{network}:") and each["model"].endswith(fineness)
            ),
            None,
        )
        then, score = "none", f"{sum_score(one) if is_sum else one['score']:.1f}"
        if earlier is not None:
            name = earlier["model"].split(":")[1]
            then = f"{sum_score(earlier) if is_sum else earlier['score']:.1f} (`{name}`)"
            judged = {row["condition"] for row in earlier["rows"]}
            if not is_sum and len(judged) < len(one["rows"]) - 2:
                then += f" on {len(judged)} stacks"
                score += f"; {score_on(one, judged):.1f} on those {len(judged)}"
        lines.append(
            f"| `{one['model']}` | {hours_of_models()[one['model']]:.1f} | {len(one['rows'])} | "
            f"{then} | {score} |"
        )
    return "\n".join(lines)


def hours_of_models() -> dict[str, float]:
    """Return the core hours that went into each built-in model."""
    with HOURS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    queue = {
        row["model"]: float(row["core_hours"]) for row in rows if row["is_published"] == "True"
    }
    hours = {name: BEFORE_THE_QUEUE.get(name, 0.0) + spent for name, spent in queue.items()}
    return BEFORE_THE_QUEUE | {name: round(each, 1) for name, each in hours.items()}


def spent(seconds: float) -> str:
    """Return a time in words, seconds below a minute."""
    return f"{seconds:.0f} s" if seconds < 60 else f"{seconds / 60:.1f} minutes"


if __name__ == "__main__":
    main()
