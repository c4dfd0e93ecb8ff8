"""Saving: the molecules kept as a table with its history, or how they came about as a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_deepsmlm._words import counted
from napari_deepsmlm.plugin.forms.recipe_button import write_recipe

if TYPE_CHECKING:
    import threading
    from collections.abc import Generator

    from napari_deepsmlm.io import History
    from napari_deepsmlm.plugin.localizations.after_work import Source
    from napari_deepsmlm.plugin.localizations.work import Wanted

SAVE_KINDS = {
    "ThunderSTORM (*.csv)": "thunderstorm",
    "Picasso (*.hdf5)": "picasso",
    "SMLM Challenge (*.csv)": "challenge",
    "SMLM (*.smlm)": "smlm",
    "DECODE (*.h5)": "decode",
}
SAVE_ENDINGS = {"picasso": ".hdf5", "smlm": ".smlm", "decode": ".h5"}
NO_DRAWING = (
    " The drawing is not in it, as it has the pixels of the screen; choose one pixel size for that."
)


def save_table(
    source: Source, path: Path, kind: str | None, stopping: threading.Event
) -> Generator[str, None, None]:
    """Write a table with its history, if it has one, and yield what was done.

    Parameters
    ----------
    kind : one of `SAVE_KINDS`, which also gives the ending of a path without one.
    """
    from napari_deepsmlm.io import write_history, write_localizations

    if not path.suffix:
        path = path.with_suffix(SAVE_ENDINGS.get(kind or "", ".csv"))
    before, steps = _history_until_here(source.known), source.steps()
    pixel_nm = source.known["pixel_size_nm"]
    write_localizations(source.table, path, kind=kind, pixel_size_nm=pixel_nm)
    if steps or before.recipe:
        recipe = {**before.recipe, "steps": [*before.steps, *steps]}
        before = before._replace(recipe=recipe)
        write_history(path, before, None, "napari: Localizations, Save")
    yield f"Saved {counted(len(source.table), 'molecule')} in {path}."


def save_recipe(
    source: Source, wanted: Wanted, path: Path, stopping: threading.Event
) -> Generator[str, None, None]:
    """Write what makes a table of other stacks, and draws it, and yield what was done.

    Parameters
    ----------
    wanted : what is kept, and how it is drawn.

    Raises
    ------
    ValueError, OSError
        One sentence: a step that no recipe has, or a file that cannot be written.
    """
    from napari_deepsmlm.batch import Recipe

    drawn, known = wanted.render_step(), source.known.get("path")
    steps = [*source.steps(), *([] if drawn is None else [drawn])]
    folder = None if known is None else Path(known).parent
    recipe = Recipe.of_history(_history_until_here(source.known), steps, folder=folder)
    if recipe.reconstruct.force:  # was said of the stack that was tried
        recipe = recipe.replace(reconstruct=recipe.reconstruct.replace(force=False))
    told = write_recipe(recipe, path)
    yield told + NO_DRAWING if wanted.in_view else told


def _history_until_here(known: dict[str, Any]) -> History:
    """Return how the table of a layer came about before anything was done with it here."""
    from napari_deepsmlm.io import History, history_of_run, read_history

    if known.get("inputs"):
        return history_of_run(known["inputs"])
    path = known.get("path")
    return read_history(path) if path and Path(path).is_file() else History({})
