"""Parts: verdicts on some conditions each, put together as if they had been judged at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable


def merged(verdicts: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one verdict for each model and what was stated about the camera.

    Where parts judged the same condition the later one counts.
    """
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for one in verdicts:
        groups.setdefault((one["model"], one["camera"], one.get("label")), []).append(one)
    joined = map(_still_of_use, groups.values())
    return [_joined(parts) if len(parts) > 1 else parts[0] for parts in joined]


def _still_of_use(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the parts without those of which all was judged again later."""
    kept: list[dict[str, Any]] = []
    later: set[tuple[str, int]] = set()
    for part in reversed(parts):
        judged = {(row["condition"], row["seed"]) for row in part["rows"]}
        if not kept or judged - later:
            kept.insert(0, part)
        later |= judged
    return kept


def _joined(parts: list[dict[str, Any]]) -> dict[str, Any]:
    rows = {(row["condition"], row["seed"]): row for part in parts for row in part["rows"]}
    marks = {(mark["condition"], mark["demand"]): mark for part in parts for mark in part["marks"]}
    worst = max(marks.values(), key=lambda mark: mark["miss_percent"])
    counted = [_worth(row) for row in rows.values() if not row.get("trap")]
    return {
        **parts[-1],
        "rows": list(rows.values()),
        "marks": list(marks.values()),
        "score": float(np.mean(counted)) if counted else None,
        "worst": worst["condition"],
        "worst_miss_percent": worst["miss_percent"],
        "n_passed": sum(mark["miss_percent"] == 0 for mark in marks.values()),
        "n_marks": len(marks),
        "cpu_seconds": sum(part["cpu_seconds"] for part in parts),
    }


def _worth(row: dict[str, Any]) -> float:
    """Efficiency, or what is right of an image, 0 to 100."""
    if "scores" in row:
        return float(np.clip(row["scores"]["efficiency"] or 0.0, 0, 100))
    wrong = row["nmse_percent"]
    return 0.0 if wrong is None else float(np.clip(100 - wrong, 0, 100))
