"""Print the lower bounds of pyproject.toml as exact versions, or compare them with a resolution.

python scripts/lower_bounds.py [--extra all] [--resolved lowest.txt]
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def lower_bounds(extras: list[str]) -> list[str]:
    """Return `name==version` of each dependency, with those of the extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = list(project["dependencies"])
    for extra in extras:
        wanted += project["optional-dependencies"][extra]
    pins = {}
    for requirement in wanted:
        found = re.fullmatch(r"([\w.-]+)(\[[\w,-]+\])?>=([\w.]+)", requirement)
        if found is None:
            raise ValueError(f"{requirement!r} is not NAME>=VERSION.")
        name, parts, version = found.groups()
        pins[name.lower()] = f"{name}{parts or ''}=={version}"
    return list(pins.values())


def untrue(pins: list[str], resolved: str) -> list[str]:
    """Return a sentence for each bound below the lowest version that can be installed."""
    found = dict(re.findall(r"(?m)^([\w.-]+)==([\w.]+)", resolved))
    told = []
    for pin in pins:
        name, _, bound = pin.partition("==")
        lowest = found.get(re.sub(r"\[.*", "", name).lower().replace("_", "-"))
        if lowest is None or _numbers(lowest) != _numbers(bound):
            told.append(f"{name}: the bound is {bound}, the lowest that fits is {lowest}.")
    return told


def _numbers(version: str) -> tuple[int, ...]:
    numbers = [int(part) for part in re.findall(r"\d+", version)]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--extra", action="append", default=[], help="Extra to add; repeatable.")
    parser.add_argument("--resolved", type=Path, help="What uv chose with lowest-direct.")
    chosen = parser.parse_args()
    pins = lower_bounds(chosen.extra)
    if chosen.resolved is None:
        print("\n".join(pins))
        return
    told = untrue(pins, chosen.resolved.read_text("utf-8"))
    print("\n".join(told) or f"All {len(pins)} lower bounds fit together.")
    sys.exit(1 if told else 0)


if __name__ == "__main__":
    main()
