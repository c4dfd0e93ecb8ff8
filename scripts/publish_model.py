r"""Turn a trained model into a built-in one with an honest card.

    python scripts/publish_model.py runs/a/best.safetensors dilated-loc_2d-100nm --metrics m.json \\
        --trained-on "..." --measured-on "..." --limits "..."

The metrics are those of a benchmark on seeds that neither training nor any choice has seen:
`{sample: {measure: value}}`. Weights are stored in half precision.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_deepsmlm.models import load_model, read_card, save_model

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_deepsmlm.models import ModelCard, SMLMModel

PAPERS = {
    "deep-storm": "Nehme et al. 2018, doi:10.1364/OPTICA.5.000458",
    "drsn-storm": "Li et al. 2021, Optics Express 29, 15747",
    "dilated-loc": "doi:10.48550/arXiv.2410.02314",
    "voxel-regression": "Aritake et al. 2020, doi:10.1016/j.rio.2020.100019",
}
NO_DOI = "DOI not assigned yet."
"""Stands in a card until its weights are deposited; then their DOI takes its place."""
PRETRAINED = Path(__file__).parents[1] / "src/napari_deepsmlm/pretrained"


def page(name: str, model: SMLMModel, card: ModelCard, measured_on: str, limits: str) -> str:
    """Return the card as a page for people."""
    record, metrics = card.training_record, card.metrics
    measures = list(dict.fromkeys(key for row in metrics.values() for key in row))
    rows = (
        " | ".join([sample, *(f"{row[key]:.3f}" if key in row else "" for key in measures)])
        for sample, row in metrics.items()
    )
    lines = [
        f"# {name}",
        "",
        f"{card.title}, {model.n_parameters:,} parameters, "
        f"{'any' if card.is_for_any_pixel else f'{card.pixel_size_nm:g} nm'} pixels. "
        f"{card.trained_on}",
        "",
        f"Trained for {record['steps']:,} steps in {record['minutes']:.0f} minutes on "
        f"{record['device']} ({record['precision']}){_earlier(record)}, fresh simulation at every "
        f"step. Decision threshold {model.config.threshold:g}.",
        "",
        measured_on,
        "",
        "| sample | " + " | ".join(measures) + " |",
        "| --- |" + " ---: |" * len(measures),
        *(f"| {row} |" for row in rows),
        "",
        limits,
        "",
        *citing(card.network),
    ]
    return "\n".join(lines)


def _earlier(record: Mapping[str, Any]) -> str:
    """Return what went before the last stage of a training."""
    if not record.get("steps_before"):
        return ""
    return f", after {record['steps_before']:,} steps in {record['minutes_before']:.0f} minutes"


def citing(network: str) -> list[str]:
    """Return how to cite a model: its network's paper, the program, and the weights themselves."""
    return [
        "## Cite",
        "",
        f"- The network: {PAPERS[network]}",
        "- The program: napari-deepsmlm, with its version (CITATION.cff).",
        f"- These weights: {NO_DOI}",
        "",
    ]


def publish(
    trained: Path,
    name: str,
    *,
    metrics: dict[str, dict[str, float]],
    trained_on: str,
    measured_on: str,
    limits: str,
    folder: Path = PRETRAINED,
) -> str:
    """Write model and card into the package, weights in half precision; return the card's text.

    Parameters
    ----------
    trained : the model file.
    name : of the built-in file, such as `dilated-loc_2d-100nm`.
    metrics : `{sample: {measure: value}}`.
    """
    model, old = load_model(trained)
    own_name = name.replace("_", ":", 1)
    card = {
        **_as_published(old, own_name),
        "trained_on": trained_on,
        "metrics": {sample: _finite(row) for sample, row in metrics.items()},
    }
    for parameter in model.parameters():
        if parameter.dim() > 1:
            parameter.data = parameter.data.half()
    path = folder / f"{name}.safetensors"
    save_model(path, model, card)
    text = page(own_name, model, read_card(path), measured_on, limits)
    (folder / f"{name}.md").write_text(text, encoding="utf-8")
    return text


def _as_published(card: ModelCard, own_name: str) -> dict[str, Any]:
    """Return experiment and record of a model, with all steps since its weights were drawn.

    Weights that it began with and that lie in a file are an earlier state of this very model, so
    its name takes the place of a path on the machine that trained it.
    """
    experiment, record = dict(card.experiment), dict(card.training_record)
    start = experiment.get("start_from")
    if start and Path(start).suffix == ".safetensors":
        experiment["start_from"] = own_name
        before = read_card(Path(start)).training_record
        for total in ("steps", "minutes"):
            earlier = before.get(f"{total}_before", 0) + before.get(total, 0)
            record[f"{total}_before"] = record.get(f"{total}_before", 0) + earlier
    return {"experiment": experiment, "training_record": record}


def _finite(row: dict[str, float]) -> dict[str, float]:
    """What was measured: an empty movie has no recall, and JSON has no NaN."""
    return {measure: value for measure, value in row.items() if math.isfinite(value)}


def main() -> None:
    """Publish as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("name", help="of the file, such as dilated-loc_2d-100nm")
    parser.add_argument("--metrics", type=Path, required=True)
    parser.add_argument("--trained-on", required=True)
    parser.add_argument("--measured-on", required=True)
    parser.add_argument("--limits", required=True)
    chosen = parser.parse_args()
    text = publish(
        chosen.model,
        chosen.name,
        metrics=json.loads(chosen.metrics.read_text(encoding="utf-8")),
        trained_on=chosen.trained_on,
        measured_on=chosen.measured_on,
        limits=chosen.limits,
    )
    print(text)


if __name__ == "__main__":
    main()
