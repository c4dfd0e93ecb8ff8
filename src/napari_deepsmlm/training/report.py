"""Report: one HTML page about a training run, its pictures inside."""

from __future__ import annotations

import base64
import io
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_deepsmlm._files import atomic_write
from napari_deepsmlm._score_labels import label_of
from napari_deepsmlm.training.figures import frames_figure, training_figure
from napari_deepsmlm.training.preview import preview_images
from napari_deepsmlm.training.record import REPORT

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from napari_deepsmlm.simulation.batch import Batch
    from napari_deepsmlm.training.trainer import Trainer

N_FRAMES = 3

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
        color: #222; background: #fff; }}
img {{ max-width: 100%; }} table {{ border-collapse: collapse; }}
td, th {{ text-align: left; padding: .2rem 1.5rem .2rem 0; border-bottom: 1px solid #ddd; }}
pre {{ background: #f4f4f4; padding: 1rem; overflow-x: auto; font-size: 13px; }}
</style>
<h1>{title}</h1>
<p>{summary}</p>
<h2>Curves</h2>
<img alt="Loss, molecules found and errors over the steps" src="{curves}">
<h2>Frames and what the network makes of them</h2>
<img alt="Simulated frames of the validation set, above the network's images" src="{frames}">
{real}
<h2>Scores on the validation set</h2>
<table><tr><th>Measure</th><th>Value</th></tr>{scores}</table>
<h2>Settings</h2>
<pre>{settings}</pre>
</html>
"""

# in the order in which they are listed
_SCORES = (
    "threshold",
    "jaccard",
    "precision",
    "recall",
    "rmse_lateral_nm",
    "bound_lateral_nm",
    "rmse_axial_nm",
    "bound_axial_nm",
    "efficiency",
)


def write_report(trainer: Trainer, validation: Batch) -> None:
    """Write `report.html` into the folder of a run.

    Parameters
    ----------
    trainer : after its last validation.
    validation : the frames it was judged on; the first three are shown.
    """
    model, history = trainer.learner.average, trainer.history
    frames = validation.frames[:N_FRAMES]
    columns = {name: history.column(name) for name in (history.rows or [{}])[-1]}
    record = columns.get("minutes", [0.0])
    text = _PAGE.format(
        title=escape(f"Training of {model.title}"),
        summary=escape(
            f"{trainer.step} steps in {record[-1]:.3g} minutes on {trainer.compute.device} "
            f"({trainer.compute.precision}). The best model is from step {trainer.best_step}: "
            "best.safetensors. Scores are those of simulated frames that were never trained on."
        ),
        curves=_embedded(training_figure(columns)),
        frames=_embedded(frames_figure(_shown(frames), preview_images(model, frames))),
        real=_real(trainer),
        scores="".join(
            f"<tr><td>{label_of(name)}</td><td>{columns[name][-1]:.4g}</td></tr>"
            for name in _SCORES
            if name in columns and np.isfinite(columns[name][-1])
        ),
        settings=escape(_settings(trainer)),
    )
    with atomic_write(trainer.out / REPORT) as file:
        file.write(text.encode())


def _real(trainer: Trainer) -> str:
    """The same of the frames to look at, which should look like the simulated ones."""
    if trainer.preview is None:
        return ""
    frames = trainer.preview[:N_FRAMES]
    figure = frames_figure(_shown(frames), preview_images(trainer.learner.average, frames))
    return (
        "<p>Your own frames. If they do not look like those above, the settings are wrong.</p>"
        f'<img alt="Real frames, above the network\'s images" src="{_embedded(figure)}">'
    )


def _settings(trainer: Trainer) -> str:
    import yaml

    known: dict[str, Any] = trainer.card.get("experiment", {})
    settings = known or {"training": trainer.config.model_dump(mode="json")}
    return yaml.safe_dump(settings, sort_keys=False)


def _shown(frames: Any) -> list[np.ndarray[Any, Any]]:
    """(B, C, H, W) -> the middle channel of each: the frame looked at, or a middle plane."""
    return list(frames[:, frames.shape[1] // 2].float().cpu().numpy())


def _embedded(figure: Figure) -> str:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    image = io.BytesIO()
    figure.set_dpi(110)
    canvas: Any = FigureCanvasAgg(figure)  # whose methods have no types
    # savefig draws twice; packing pictures of noise well takes half of the time for little
    canvas.print_png(image, pil_kwargs={"compress_level": 1})
    return "data:image/png;base64," + base64.b64encode(image.getvalue()).decode()
