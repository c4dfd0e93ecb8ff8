"""How a model does on any microscope: conditions and traps that training has never seen.

    python benchmarks/conditions.py [MODEL...] [--quick] [--only NAME...] [--camera auto|true|none]
        [--adapt MINUTES] [--seeds 1 2] [--json FILE] [--picture FILE] [--page FILE]
    python benchmarks/conditions.py --from FILE [FILE...] [--picture FILE] [--page FILE]

Stacks come from a simulator of its own (`judging/`). Every model is run as a person runs it who
states the pixel size and nothing else, beside a single-emitter maximum-likelihood fitter that
knows camera and width and takes its best threshold in hindsight, and beside the Cramér-Rao bound.
The table of conditions is in `judging/grid.py`; `judge_model` is for other programs.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from judging.grid import ALL, QUICK, find
from judging.judge import Row, Verdict, judge_model

__all__ = ["Row", "Verdict", "judge_model", "main"]

BUILT_IN = ("deep-storm:2d-100nm", "dilated-loc:2d-100nm")


def main() -> None:
    """Judge models and print one table each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="*", default=BUILT_IN, help="names or .safetensors files")
    parser.add_argument("--quick", action="store_true", help=f"only {', '.join(QUICK)}")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="conditions or traps by name")
    parser.add_argument("--camera", choices=("auto", "true", "none"), default="auto")
    parser.add_argument("--adapt", type=float, metavar="MINUTES")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--cache", type=Path, help="folder for stacks and references")
    parser.add_argument("--json", type=Path, help="write all verdicts there")
    chosen = parser.parse_args()
    names = chosen.only or (QUICK if chosen.quick else tuple(ALL))
    find(names)  # an unknown name ends here, before any work
    verdicts = []
    for model in chosen.models:
        verdict = judge_model(
            model,
            names,
            seeds=chosen.seeds,
            camera=chosen.camera,
            adapt_minutes=chosen.adapt,
            cache=chosen.cache,
            tell=print_row,
        )
        verdicts.append(verdict.to_dict())
        print_verdict(verdict)
        if chosen.json:  # after each: a long run that is stopped leaves what it has
            chosen.json.write_text(json.dumps(verdicts, indent=1) + "\n", encoding="utf-8")


def print_row(row: Row) -> None:
    """Print one condition."""
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
    print(
        f"== {verdict.model}, camera {verdict.camera}: score {verdict.score:.1f}, marks passed "
        f"{verdict.n_passed} of {len(verdict.marks)}, worst {verdict.worst} (missed by "
        f"{verdict.worst_miss_percent:.0f} %), {verdict.cpu_seconds:.0f} s of processor time\n",
        flush=True,
    )


if __name__ == "__main__":
    main()
