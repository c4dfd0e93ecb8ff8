"""`deepsmlm demo`: the main job from end to end."""

from __future__ import annotations

from pathlib import Path

from napari_deepsmlm.cli._console import out, print_json, progress
from napari_deepsmlm.cli._options import JsonFlag, OutFolder


def demo(out_folder: OutFolder = Path("demo"), as_json: JsonFlag = False) -> None:
    """Reconstruct a built-in sample with a built-in model: the main job from end to end."""
    from napari_deepsmlm.demo import run_demo

    with progress("Demo") as show:
        files, report = run_demo(out_folder, on_event=show)
    if as_json:
        print_json({"files": {key: str(path) for key, path in files.items()}, **report})
        return
    quality = report["quality"]
    out.print(
        f"{report['frames']} frames in {report['seconds']:.1f} s "
        f"({report['frames_per_second']:.1f} frames/s): {quality['molecules']:,.0f} molecules, "
        f"{quality['true_molecules']:,} true ones; NMSE {quality['nmse_percent']:.1f} %."
    )
    for name, path in files.items():
        out.print(f"  {name:15} {path}", highlight=False, soft_wrap=True)
