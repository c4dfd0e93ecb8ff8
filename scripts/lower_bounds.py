"""Print the lower bounds of pyproject.toml as exact versions, one a line.

python scripts/lower_bounds.py [--extra all] > lowest.txt
"""

from __future__ import annotations

import argparse
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def lower_bounds(extras: list[str]) -> list[str]:
    """Return `name==version` of each dependency, an extra's bound after the same one of the base."""
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--extra", action="append", default=[], help="Extra to add; repeatable.")
    print("\n".join(lower_bounds(parser.parse_args().extra)))


if __name__ == "__main__":
    main()
