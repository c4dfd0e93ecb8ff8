"""Trust report as files: one page of HTML without scripts, and JSON."""

from __future__ import annotations

import base64
import html
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_deepsmlm._files import atomic_write
from napari_deepsmlm._palette import BLUE, GREEN, GREY, VERMILION

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from napari_deepsmlm.trust.measure import Trust

PAGE, VALUES = "trust.html", "trust.json"
_MARKS = {"fine": ("✓", GREEN), "doubt": ("✗", VERMILION), "cannot be told": ("?", "#666666")}
_STYLE = (
    "body{font:15px/1.45 sans-serif;max-width:58em;margin:2em auto;padding:0 1em;color:#111;"
    "background:#fff}table{border-collapse:collapse;width:100%}td{padding:.35em .6em;"
    "border-top:1px solid #ddd;vertical-align:top}img{max-width:100%}"
)


def write_trust(out: str | Path, trust: Trust) -> list[Path]:
    """Write page and values to a folder; return the files."""
    out = Path(out)
    with atomic_write(out / VALUES) as file:
        file.write(json.dumps(trust.report(), indent=2).encode())
    with atomic_write(out / PAGE) as file:
        file.write(trust_page(trust).encode())
    return [out / PAGE, out / VALUES]


def trust_page(trust: Trust) -> str:
    """Return the page: the sentence, the findings, and pictures inside it."""
    rows = []
    for one in trust.findings:
        mark, color = _MARKS[one.verdict]
        rows.append(
            f'<tr><td style="color:{color}">{mark} {html.escape(one.verdict)}</td>'
            f"<td><b>{html.escape(one.name)}</b></td><td>{html.escape(one.sentence)}</td></tr>"
        )
    picture = io.BytesIO()
    trust_figure(trust).savefig(picture, format="png", dpi=110)
    data = base64.b64encode(picture.getvalue()).decode()
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>Trust report: {html.escape(trust.title)}</title><style>{_STYLE}</style></head>"
        f"<body><h1>{html.escape(trust.title)}</h1><p><b>{html.escape(trust.sentence())}</b></p>"
        f"<table>{''.join(rows)}</table>"
        f'<p><img alt="Frames, molecules, doubt and counts" src="data:image/png;base64,{data}"></p>'
        "</body></html>\n"
    )


def trust_figure(trust: Trust) -> Figure:
    """Return what the frames show, what the molecules explain, where both differ, and counts."""
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.4), layout="constrained", facecolor="white")
    axes = figure.subplots(1, 4)
    if trust.doubt is not None:
        high = float(np.quantile(trust.doubt.seen, 0.998)) or 1.0
        for one, image, title in (
            (axes[0], trust.doubt.seen, "frames (mean, detail)"),
            (axes[1], trust.doubt.explained, "molecules, as the frames would show them"),
        ):
            one.imshow(image, cmap="gray", vmin=0, vmax=high)
            one.set_title(title, fontsize=8)
        axes[2].imshow(trust.doubt.seen, cmap="gray", vmin=0, vmax=2 * high)
        shown = np.ma.masked_equal(trust.doubt.in_doubt, 0)
        axes[2].imshow(shown, cmap=ListedColormap([VERMILION, BLUE]), vmin=1, vmax=2, alpha=0.8)
        axes[2].set_title("red: molecules without light\nblue: light without molecules", fontsize=8)
    for one in axes[:3]:
        one.set_xticks([])
        one.set_yticks([])
    axes[3].plot(trust.counts, color=BLUE)
    axes[3].set(ylim=(0, None), xticks=[], xlabel="time")
    axes[3].set_title("molecules per frame", fontsize=8)
    axes[3].spines[["top", "right"]].set_visible(False)
    axes[3].axhline(trust.counts.mean(), color=GREY, linewidth=0.7)
    return figure
