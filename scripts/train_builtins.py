"""Train the built-in models, the one that is furthest from its marks first, for as long as it runs.

    python scripts/train_builtins.py                                    # goes on until killed
    python scripts/train_builtins.py --device cuda --minutes 9 --all    # all of them, on a GPU

Each file in `recipes/` is a built-in model. A recipe is trained in stages, each a run of its own
that begins with the best weights of the one before, the second with the model in the package if
the state has none; a slice of a stage is trained, the model is judged, and the queue chooses
again. Everything is in a state folder outside the repository, and may be killed at any moment: a
run goes on where it was saved, bit by bit. `status.md` there says what has been done. While a file
named `pause` lies there, nothing runs. What beats the model in the package, and keeps the contract
that tests hold every built-in model to, is written into it; committing is left to a person.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from napari_deepsmlm._base import FrozenModel
from napari_deepsmlm._files import atomic_write, folder_lock
from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.models import load_model, read_card, save_model
from napari_deepsmlm.training.events import StepDone, Validated
from napari_deepsmlm.training.validation import judge

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(Path(__file__).parent), str(ROOT / "benchmarks")]

from publish_model import PRETRAINED, publish  # noqa: E402 - a script beside this one

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from judging.sums import SumRow

RECIPES = ROOT / "recipes"
CONTRACT = ("tests/contract/test_model_contract.py", "tests/mismatch", "tests/models/test_card.py")
"""Tests of what every built-in model has to be."""
STATE = ROOT.parent / "builtins-state"
SLICE_MINUTES = 60.0
PAUSE_SECONDS = 5.0
GPU_BATCHES = 8
"""A GPU is given so many times the batch of a core."""


class Recipe(FrozenModel):
    """A built-in model: how it is trained, for how long, and what it has to reach."""

    name: str = Field(pattern=r"^[a-z0-9-]+_[a-z0-9-]+$", description="Of its file.")
    budget_core_hours: float = Field(gt=0, description="Most that is spent on it.")
    stages: tuple[int, ...] = Field(
        min_length=1, description="Steps of each stage; the last one is repeated."
    )
    stage_rate: float = Field(
        0.7, gt=0, le=1, description="Learning rate of a stage over that of the one before."
    )
    judged_by: Literal["matrix", "validation", "lines"] = Field(
        description="The matrix of conditions; efficiency on frames of its own experiment; or "
        "lines in sums of frames, how narrow they are and how right the image is."
    )
    mark: float = Field(gt=0, le=100, description="Score to reach.")
    threshold: float | None = Field(
        None, gt=0, lt=1, description="Decision threshold in use; that of its validation if none."
    )
    trained_on: str = Field(description="For the card.")
    limits: str = Field(description="For the card.")
    experiment: Experiment

    def stage(self, number: int, before: Path | None) -> Experiment:
        """Return the experiment of a stage, counted from 1."""
        training = self.experiment.training
        steps = self.stages[min(number, len(self.stages)) - 1]
        rate = training.learning_rate * self.stage_rate ** (number - 1)
        staged = self.experiment.replace(
            training=training.replace(steps=steps, learning_rate=rate, seed=number - 1)
        )
        return staged if before is None else staged.replace(start_from=str(before))


@dataclass
class Progress:
    """What has been done for a recipe."""

    stage: int = 1
    core_seconds: float = 0.0
    step: int = 0
    is_stage_done: bool = False
    judged: list[dict[str, Any]] = field(default_factory=list)
    """Of each judgement: core hours, stage, step, score, when, whether published."""

    @property
    def score(self) -> float | None:
        """The latest."""
        return self.judged[-1]["score"] if self.judged else None


class Line:
    """One recipe in the queue, and its folder."""

    def __init__(
        self,
        recipe: Recipe,
        state: Path,
        pretrained: Path = PRETRAINED,
        keeps_contract: Callable[[str], bool] | None = None,
    ) -> None:
        self.recipe = recipe
        self.keeps_contract = keeps_contract or keeps_the_contract
        self.shipped = pretrained / f"{recipe.name}.safetensors"
        self.folder = state / recipe.name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.progress = self._read()

    @property
    def run(self) -> Path:
        """Folder of the stage that is at work."""
        return self.folder / f"stage-{self.progress.stage}"

    @property
    def start(self) -> Path:
        """The model that the stage begins with."""
        return self.folder / f"stage-{self.progress.stage}-start.safetensors"

    @property
    def best(self) -> Path | None:
        """The best model so far; that of the package if the state has none."""
        runs = [self.folder / f"stage-{n}" for n in range(self.progress.stage, 0, -1)]
        paths = [*(run / "best.safetensors" for run in runs), self.shipped]
        return next((path for path in paths if path.exists()), None)

    @property
    def is_spent(self) -> bool:
        """Whether its budget is used up."""
        return self.progress.core_seconds >= 3600 * self.recipe.budget_core_hours

    @property
    def distance(self) -> float:
        """How far it is from its mark, as a share of it; what was never judged is furthest."""
        score = self.progress.score
        return math.inf if score is None else 1 - score / self.recipe.mark

    def keep(self) -> None:
        """Write what has been done."""
        with atomic_write(self.folder / "progress.json") as file:
            file.write(json.dumps(asdict(self.progress), indent=1).encode())

    def _read(self) -> Progress:
        path = self.folder / "progress.json"
        if not path.exists():
            # A state that was lost costs no more than the stage that was at work.
            return Progress(is_stage_done=self.shipped.exists())
        return Progress(**json.loads(path.read_text(encoding="utf-8")))

    # -- training ------------------------------------------------------------------------------

    def train(self, minutes: float, pause: Path, device: str = "auto") -> bool:
        """Train a slice; return whether it went to its end, and was not paused."""
        if self.progress.is_stage_done:
            self.progress.stage += 1
            self.progress.is_stage_done = False
            self.keep()
        if not self.run.exists() and self.best is not None:
            # A copy: what it is of may be replaced by what comes of it, and a resumed run reads it.
            shutil.copyfile(self.best, self.start)
        before = self.start if self.start.exists() else None
        experiment = self.recipe.stage(self.progress.stage, before)
        trainer = experiment.trainer(self.run, device=device)
        ends, began = time.monotonic() + 60 * minutes, time.process_time()
        is_paused = False
        for event in trainer.run(resume=trainer.can_resume):
            if isinstance(event, StepDone):
                self.progress.step = event.step
                is_paused = pause.exists()
                if is_paused or time.monotonic() > ends:
                    trainer.stop()
            if isinstance(event, Validated):
                print(f"{self.recipe.name} step {event.step}: {event.loss:.3f}", flush=True)
                began = self._spent_since(began)
        self._spent_since(began)
        self.progress.is_stage_done = self.progress.step >= experiment.training.steps
        self.keep()
        return not is_paused

    def _spent_since(self, began: float) -> float:
        """Add what was spent to the hours, which a kill does not lose then; return the time."""
        now = time.process_time()
        self.progress.core_seconds += now - began
        self.keep()
        return now

    def train_at_once(self, minutes: float, device: str) -> Path:
        """Train from the recipe's start for so many minutes, with large batches on a GPU."""
        training = self.recipe.experiment.training
        larger = 1 if device == "cpu" else GPU_BATCHES
        whole = training.replace(
            minutes=minutes,
            batch_size=training.batch_size * larger,
            learning_rate=training.learning_rate * math.sqrt(larger),
            precision="auto",
        )
        out = self.folder / f"at-once-{datetime.now():%Y%m%d-%H%M%S}"
        experiment = self.recipe.experiment.replace(training=whole)
        for event in experiment.trainer(out, device=device).run():
            if isinstance(event, Validated):
                print(f"{self.recipe.name} step {event.step}: {event.loss:.3f}", flush=True)
        return out / "best.safetensors"

    # -- judging -------------------------------------------------------------------------------

    def judge(self, model: Path) -> float:
        """Judge a model, publish it if it beats the one in the package, and keep the score."""
        model = self._as_used(model)
        score, metrics = self.scored(model)
        is_better = not self.shipped.exists() or score > self._score_of(self.shipped)
        is_published = is_better and self._published(model, metrics)
        hours = self.progress.core_seconds / 3600
        self.progress.judged.append(
            {
                "core_hours": round(hours, 3),
                "stage": self.progress.stage,
                "step": self.progress.step,
                "score": round(score, 2),
                "when": f"{datetime.now():%Y-%m-%d %H:%M}",
                "is_published": is_published,
            }
        )
        self.keep()
        return score

    def _published(self, model: Path, metrics: dict[str, dict[str, float]]) -> bool:
        """Write a model into the package, and take it back if it breaks the contract there."""
        files = (self.shipped, self.shipped.with_suffix(".md"))
        before = {path: path.read_bytes() for path in files if path.exists()}
        publish(
            model,
            self.recipe.name,
            metrics=metrics,
            trained_on=self.recipe.trained_on,
            measured_on=MEASURED[self.recipe.judged_by],
            limits=self.recipe.limits,
            folder=self.shipped.parent,
        )
        if self.keeps_contract(self.recipe.name.replace("_", ":", 1)):
            return True
        print(f"{self.recipe.name} is better and breaks the contract: not published.", flush=True)
        for path in files:
            path.unlink()
            if path in before:
                with atomic_write(path) as file:
                    file.write(before[path])
        return False

    def _as_used(self, model: Path) -> Path:
        """Return the model with the decision threshold that it is used with."""
        if self.recipe.threshold is None:
            return model
        network, card = load_model(model)
        network.config = network.config.replace(threshold=self.recipe.threshold)
        kept = {"experiment": card.experiment, "training_record": card.training_record}
        save_model(self.folder / "candidate.safetensors", network, kept)
        return self.folder / "candidate.safetensors"

    def scored(self, model: Path) -> tuple[float, dict[str, dict[str, float]]]:
        """Return the score of a model file and the figures it comes from."""
        if self.recipe.judged_by == "matrix":
            from judging.judge import judge_model

            verdict = judge_model(model)
            keys = ("jaccard", "precision", "recall", "rmse_nm", "efficiency", "false_per_um2")
            rows = {
                row.condition: {
                    **{key: row.scores[key] for key in keys if math.isfinite(row.scores[key])},
                    "fitter_efficiency": row.fitter["efficiency"],
                }
                for row in verdict.rows
            }
            return verdict.score, rows
        if self.recipe.judged_by == "lines":
            from judging.judge import judge_model

            sums = judge_model(model).rows
            return line_score(sums), {row.condition: row.scores for row in sums}
        network, _ = load_model(model)
        experiment = self.recipe.experiment
        data = experiment.batches(network, next(network.parameters()).device)
        side = experiment.training.validation_px or 2 * experiment.training.patch_px
        # Seeds of the first stage: the validation set that no stage has trained on.
        scores = judge(network, data.validation(64, (side, side))).scores
        finite = {key: value for key, value in scores.items() if math.isfinite(value)}
        return max(0.0, finite.get("efficiency", 0.0)), {"validation": finite}

    def _score_of(self, shipped: Path) -> float:
        """The score of the model in the package, measured once for each of its versions."""
        known = self.folder / "shipped.json"
        sha = str(read_card(shipped).sha256)
        scores: dict[str, float] = json.loads(known.read_text()) if known.exists() else {}
        if sha not in scores:
            scores[sha] = self.scored(shipped)[0]
            with atomic_write(known) as file:
                file.write(json.dumps(scores).encode())
        return scores[sha]


def keeps_the_contract(reference: str) -> bool:
    """Whether a built-in model, as it lies in the package, passes the tests that are about it.

    One that passes what was waived for the model before, which is a failure too, keeps it.
    """
    command = [sys.executable, "-m", "pytest", "-q", "-rf", *CONTRACT, "-k", reference]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)  # noqa: S603 - our own
    failed = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
    print("\n".join(failed), flush=True)
    broken = [line for line in failed if "XPASS(strict)" not in line]
    return done.returncode in (0, 1) and not broken


def line_score(rows: Iterable[SumRow]) -> float:
    """Return how narrow lines are and how right images are, 0 to 100, the mean of both.

    A line as narrow as the true molecules on the same pixels is 100, one twice as wide 50, and
    one that cannot be measured 0; an image is 100 less its NMSE.
    """
    each = []
    for row in rows:
        narrow = row.true_fwhm_nm / row.fwhm_nm if row.fwhm_nm > 0 else 0.0
        each.append((100 * min(1.0, narrow) + row.efficiency) / 2)
    return sum(each) / len(each) if each else 0.0


MEASURED = {
    "matrix": "Measured on the conditions of docs/conditions.md, camera not stated, with the "
    "threshold of the model.",
    "lines": "Measured on the sums of docs/conditions.md, camera not stated: widths of lines.",
    "validation": "Measured on frames of its own experiment that training never saw.",
}


def recipes(folder: Path = RECIPES) -> list[Recipe]:
    """Return the recipes, in the order of their file names."""
    return [Recipe.from_file(path) for path in sorted(folder.glob("*.yaml"))]


def furthest(lines: Iterable[Line]) -> Line | None:
    """Return the recipe that is furthest from its mark; None if all budgets are spent."""
    open_lines = [line for line in lines if not line.is_spent]
    return max(open_lines, key=lambda line: line.distance, default=None)


def write_status(lines: Iterable[Line], state: Path, now: str) -> None:
    """Write `status.md`."""
    rows = [
        "| model | stage | step | core hours | of | score | mark | best | judged | published |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for line in lines:
        done, judged = line.progress, line.progress.judged
        best = max((one["score"] for one in judged), default=None)
        published = sum(one["is_published"] for one in judged)
        cells = [
            line.recipe.name, done.stage, done.step, f"{done.core_seconds / 3600:.2f}",
            f"{line.recipe.budget_core_hours:g}", done.score, line.recipe.mark, best,
            len(judged), published,
        ]  # fmt: skip
        rows.append("| " + " | ".join("" if c is None else str(c) for c in cells) + " |")
    text = "\n".join([f"{datetime.now():%Y-%m-%d %H:%M}: {now}", "", *rows, ""])
    with atomic_write(state / "status.md") as file:
        file.write(text.encode())


def go_on(lines: list[Line], state: Path, slice_minutes: float, device: str) -> None:
    """Work through the queue until every budget is spent."""
    pause = state / "pause"
    while (line := furthest(lines)) is not None:
        while pause.exists():
            write_status(lines, state, "paused")
            time.sleep(PAUSE_SECONDS)
        write_status(lines, state, f"training {line.recipe.name}")
        if line.train(slice_minutes, pause, device) and line.best is not None:
            write_status(lines, state, f"judging {line.recipe.name}")
            line.judge(line.best)
    write_status(lines, state, "all budgets are spent")


def all_at_once(lines: list[Line], state: Path, minutes: float, device: str) -> None:
    """Train every recipe for an equal part of the minutes, then judge them."""
    trained = []
    for line in lines:
        write_status(lines, state, f"training {line.recipe.name} at once")
        trained.append((line, line.train_at_once(minutes / len(lines), device)))
    for line, model in trained:
        line.judge(model)
    write_status(lines, state, "all trained at once")


def main() -> None:
    """Run the queue as the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--state", type=Path, default=STATE, help="folder for everything")
    parser.add_argument("--recipes", type=Path, default=RECIPES)
    parser.add_argument("--only", nargs="+", help="names of recipes")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--slice", type=float, default=SLICE_MINUTES, help="minutes")
    parser.add_argument("--minutes", type=float, help="with --all: for all recipes together")
    parser.add_argument("--all", action="store_true", help="each recipe once, in equal parts")
    chosen = parser.parse_args()
    if chosen.all and not chosen.minutes:
        parser.error("--all needs --minutes")
    known = recipes(chosen.recipes)
    lines = [Line(one, chosen.state) for one in known if not chosen.only or one.name in chosen.only]
    if not lines:
        parser.error(f"no such recipe; there are {', '.join(one.name for one in known)}")
    with folder_lock(chosen.state):
        if chosen.all:
            all_at_once(lines, chosen.state, chosen.minutes, chosen.device)
        else:
            go_on(lines, chosen.state, chosen.slice, chosen.device)


if __name__ == "__main__":
    main()
