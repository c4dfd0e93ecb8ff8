"""How a model does on any microscope: conditions and traps that training has never seen.

    python benchmarks/conditions.py [MODEL...] [--quick | --no-traps | --only NAME...]
        [--camera auto|true|none] [--adapt MINUTES] [--seeds 1 2] [--json FILE] [--picture FILE]
    python benchmarks/conditions.py --from FILE [FILE...] [--json FILE] [--picture FILE]

Stacks come from a simulator of its own (`judging/`). Every model is run as a person runs it who
states the pixel size and nothing else, beside a single-emitter maximum-likelihood fitter that
knows camera and width and takes its best threshold in hindsight, and beside the Cramér-Rao bound.
The table of conditions is in `judging/grid.py`; `judge_model` is for other programs. The page of
the documentation is made from verdicts by scripts/make_conditions_page.py, and names the commands
that made these.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent))

from judging.grid import CONDITIONS, QUICK
from judging.judge import Row, Verdict, judge_model, needs_sums, verdict_of
from judging.page import draw
from judging.parts import merged
from judging.sums import SumRow

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Row", "Verdict", "judge_model", "main"]

BUILT_IN = ("dilated-loc:2d", "deep-storm:2d", "drsn-storm:2d-x4")


def main() -> None:
    """Judge models, or read verdicts, and write what is asked for."""
    chosen = _arguments()
    if chosen.read:
        verdicts = [one for path in chosen.read for one in json.loads(path.read_text("utf-8"))]
        verdicts = merged(verdicts)
    else:
        verdicts = judged(chosen)
    if chosen.label:
        verdicts = [{**one, "label": chosen.label} for one in verdicts]
    if chosen.json:
        _write_json(verdicts, chosen.json)
    if chosen.picture:
        draw(verdicts, chosen.picture)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="*", default=BUILT_IN, help="names or .safetensors files")
    parser.add_argument("--quick", action="store_true", help=f"only {', '.join(QUICK)}")
    parser.add_argument("--no-traps", action="store_true", help="conditions alone")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="conditions or traps by name")
    parser.add_argument("--camera", choices=("auto", "true", "none"), default="auto")
    parser.add_argument("--adapt", type=float, metavar="MINUTES")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--cache", type=Path, help="folder for stacks and references")
    parser.add_argument("--from", dest="read", type=Path, nargs="+", help="verdicts of before")
    parser.add_argument("--label", help="heading of these models instead of what was stated")
    parser.add_argument("--json", type=Path, help="write all verdicts there")
    parser.add_argument("--picture", type=Path, help="write the heat map there")
    return parser.parse_args()


def judged(chosen: argparse.Namespace) -> list[dict[str, Any]]:
    """Return the verdicts on all models; a long run that is stopped leaves what it has."""
    names = chosen.only or (QUICK if chosen.quick else None)
    if chosen.no_traps:
        names = tuple(CONDITIONS)
    verdicts: list[dict[str, Any]] = []
    for model in chosen.models:
        rows: list[Row | SumRow] = []
        started = time.process_time()

        def tell(
            row: Row | SumRow,
            model: str = model,
            rows: list[Row | SumRow] = rows,
            started: float = started,
        ) -> None:
            print_row(row)
            rows.append(row)
            if chosen.json:
                seconds = time.process_time() - started
                so_far = verdict_of(model, rows, camera=chosen.camera, cpu_seconds=seconds)
                _write_json([*verdicts, so_far.to_dict()], chosen.json)

        verdict = judge_model(
            model,
            names_for(model, names, is_quick=chosen.quick),
            seeds=chosen.seeds,
            camera=chosen.camera,
            adapt_minutes=chosen.adapt,
            cache=chosen.cache,
            tell=tell,
        )
        verdicts.append(verdict.to_dict())
        print_verdict(verdict)
    return verdicts


def names_for(model: str, names: Sequence[str] | None, *, is_quick: bool) -> Sequence[str] | None:
    """Return the conditions for a model: sums of frames have their own."""
    if needs_sums(model):
        return ("sums",) if is_quick else None
    return names


def _write_json(verdicts: list[dict[str, Any]], path: Path) -> None:
    path.write_text(json.dumps(verdicts, indent=1) + "\n", encoding="utf-8")


def print_row(row: Row | SumRow) -> None:
    """Print one condition."""
    if isinstance(row, SumRow):
        print(
            f"{row.condition:26} NMSE {row.nmse_percent:.1f} % (fitter "
            f"{row.fitter_nmse_percent:.1f} %)  line {row.fwhm_nm:.0f} nm (fitter "
            f"{row.fitter_fwhm_nm:.0f}, true {row.true_fwhm_nm:.0f})  molecules "
            f"{row.molecules_ratio:.2f}  {row.cpu_seconds:.1f} s",
            flush=True,
        )
        return
    scores, fitter = row.scores, row.fitter
    print(
        f"{row.condition:24} E {scores['efficiency']:7.1f} (fitter {fitter['efficiency']:6.1f}, "
        f"best {row.best_efficiency:5.1f})  J {scores['jaccard']:.3f} ({fitter['jaccard']:.3f})  "
        f"P {scores['precision']:.3f} R {scores['recall']:.3f}  RMSE {scores['rmse_nm']:5.1f} "
        f"lone {scores['lone_rmse_nm']:5.1f}/{row.lone_bound_nm:4.1f} nm  "
        f"z {scores['z_score_sd']:.2f}  n {scores['count_ratio']:.2f}  "
        f"false {scores['false_per_um2']:.3f} ({fitter['false_per_um2']:.3f})  "
        f"{row.cpu_seconds:.1f} s"
        + (f"  refused: {row.said[0]}" if row.is_refused else f"  {len(row.said)} warnings"),
        flush=True,
    )


def print_verdict(verdict: Verdict) -> None:
    """Print the numbers of a model."""
    # Traps alone have marks, and no score.
    score = "no score" if math.isnan(verdict.score) else f"score {verdict.score:.1f}"
    print(
        f"== {verdict.model}, camera {verdict.camera}: {score}, marks passed "
        f"{verdict.n_passed} of {len(verdict.marks)}, worst {verdict.worst} (missed by "
        f"{verdict.worst_miss_percent:.0f} %), {verdict.cpu_seconds:.0f} s of processor time\n",
        flush=True,
    )


if __name__ == "__main__":
    main()
