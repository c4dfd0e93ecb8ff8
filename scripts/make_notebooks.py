"""Write the notebooks of docs/notebooks from the scripts of examples/notebooks.

A cell begins with a line `# %%`, one of text with `# %% [markdown]`. Nothing is run, so that the
notebooks hold no outputs.

python scripts/make_notebooks.py
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SOURCES, NOTEBOOKS = ROOT / "examples" / "notebooks", ROOT / "docs" / "notebooks"


def cells(script: str) -> list[dict[str, Any]]:
    """Return the cells of a script, as notebooks keep them."""
    made: list[dict[str, Any]] = []
    for part in re.split(r"(?m)^# %%", script)[1:]:
        is_text = part.startswith(" [markdown]")
        text = part.partition("\n")[2].strip("\n")
        if is_text:
            text = re.sub(r"(?m)^# ?", "", text)
        cell = {
            "cell_type": "markdown" if is_text else "code",
            "id": f"cell-{len(made) + 1}",
            "metadata": {},
            "source": text.splitlines(keepends=True),
        }
        made.append(cell if is_text else cell | {"execution_count": None, "outputs": []})
    return made


def notebook(script: str) -> str:
    """Return a notebook as the text of its file."""
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    whole = {
        "cells": cells(script),
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    NOTEBOOKS.mkdir(exist_ok=True)
    for path in sorted(SOURCES.glob("*.py")):
        out = NOTEBOOKS / f"{path.stem}.ipynb"
        out.write_text(notebook(path.read_text("utf-8")), "utf-8")
        print(out.relative_to(ROOT))


if __name__ == "__main__":
    main()
