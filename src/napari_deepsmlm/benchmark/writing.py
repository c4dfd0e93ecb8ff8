"""Writing: the speeds as a table, as CSV and as a picture."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from napari_deepsmlm._files import atomic_write
from napari_deepsmlm._palette import BLUE, ON_PAPER, VERMILION

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_deepsmlm.benchmark.measuring import Measured, NetworkSpeed

CSV_NAME, PICTURE_NAME = "benchmark.csv", "benchmark.png"
AGAINST = {
    "side": "pixels on a side",
    "molecules": "molecules in 64 x 64 pixels",
    "frames": "frames of the movie",
    "threads": "threads",
    "workers": "processes",
}
"""What frames per second may have been measured against."""


def names_of(measured: Sequence[Measured]) -> list[str]:
    """Return the networks, with the precision where it is not the same for all."""
    speeds = [one.speed for one in measured]
    are_alike = len({speed.precision for speed in speeds}) == 1
    return [s.network if are_alike else f"{s.network}, {s.precision}" for s in speeds]


def write_speeds(measured: Sequence[Measured], folder: Path) -> None:
    """Write `benchmark.csv`, a row for each network and precision, and `benchmark.png`."""
    folder.mkdir(parents=True, exist_ok=True)
    text = io.StringIO()
    rows = [{**one.speed.model_dump(mode="json"), **one.machine} for one in measured]
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    with atomic_write(folder / CSV_NAME) as file:
        file.write(text.getvalue().encode())
    picture = io.BytesIO()
    _drawn(measured).savefig(picture, format="png", dpi=150)
    with atomic_write(folder / PICTURE_NAME) as file:
        file.write(picture.getvalue())


def _drawn(measured: Sequence[Measured]) -> Any:
    """Draw time per frame, as published and ours with their ratio, and what the pipeline keeps.

    Below, frames per second against all that was asked for.
    """
    from matplotlib.figure import Figure

    speeds, names = [one.speed for one in measured], names_of(measured)
    against = [key for key in AGAINST if any(_rates(speed, key) for speed in speeds)]
    n_rows = 2 if against else 1
    figure = Figure(figsize=(9, 3.6 * n_rows), layout="constrained")
    rows = figure.subfigures(n_rows, 1, squeeze=False)[:, 0]
    time_axes, share_axes = rows[0].subplots(1, 2)
    if against:
        _draw_rates(rows[1], speeds, names, against)
    places = range(len(speeds))
    pairs = (
        (
            "64²",
            -0.3,
            BLUE,
            [(s.published_ms_per_frame_64, s.ms_per_frame_64) for s in speeds],
        ),
        (
            "128²",
            0.1,
            VERMILION,
            [(s.published_ms_per_frame_128, s.ms_per_frame_128) for s in speeds],
        ),
    )
    for size, shift, color, values in pairs:
        published, ours = zip(*values, strict=True)
        for label, side, heights, alpha in (
            ("published", 0, published, 0.35),
            ("ours", 0.2, ours, 1),
        ):
            bars = time_axes.bar(
                [place + shift + side for place in places],
                heights, 0.2, label=f"{label}, {size}", color=color, alpha=alpha,
            )  # fmt: skip
        times = [f"{plain / fast:.1f}×" for plain, fast in values]
        time_axes.bar_label(bars, times, fontsize="x-small", padding=1)
    time_axes.set(yscale="log", ylabel="ms per frame, ours with decoding", xticks=places)
    time_axes.margins(y=0.1)
    time_axes.legend(fontsize="small", ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1))
    share_axes.bar(places, [s.pipeline_efficiency for s in speeds], 0.5, color=BLUE)
    share_axes.axhline(1, color="grey", linewidth=0.8)
    share_axes.set(ylabel="pipeline / bare network", xticks=places)
    for axes in (time_axes, share_axes):
        axes.set_xticklabels(names, rotation=15)
    machine, precisions = measured[0].machine, dict.fromkeys(s.precision for s in speeds)
    figure.suptitle(f"{machine['device']} ({machine['name']}), {', '.join(precisions)}")
    return figure


def _draw_rates(
    figure: Any, speeds: Sequence[NetworkSpeed], names: Sequence[str], against: Sequence[str]
) -> None:
    """Draw frames per second, a line for each network, in as many axes as there are keys."""
    axes = figure.subplots(1, len(against), sharey=True, squeeze=False)[0]
    for key, plot in zip(against, axes, strict=True):
        plot.set_prop_cycle(color=ON_PAPER)
        for speed, name in zip(speeds, names, strict=True):
            rates = sorted(_rates(speed, key).items())
            plot.plot([n for n, _ in rates], [rate for _, rate in rates], "o-", label=name)
        plot.set(xlabel=AGAINST[key], yscale="log")
    axes[0].set_ylabel("frames/s of the pipeline")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, fontsize="small", loc="outside upper center", ncols=4)


def _rates(speed: NetworkSpeed, key: str) -> dict[int, float]:
    rates: dict[int, float] = getattr(speed, f"frames_per_second_by_{key}")
    return rates
