"""Pages that list the built-in models know every one of them."""

from __future__ import annotations

from pathlib import Path

from napari_deepsmlm.models import built_in_models, read_card

DOCS = Path(__file__).parents[2] / "docs"


def test_the_first_page_has_every_model_in_the_row_of_its_network() -> None:
    lines = (DOCS / "index.md").read_text("utf-8").splitlines()
    for name in built_in_models():
        network, model = name.split(":")
        (row,) = [line for line in lines if line.startswith(f"| `{network}`")]
        assert f"`{model}`" in row, name


def test_the_page_on_choosing_a_network_has_every_model() -> None:
    page = (DOCS / "which-network.md").read_text("utf-8")
    models = {name.split(":")[1] for name in built_in_models()}
    assert {model for model in models if f"{model}`" not in page} == set()


def test_the_page_on_depth_has_every_model_that_tells_it() -> None:
    page = (DOCS / "3d.md").read_text("utf-8")
    cards = {name: read_card(path) for name, path in built_in_models().items()}
    deep = [name for name, card in cards.items() if card.reads_depth or card.n_planes > 1]
    assert [name for name in deep if f"`{name}`" not in page] == []
