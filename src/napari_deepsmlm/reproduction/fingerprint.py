"""Fingerprint: what a figure's code says and is set to, so that a result tells when it is old."""

from __future__ import annotations

import ast
import hashlib
import importlib
import inspect
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_deepsmlm.reproduction.figure import PaperFigure


def fingerprint(figure: PaperFigure) -> str:
    """Return 12 hexadecimal digits of the words and numbers in the figure's code.

    They are those of its module and of the modules of its paper that it imports: names of rows,
    reasons, models, seeds, steps. Order, names of variables and docstrings do not count, nor what
    is for `--quick` only, so tidying up leaves a result as new as it is.
    """
    names = [figure.make.__module__]
    package = names[0].rpartition(".")[0]
    found: list[str] = []
    for name in names:
        tree = ast.parse(inspect.getsource(importlib.import_module(name)))
        imported = (node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
        names += [m for m in imported if m and m.startswith(f"{package}.") and m not in names]
        found += _words(tree)
    return hashlib.sha256("\n".join(sorted(found)).encode()).hexdigest()[:12]


def _words(node: ast.AST) -> Iterator[str]:
    """Yield the words of all texts, and all numbers, below a node."""
    for child in ast.iter_child_nodes(node):
        is_docstring = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
        if is_docstring or (isinstance(child, ast.keyword) and child.arg == "tiny"):
            continue
        if isinstance(child, ast.Constant):
            value = child.value
            yield from value.split() if isinstance(value, str) else [repr(value)]
        yield from _words(child)
