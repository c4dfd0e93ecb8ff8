"""Ask the resolver which other packages can share an environment with this one; installs nothing.

python scripts/beside_others.py [NAME ...] prints the table of docs/install.md. Needs `uv`.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
OTHERS = (
    "napari-storm",
    "micro-sam",
    "careamics-napari",
    "napari-locan",
    "napari-sim-processor",
    "napari-clusters-plotter",
    "napari-animation",
    "picassosr",
    "locan",
    "cellpose",
    "stardist",
)
SHOWN = ("napari", "zarr", "numpy", "torch")


def resolve(requirements: str, python: str) -> tuple[dict[str, str], str]:
    """Return the versions that fit together, or none and why there are none."""
    command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--python-version", python]
    done = subprocess.run(  # noqa: S603 - the words are ours
        [*command, "-"], input=requirements, capture_output=True, text=True, check=False
    )
    pins = re.findall(r"(?m)^([\w.-]+)==([\w.]+)", done.stdout)
    reason = re.search(r"Because (.*?)(?:, we can conclude|\.\n)", done.stderr, re.DOTALL)
    return dict(pins), " ".join(reason[1].split()) if reason else done.stderr.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=OTHERS, help="Packages to ask for.")
    parser.add_argument("--python", default="3.12", help="Version of Python to resolve for.")
    chosen = parser.parse_args()
    print(f"| beside | {' | '.join(SHOWN)} |\n| --- | {' | '.join('---' for _ in SHOWN)} |")
    for name in chosen.names:
        pins, reason = resolve(f"napari-deepsmlm[all] @ {ROOT.as_uri()}\n{name}\n", chosen.python)
        if pins:
            versions = " | ".join(pins.get(one, "") for one in SHOWN)
            print(f"| {name} {pins[name]} | {versions} |", flush=True)
        else:
            print(f"| {name} | cannot: {reason} |", flush=True)


if __name__ == "__main__":
    main()
